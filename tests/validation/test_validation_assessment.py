"""The whole assessment on small gold tables: verdict, refusals, reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from medcairn.core.digests import digest_bytes
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.scoring import Scorer
from medcairn.validation import (
    CEILING_CHECK,
    Criteria,
    Metric,
    Unavailable,
    ValidationReport,
    assess,
    load_criteria,
    read_held_out,
    validate,
)

from .gold_tables import ABOUT, CANARY_RACE, CANARY_SUBJECT, LogisticScorer, write_gold

CRITERIA = load_criteria("readmission_30d")


def validated(
    gold: Path,
    out: Path,
    scorer: Scorer | None = None,
    *,
    criteria: Criteria = CRITERIA,
    ceiling: float | None = None,
    threshold: float | None = None,
) -> ValidationReport:
    out.mkdir(parents=True, exist_ok=True)
    return validate(
        gold,
        scorer or LogisticScorer(),
        criteria,
        out,
        pinned=criteria.digest,
        seed=7,
        bootstrap_samples=200,
        about=ABOUT,
        ceiling=ceiling,
        threshold=threshold,
    )


def assessed(
    gold: Path, scorer: Scorer | None = None, *, criteria: Criteria = CRITERIA, ceiling: float | None = None
) -> ValidationReport:
    """The report alone, without drawing it."""
    held_out = read_held_out(gold, scorer or LogisticScorer())
    return assess(held_out, criteria, seed=7, bootstrap_samples=200, ceiling=ceiling)


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gold(tmp_path_factory.mktemp("gold"))


def failed(report: ValidationReport) -> set[str]:
    return {check.id for check in report.failed_checks}


def test_a_good_model_passes_and_leaves_three_reports(gold: Path, tmp_path: Path) -> None:
    report = validated(gold, tmp_path, ceiling=0.85)
    assert report.verdict == "passed", failed(report)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html", "report.pdf"}
    whole = json.loads((tmp_path / "report.json").read_bytes())
    assert whole["validation"]["verdict"] == "passed"
    assert whole["validation"]["criteria_digest"] == CRITERIA.digest
    assert whole["about"]["model_digest"] == ABOUT.model_digest
    assert [item["id"] for item in whole["criteria"]["criteria"]] == [c.id for c in CRITERIA.criteria]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_only_held_out_rows_count(gold: Path) -> None:
    table = pq.read_table(gold / "features.parquet", filters=[("split", "=", "held_out")])
    report = assessed(gold)
    assert report.rows == table.num_rows
    assert report.positives == sum(table.column("boolean_value").to_pylist())
    assert report.subjects == len(set(table.column("subject_id").to_pylist()))


def test_an_overconfident_model_fails_on_calibration_only(gold: Path, tmp_path: Path) -> None:
    report = validated(gold, tmp_path, LogisticScorer(-4.0, 4.2))
    assert report.verdict == "failed"
    assert "calibration_slope" in failed(report)
    assert "discrimination" not in failed(report)
    assert "Verdict: failed" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_model_that_ranks_backwards_fails_on_discrimination(gold: Path) -> None:
    assert {"discrimination", "sensitivity_at_80_specificity", "better_than_prevalence"} <= failed(
        assessed(gold, LogisticScorer(-1.6, -1.4))
    )


def test_a_model_above_the_ceiling_fails_as_leakage(gold: Path) -> None:
    assert failed(assessed(gold, ceiling=0.60)) == {CEILING_CHECK}


def test_a_threshold_fixed_before_is_used_and_said(gold: Path, tmp_path: Path) -> None:
    report = validated(gold, tmp_path, threshold=0.35)
    assert report.operating_point.fixed_before
    assert report.operating_point.threshold == 0.35
    assert "fixed before these rows were read" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ["one class", "no rows"])
def test_rows_that_show_nothing_fail_with_reasons(case: str, tmp_path: Path) -> None:
    gold = write_gold(
        tmp_path / "gold",
        subjects=60,
        outcome=True if case == "one class" else None,
        held_out=case != "no rows",
    )
    report = validated(gold, tmp_path / "out")
    assert report.verdict == "failed"
    assert isinstance(report.metrics[Metric.AUROC], Unavailable)
    assert "discrimination" in failed(report)
    assert "Not computed" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_empty_list_of_criteria_denies(gold: Path, tmp_path: Path) -> None:
    empty = Criteria("none", "1", "readmission_30d", "Nothing is asked.", 0.8, ())
    assert validated(gold, tmp_path, criteria=empty).verdict == "failed"


class NeverAsked:
    """A scorer that must not be reached."""

    feature_names = ("f0", "f1")

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        raise AssertionError("the held-out split was scored")


def test_criteria_that_were_not_pinned_are_refused_before_any_row_is_read(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as caught:
        validate(
            tmp_path / "absent", NeverAsked(), CRITERIA, tmp_path, pinned=digest_bytes(b"other"), seed=1,
            bootstrap_samples=200, about=ABOUT,
        )  # fmt: skip
    assert caught.value.fields["found"] == CRITERIA.digest
    assert not list(tmp_path.iterdir())


def test_the_same_inputs_give_the_same_bytes(gold: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert validated(gold, first).facts() == validated(gold, second).facts()
    for name in ("report.json", "report.html", "report.pdf"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_no_value_of_a_row_reaches_a_report(gold: Path, tmp_path: Path) -> None:
    validated(gold, tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert CANARY_SUBJECT.encode() not in content
        assert CANARY_RACE.encode() not in content


def test_missing_and_broken_gold_tables_are_told_apart(gold: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        validated(tmp_path / "absent", tmp_path / "out")
    broken = write_gold(tmp_path / "broken", subjects=20)
    (broken / "features.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError) as caught:
        validated(broken, tmp_path / "out")
    assert caught.value.__context__ is None


def test_a_missing_column_is_named(gold: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        validated(gold, tmp_path / "out", LogisticScorer(feature_names=("f0", "absent_feature")))
    assert caught.value.fields["column"] == "absent_feature"


def test_cohort_rows_that_do_not_belong_to_the_features_are_refused(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / "gold", subjects=60)
    cohort = pq.read_table(gold / "cohort.parquet")
    turned = cohort.take(pa.array(range(cohort.num_rows - 1, -1, -1)))
    pq.write_table(turned, gold / "cohort.parquet")
    with pytest.raises(DataError, match="same held-out rows"):
        validated(gold, tmp_path / "out")


class Broken(LogisticScorer):
    """Gives something that is no probability."""

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(rows), np.nan)


def test_scores_that_are_no_probabilities_are_refused(gold: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not probabilities"):
        validated(gold, tmp_path, Broken())


def test_too_few_bootstrap_samples_are_refused(gold: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        validate(
            gold, NeverAsked(), CRITERIA, tmp_path, pinned=CRITERIA.digest, seed=1, bootstrap_samples=5,
            about=ABOUT,
        )  # fmt: skip
