"""The data quality report: silver rows in, counts out; small ones withheld; a page that stands alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.canonical import canonical_json
from medcairn.core.errors import UsageError
from medcairn.lakehouse.commit import commit_table, part_name
from medcairn.lakehouse.quality import QualityReport, assess_quality, quality_page, write_quality_page
from medcairn.lakehouse.quality.counts import MOST, SMALL, share, shown, shown_part

from .silver_by_hand import LOINC, Row, write_silver

AS_OF = date(2024, 6, 30)
Assess = Callable[..., QualityReport]


@pytest.fixture
def assess(tmp_path: Path) -> Assess:
    """The report on some silver rows, the same whatever their order."""

    def assessed(**tables: Sequence[Row]) -> QualityReport:
        one, two = (
            assess_quality(write_silver(tmp_path / name, seed, **tables), as_of=AS_OF)
            for name, seed in (("one", 1), ("two", 2))
        )
        assert one == two
        return one

    return assessed


def many(count: int, subjects: int = 20, **values: Any) -> list[Row]:
    """``count`` equal rows of ``subjects`` in turn, each with a day of its own in 2023."""
    return [
        {
            "subject_id": f"s{n % subjects}",
            "effective_time": f"2023-{1 + n // 28 % 12:02d}-{1 + n % 28:02d}",
            **values,
        }
        for n in range(count)
    ]


def glucose(count: int, unit: str = "mg/dL", canonical: float | None = 100.0, **more: Any) -> list[Row]:
    return many(
        count, concept="glucose", system=LOINC, code="2345-7", canonical_unit="mg/dL" if canonical else None,
        numeric_value=100.0, canonical_value=canonical, unit=unit, **more,
    )  # fmt: skip


def patients(count: int = 20) -> list[Row]:
    return [{"subject_id": f"s{n}"} for n in range(count)]


def table_of(report: QualityReport, name: str) -> Any:
    return next(table for table in report.tables if table.table == name)


def test_rows_resources_and_subjects_are_counted_by_version(assess: Assess) -> None:
    old = {"superseded_time": "2024-01-01", "current": False}
    first = [{**row, "observation_id": f"o{n}"} for n, row in enumerate(glucose(30))]
    second = [{**row, "version": 2, "available_time": "2024-01-01"} for row in first[:15]]
    report = assess(
        patient=patients(), observation=[*({**r, **old} for r in first[:15]), *second, *first[15:]]
    )
    found = table_of(report, "observation")
    assert (found.rows, found.current, found.resources, found.subjects) == (45, 30, 30, 20)
    assert found.later_versions == 15


def test_missing_is_the_share_of_current_rows_without_a_value(assess: Assess) -> None:
    report = assess(
        patient=patients(),
        observation=[*glucose(60, status="final"), *glucose(40, status=None)],
        condition=[
            {"subject_id": f"s{n % 20}", "onset_time": "2020-01-01", "concepts": ()} for n in range(20)
        ],
    )
    found = {(c.table, c.column): (c.missing, c.share) for c in report.columns}
    assert found["observation", "status"] == (40, 0.4)
    assert found["observation", "unit"] == (0, 0.0)
    assert found["condition", "concepts"] == (20, 1.0)
    assert ("observation", "superseded_time") not in found


def test_units_are_told_by_concept_and_rare_ones_without_their_name(assess: Assess) -> None:
    report = assess(
        patient=patients(),
        observation=[
            *glucose(100),
            *glucose(40, "mmol/L"),
            *glucose(20, "furlong", None),
            *glucose(5, "Mr Secret says high", None),
            *glucose(30, "one patient's unit", subject_id="s1"),
        ],
    )
    assert [(u.concept, u.unit, u.rows, u.unusable) for u in report.units] == [
        ("glucose", "mg/dL", 100, 0),
        ("glucose", "mmol/L", 40, 0),
        ("glucose", "furlong", 20, 20),
        ("glucose", "(rarer units)", SMALL, SMALL),
    ]
    assert ("glucose", "12.5 % of the values could not be used") in [
        (f.where, f.says) for f in report.findings
    ]
    assert "Secret" not in json.dumps(report.as_json()) and b"Secret" not in quality_page(report)


def test_quantiles_need_enough_values_beyond_them(assess: Assess) -> None:
    values = [{**row, "canonical_value": float(n)} for n, row in enumerate(glucose(220))]
    many_found = assess(patient=patients(), observation=values).concepts[0]
    assert many_found.quantiles == (10.0, 54.0, 109.0, 164.0, 208.0)
    assert (many_found.rows, many_found.subjects, many_found.unit) == (220, 20, "mg/dL")


def test_too_few_values_have_no_quantiles(assess: Assess) -> None:
    assert assess(patient=patients(), observation=glucose(219)).concepts[0].quantiles == ()


def test_duplicates_are_resources_with_the_same_content(assess: Assess) -> None:
    rows = glucose(20)
    report = assess(
        patient=patients(), observation=[*rows, *rows, *(({**r, "numeric_value": 1.0}) for r in rows)]
    )
    assert table_of(report, "observation").duplicates == 20
    assert ("observation", "33.3 % of the rows say what another resource says already") in [
        (f.where, f.says) for f in report.findings
    ]


def test_times_that_cannot_be_are_counted(assess: Assess) -> None:
    born: dict[str, Any] = {"birth_year": 2000, "deceased_time": "2024-01-01"}
    report = assess(
        patient=[{**row, **born} for row in patients()],
        observation=[
            *many(12, effective_time="1999-06-01"),
            *many(13, effective_time="2024-01-03"),
            *many(14, effective_time="2024-07-01", available_time=None),
            *many(15, effective_time="2024-01-01T20:00"),
            *many(16, effective_time=None, available_time="2023-01-01"),
        ],
    )
    found = table_of(report, "observation")
    assert (found.before_birth, found.after_death, found.in_future) == (12, 27, 14)
    assert (found.undated, found.unavailable) == (16, 14)
    says = {f.says for f in report.findings if f.where == "observation"}
    assert {"14 rows lie in the future", "12 rows lie in a year before the subject's birth"} <= says


def test_years_and_lags_are_counted_coarsely(assess: Assess) -> None:
    report = assess(
        patient=patients(),
        observation=[
            *many(20, effective_time="2022-06-01", available_time="2022-06-01"),
            *many(20, effective_time="2023-06-01", available_time="2023-06-01T01:00"),
            *many(20, effective_time="2023-06-02", available_time="2023-06-09T00:01"),
            *many(5, effective_time="2021-06-02", available_time="2021-06-02"),
        ],
    )
    assert [(y.year, y.rows) for y in report.years if y.table == "observation"] == [
        (2021, SMALL),
        (2022, 20),
        (2023, 40),
    ]
    assert [(lag.lag, lag.rows) for lag in report.lags if lag.table == "observation"] == [
        ("at once", 25),
        ("within an hour", 20),
        ("within 30 days", 20),
    ]


def test_unmapped_codes_come_by_frequency_and_rare_ones_are_only_counted(assess: Assess) -> None:
    report = assess(
        patient=patients(),
        observation=[
            *glucose(40),
            *many(30, system=LOINC, code="1-8"),
            *many(60, system=LOINC, code="2-6"),
            *many(3, system="urn:own", code="rare and telling"),
            *many(50, system="urn:own", code="of few subjects", subject_id="s3"),
        ],
    )
    assert [(u.system, u.code, u.rows) for u in report.unmapped] == [(LOINC, "2-6", 60), (LOINC, "1-8", 30)]
    total = report.unmapped_totals[0]
    assert (total.coded, total.unmapped, total.rare_codes) == (183, 143, SMALL)
    assert "telling" not in json.dumps(report.as_json())
    assert "glucose" not in report.absent_concepts and "hba1c" in report.absent_concepts


def test_refusals_come_out_of_both_quarantines(tmp_path: Path) -> None:
    silver = write_silver(tmp_path / "silver", patient=patients())
    entries = pa.table({"table": ["observation"] * 12, "reason": ["implausible_value"] * 11 + ["no_unit"]})
    (silver / "quarantine").mkdir()
    file = silver / "quarantine" / part_name(0)
    pq.write_table(entries, file)
    commit_table(silver / "quarantine", entries.schema, [file])
    bronze = tmp_path / "bronze"
    bronze.mkdir()
    pq.write_table(
        pa.table({"table": ["bronze"] * 13, "reason": ["not_json"] * 13, "source_line": range(13)}),
        bronze / "quarantine.parquet",
    )
    report = assess_quality(silver, as_of=AS_OF, bronze_dir=bronze)
    assert [(r.table, r.reason, r.rows) for r in report.refusals] == [
        ("bronze", "not_json", 13),
        ("observation", "implausible_value", 11),
        ("observation", "no_unit", SMALL),
    ]


def test_empty_tables_are_findings_and_no_failure(assess: Assess) -> None:
    report = assess()
    assert {f.says for f in report.findings} == {"has no rows"}
    assert b"Nothing went to quarantine" in quality_page(report)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        assess_quality(tmp_path, as_of=AS_OF)


def test_the_page_needs_nothing_beside_it_and_says_what_is_withheld(assess: Assess, tmp_path: Path) -> None:
    report = assess(
        patient=patients(),
        observation=[*glucose(300), *glucose(20, "furlong", None), *many(30, system=LOINC, code="1-8")],
        encounter=[{"subject_id": f"s{n % 20}", "start_time": "2023-01-01"} for n in range(30)],
    )
    write_quality_page(report, tmp_path / "quality.html", name="Test data")
    page = (tmp_path / "quality.html").read_text(encoding="utf-8")
    assert page.encode() == quality_page(report, name="Test data")
    assert not re.search(r"<script|(?:src|href)=[\"'](?!data:)", page)
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) >= 5 and all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    assert "Counts of fewer than 11" in page and "furlong" in page


def test_the_report_is_canonical_json_with_its_limits(assess: Assess) -> None:
    report = assess(patient=patients(), observation=glucose(30))
    held = json.loads(canonical_json(report.as_json()))
    assert held["as_of"] == "2024-06-30" and len(held["limits"]) >= 5
    assert report.facts()["rows"] == {t.table: t.rows for t in report.tables}


@given(st.integers(0, 40), st.integers(0, 40))
def test_no_small_part_and_no_small_rest_is_shown(part: int, rest: int) -> None:
    count = shown_part(part, part + rest)
    if 0 < part < 11 or (0 < rest < 11 and part > 0):
        assert count in (SMALL, MOST)
    else:
        assert count == part
    assert shown(part) == (SMALL if 0 < part < 11 else part)
    assert shown(100, rest) == (SMALL if 0 < rest < 11 else 100)
    assert share(SMALL, 100) is None and share(MOST, 100) is None
