"""A window from tables to reports: statuses, refusals, determinism, and what never gets out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from medcairn.core.errors import DataError, UsageError
from medcairn.monitoring import Finding, MonitoringReport, Status, compare_tables, monitor

from .windows import ABOUT, Floats, table

NAMES = ("creatinine_last_365d", "age_years", "is_male", "constant", "never_measured")


def columns(seed: int, rows: int) -> dict[str, Floats]:
    generator = np.random.default_rng(seed)
    return {
        "creatinine_last_365d": np.where(
            generator.random(rows) < 0.2, np.nan, generator.normal(1, 0.3, rows)
        ),
        "age_years": np.round(generator.uniform(20, 90, rows)),
        "is_male": (generator.random(rows) < 0.5).astype(np.float64),
        "constant": np.ones(rows),
        "never_measured": np.full(rows, np.nan),
        "score": generator.beta(2, 8, rows),
    }


def monitored(
    reference: pa.Table, current: pa.Table, out: Path, *, minimum_rows: int = 50
) -> MonitoringReport:
    out.mkdir(parents=True, exist_ok=True)
    return monitor(reference, current, out, feature_names=NAMES, about=ABOUT, minimum_rows=minimum_rows)


def compared(reference: pa.Table, current: pa.Table, *, minimum_rows: int = 50) -> MonitoringReport:
    """The report alone, without drawing it."""
    return compare_tables(
        reference,
        current,
        feature_names=NAMES,
        score_column="score",
        subject_column="subject_id",
        time_column="prediction_time",
        false_discovery_rate=0.05,
        minimum_rows=minimum_rows,
    )


def test_a_window_like_the_reference_is_ok(tmp_path: Path) -> None:
    report = monitored(table(columns(1, 600)), table(columns(2, 200)), tmp_path)
    assert report.status is Status.OK
    assert {change.status for change in report.changes} == {Status.OK}
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html"}
    assert "Verdict: no drift found" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_each_kind_of_change_is_found_and_named(tmp_path: Path) -> None:
    current = columns(2, 300)
    current["creatinine_last_365d"][:150] = np.nan
    current["age_years"] += 15
    current["constant"][:] = 2
    current["score"] = np.sqrt(current["score"])
    report = monitored(table(columns(1, 600)), table(current), tmp_path)
    assert report.status is Status.DRIFT
    by_name = {change.name: change for change in report.changes}
    assert {name for name, change in by_name.items() if change.status is Status.DRIFT} == {
        "creatinine_last_365d", "age_years", "constant", "score",
    }  # fmt: skip
    assert Finding.MISSINGNESS in by_name["creatinine_last_365d"].findings
    assert Finding.DISTRIBUTION in by_name["age_years"].findings
    assert Finding.MISSINGNESS not in by_name["age_years"].findings
    whole = json.loads((tmp_path / "report.json").read_bytes())
    assert whole["monitoring"]["status"] == "drift"
    assert whole["about"]["model_digest"] == ABOUT.model_digest


def test_a_feature_that_vanishes_is_drift() -> None:
    current = columns(2, 200)
    current["age_years"][:] = np.nan
    report = compared(table(columns(1, 600)), table(current))
    age = next(change for change in report.features if change.name == "age_years")
    assert age.status is Status.DRIFT
    assert age.findings[0] is Finding.MISSINGNESS
    assert age.ks_distance is None


def test_a_feature_measured_too_seldom_is_told_apart_from_one_that_is_fine() -> None:
    reference, current = columns(1, 600), columns(2, 200)
    reference["age_years"][60:] = np.nan
    current["age_years"][20:] = np.nan
    report = compared(table(reference), table(current))
    by_name = {change.name: change.status for change in report.features}
    assert by_name["age_years"] is Status.TOO_FEW_ROWS
    assert by_name["never_measured"] is Status.OK
    assert report.status is Status.OK


@pytest.mark.parametrize("rows", [0, 49])
def test_a_window_of_few_rows_is_not_judged(rows: int, tmp_path: Path) -> None:
    report = monitored(table(columns(1, 600)), table(columns(2, rows)), tmp_path)
    assert report.status is Status.TOO_FEW_ROWS
    assert {change.status for change in report.changes} == {Status.TOO_FEW_ROWS}
    assert "Verdict: too few rows" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_volume_counts_rows_subjects_and_days() -> None:
    current = table(columns(2, 200), subjects=np.arange(200) // 4)
    report = compared(table(columns(1, 600), subjects=np.arange(600) // 2), current)
    assert (report.volume.reference_rows, report.volume.current_rows) == (600, 200)
    assert (report.volume.reference_subjects, report.volume.current_subjects) == (300, 50)
    assert report.volume.rows_per_day == (3,) * 66 + (2,)


def test_without_scores_times_and_subjects_there_is_still_a_report(tmp_path: Path) -> None:
    reference, current = (table(columns(seed, 200)).select(list(NAMES)) for seed in (1, 2))
    report = monitor(reference, current, tmp_path, feature_names=NAMES, score_column=None, about=ABOUT)
    assert report.score is None
    assert report.volume.rows_per_day == ()
    assert report.status is Status.OK


def test_infinities_are_missing_and_booleans_are_numbers() -> None:
    current = columns(2, 200)
    current["age_years"][:2] = np.inf
    whole = table(current)
    place = whole.column_names.index("is_male")
    whole = whole.set_column(place, "is_male", pa.array(current["is_male"] == 1))
    report = compared(table(columns(1, 600)), whole)
    age = next(change for change in report.features if change.name == "age_years")
    assert age.current_missing == pytest.approx(2 / 200)
    assert report.status is Status.OK


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        monitored(table(columns(1, 600)), table(columns(2, 200)), tmp_path / name) for name in ("a", "b")
    )
    assert first.facts() == second.facts()
    for name in ("report.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_no_subject_reaches_a_report(tmp_path: Path) -> None:
    subjects = np.arange(200)
    monitored(table(columns(1, 200), subjects=subjects), table(columns(2, 200), subjects=subjects), tmp_path)
    for path in tmp_path.iterdir():
        assert b"canary-subject" not in path.read_bytes()


def test_what_cannot_be_compared_is_refused_and_located() -> None:
    good = table(columns(1, 600))
    with pytest.raises(DataError) as caught:
        compared(good, good.drop_columns(["age_years"]))
    assert caught.value.fields["column"] == "age_years"
    text = good.drop_columns(["age_years"]).append_column("age_years", pa.array(["Canary"] * 600))
    with pytest.raises(DataError) as caught:
        compared(good, text)
    assert caught.value.fields["column"] == "age_years"
    assert "Canary" not in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(UsageError):
        compared(good.slice(0, 10), good)
    with pytest.raises(UsageError):
        compared(good, good, minimum_rows=0)
