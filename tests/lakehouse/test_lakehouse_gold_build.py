"""Building the gold tables: versions, report, refusals, and both engines over rows drawn at random."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcairn.core.delta import delta_files, read_delta
from medcairn.core.errors import DataError, UsageError
from medcairn.core.silver import TIME
from medcairn.lakehouse.commit import commit_table, part_name
from medcairn.lakehouse.gold import ALL_TABLES, GOLD_TABLES, GoldReport, build_gold_tables

from .gold_cases import AS_OF, skip_without_spark
from .silver_by_hand import LOINC, Row, time, write_silver


def _silver(folder: Path, *values: float) -> Path:
    observation: list[Row] = [
        {
            "concept": "glucose",
            "effective_time": f"2024-05-0{day}",
            "canonical_value": value,
            "canonical_unit": "u",
        }
        for day, value in enumerate(values, start=1)
    ]
    return write_silver(folder, patient=[{}], observation=observation)


def _built(silver: Path, out: Path, **more: Any) -> GoldReport:
    return build_gold_tables(silver, out, as_of=time(AS_OF), **more)


class _Drawn:
    """Silver rows at random: several versions, gaps, equal times, statuses that void, all sizes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.tables: dict[str, list[Row]] = {
            "patient": [self._patient(n) for n in range(12)],
            "observation": self._rows(240, self._observation),
            "condition": self._rows(30, self._condition),
            "medication": self._rows(60, self._medication),
            "encounter": self._rows(40, self._encounter),
        }

    def _one(self, *options: Any) -> Any:
        return self._random.choice(options)

    def _time(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=6 * self._random.randrange(700))

    def _patient(self, number: int) -> Row:
        return {
            "subject_id": f"s{number}",
            "gender": self._one("male", "female", "other", None),
            "birth_year": self._one(1931, 1950, 2010, None),
            "age_90_plus": self._one(True, False, None),
            "deceased_time": self._one(None, None, self._time()),
            "follow_up_end": self._one(None, None, self._time()),
        }

    def _rows(self, count: int, make: Any) -> list[Row]:
        rows: list[Row] = []
        for number in range(count):
            known, later = sorted((self._time(), self._time()))
            first = {"subject_id": f"s{number % 12}", **make(number)}
            if self._one(True, False, False):
                rows.append({**first, "available_time": known, "superseded_time": later, "current": False})
                rows.append({**first, **make(number), "version": 2, "available_time": later})
            else:
                rows.append({**first, "available_time": self._one(known, known, None)})
        return rows

    def _observation(self, number: int) -> Row:
        value = self._one(0.0, -1.5, 0.00005, 7.00015, 120.0, 140.0, 89.99995, 1e7 / 3, 5e8, None)
        return {
            "observation_id": f"o{number}",
            "concept": self._one(
                "glucose", "hba1c", "haemoglobin", "systolic_bp", "diastolic_bp", "spo2", None
            ),
            "effective_time": self._one(self._time(), self._time(), None),
            "canonical_value": value,
            "numeric_value": self._one(value, 1.0, None),
            "canonical_unit": "u",
            "comparator": self._one(None, None, "<"),
            "status": self._one("final", "final", "entered-in-error", None),
            "interpretation": self._one(None, None, "H", "LL", "N", "?"),
            "reference_low": self._one(None, 0.5, 100.0),
            "reference_high": self._one(None, 130.0),
            "system": self._one(LOINC, "urn:x"),
            "code": self._one("1-8", "2345-7"),
        }

    def _condition(self, number: int) -> Row:
        return {
            "condition_id": f"c{number}",
            "onset_time": self._one(self._time(), None),
            "recorded_time": self._one(self._time(), None),
            "concepts": self._one((), ("diabetes",), ("ckd", "hypertension"), None),
            "verification_status": self._one("confirmed", "refuted", None),
        }

    def _medication(self, number: int) -> Row:
        kinds = ("Request", "Dispense", "Statement", "Administration")
        return {
            "medication_id": f"m{number // 2}",
            "resource_type": f"Medication{kinds[number % 2] if number < 30 else self._one(*kinds)}",
            "start_time": self._one(self._time(), self._time(), None),
            "end_time": self._one(None, None, self._time()),
            "authored_time": self._one(None, self._time()),
            "days_supply": self._one(None, 30.0, 90.0, 7.5, 0.0),
            "concepts": self._one(("atorvastatin", "statin"), ("simvastatin", "statin"), ("statin",), None),
            "system": "rx",
            "code": self._one("1", "2", None),
            "status": self._one("active", "completed", "stopped", "entered-in-error"),
        }

    def _encounter(self, number: int) -> Row:
        return {
            "encounter_id": f"e{number}",
            "start_time": self._one(self._time(), self._time(), None),
            "end_time": self._one(self._time(), None),
            "class_code": self._one("IMP", "EMER", "AMB", None),
            "status": self._one("finished", "cancelled"),
        }


def test_both_engines_give_the_same_tables_to_the_last_bit(tmp_path: Path) -> None:
    skip_without_spark()
    drawn = _Drawn(20240701).tables
    silver, shuffled = tmp_path / "silver", tmp_path / "shuffled"
    write_silver(silver, 1, **drawn)
    write_silver(shuffled, 2, **drawn)
    one = _built(silver, tmp_path / "one", engine="duckdb")
    two = _built(shuffled, tmp_path / "two", engine="spark")
    three = _built(shuffled, tmp_path / "three", engine="duckdb")
    assert one.rows == two.rows and one.rules == two.rules
    assert min(one.rows.values()) >= 8
    for name in ALL_TABLES:
        table = read_delta(tmp_path / "one" / name)
        assert table.equals(read_delta(tmp_path / "two" / name)), name
        assert [f.name for f in delta_files(tmp_path / "one" / name)] == [
            f.name for f in delta_files(tmp_path / "three" / name)
        ], f"{name}: the order of the input shows in the bytes"
    assert three.versions == one.versions


def _as_known(tables: dict[str, list[Row]], moment: datetime) -> dict[str, list[Row]]:
    """The rows as an export at ``moment`` would have shown them."""
    kept: dict[str, list[Row]] = {"patient": tables["patient"]}
    for name in ("observation", "condition", "medication", "encounter"):
        kept[name] = [
            {**row, "superseded_time": None, "current": True}
            if row.get("superseded_time") is not None and row["superseded_time"] > moment
            else row
            for row in tables[name]
            if row["available_time"] is not None and row["available_time"] <= moment
        ]
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_what_became_known_later_changes_no_row(seed: int, tmp_path: Path) -> None:
    drawn, moment = _Drawn(seed).tables, time("2024-03-31")
    write_silver(tmp_path / "all", seed, **drawn)
    write_silver(tmp_path / "known", seed, **_as_known(drawn, moment))
    index = pa.table(
        {"subject_id": [f"s{n}" for n in range(12)], "prediction_time": pa.array([moment] * 12, TIME)}
    )
    for name in GOLD_TABLES:
        as_of = time(AS_OF) if name == "chronic_disease_features" else moment
        one, two = (
            build_gold_tables(
                tmp_path / silver, tmp_path / f"gold {silver}", as_of=as_of, tables=[name], index=index
            )
            for silver in ("all", "known")
        )
        found = [read_delta(tmp_path / f"gold {silver}" / name) for silver in ("all", "known")]
        assert one.rows[name] == two.rows[name] > 0
        assert found[0].equals(found[1]), name


def test_taking_few_subjects_at_a_time_changes_nothing_but_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_silver(tmp_path / "silver", 1, **_Drawn(5).tables)
    _built(tmp_path / "silver", tmp_path / "whole")
    monkeypatch.setattr("medcairn.lakehouse.gold.embedded.ROWS_AT_ONCE", 40)
    _built(tmp_path / "silver", tmp_path / "parts")
    for name in ALL_TABLES:
        assert read_delta(tmp_path / "whole" / name).equals(read_delta(tmp_path / "parts" / name)), name
    assert len(delta_files(tmp_path / "parts" / "observations_normalized")) > 4


def test_building_again_makes_a_version_only_of_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "gold"
    first = _built(_silver(tmp_path / "a", 100.0), out)
    again = _built(_silver(tmp_path / "b", 100.0), out)
    changed = _built(_silver(tmp_path / "c", 100.0, 110.0), out)
    assert set(first.versions.values()) == {0} and again.versions == first.versions
    assert (changed.versions["lab_result_trends"], changed.versions["patients_normalized"]) == (1, 0)
    assert read_delta(out / "lab_result_trends").num_rows == 2
    assert not list(out.glob(".*"))


def test_the_report_tells_numbers_and_the_digest_of_its_rules(tmp_path: Path) -> None:
    report = _built(_silver(tmp_path / "silver", 100.0), tmp_path / "gold", tables=["lab_result_trends"])
    facts = report.facts()
    assert facts["rows"] == {"lab_result_trends": 1} and facts["versions"] == {"lab_result_trends": 0}
    assert str(facts["rules"]).startswith("sha256:") and facts["as_of"] == "2024-07-01T00:00:00+00:00"


def test_refusals(tmp_path: Path) -> None:
    silver = _silver(tmp_path / "silver", 100.0)
    with pytest.raises(UsageError, match="no such gold table"):
        _built(silver, tmp_path / "gold", tables=["patients"])
    with pytest.raises(UsageError, match="offset"):
        build_gold_tables(silver, tmp_path / "gold", as_of=datetime(2024, 1, 1))  # noqa: DTZ001 -- refused
    with pytest.raises(UsageError, match="no Delta table"):
        _built(tmp_path / "nothing", tmp_path / "gold")
    with pytest.raises(DataError, match="index lacks a column"):
        _built(silver, tmp_path / "gold", index=pa.table({"subject_id": ["s1"]}))
    assert not (tmp_path / "gold.spill").exists()


def test_a_silver_table_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    silver = _silver(tmp_path / "silver", 100.0)
    shutil.rmtree(silver / "patient")
    (silver / "patient").mkdir()
    file = silver / "patient" / part_name(0)
    table = pa.table({"subject_id": ["s1"]})
    pq.write_table(table, file)
    commit_table(silver / "patient", table.schema, [file])
    with pytest.raises(DataError) as caught:
        _built(silver, tmp_path / "gold")
    assert caught.value.fields["table"] == "patient"
