"""Silver from news alone is silver from everything, byte for byte; and when versions count."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.delta import delta_files, delta_version, read_delta
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse import SilverReport, build_silver

from .lake import Lake, rows_of
from .resources import LOINC, RXNORM, concept, condition, medication, observation, quantity

TABLES = (*SILVER_SCHEMAS, "quarantine")
FEW_ROWS = 3
"""Rows a file, so that a handful of resources makes several."""


def files_of(silver: Path) -> dict[str, str]:
    """Every current data file with the digest of its bytes."""
    return {
        f"{table}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest()
        for table in TABLES
        for file in delta_files(silver / table)
    }


def at(day: int) -> str:
    return f"2024-01-{day:02}T00:00:00Z"


Day = st.integers(1, 28)
Meta = st.fixed_dictionaries(
    {}, optional={"versionId": st.sampled_from(["1", "2", "3"]), "lastUpdated": Day.map(at)}
)
Subject = st.sampled_from(["a", "ab", "b", "c1", "c2", "é"]).map(lambda id: {"reference": f"Patient/{id}"})


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    """A resource of one of a few ids; two of the same id are two versions."""
    kind = draw(
        st.sampled_from(["Patient", "Observation", "Observation", "Condition", "Medication", "Order"])
    )
    meta = draw(Meta)
    if kind == "Patient":
        gender = draw(st.sampled_from(["male", "female"]))
        return {"resourceType": kind, "id": draw(st.sampled_from("abc")), "gender": gender, "meta": meta}
    if kind == "Medication":
        code = draw(st.sampled_from(["860975", "6809", "1"]))
        id = draw(st.sampled_from(["d1", "d2"]))
        return {"resourceType": kind, "id": id, "code": concept((RXNORM, code)), "meta": meta}
    members: dict[str, Any] = {
        "id": draw(st.sampled_from(["1", "2", "3", "4", "5"])),
        "meta": meta,
        "subject": draw(st.none() | Subject) if draw(st.integers(0, 9)) == 0 else draw(Subject),
    }
    if kind == "Condition":
        return condition(("http://x", draw(st.sampled_from("AB"))), recordedDate=draw(Day.map(at)), **members)
    if kind == "Order":
        drug = {"reference": f"Medication/{draw(st.sampled_from(['d1', 'd2', 'd3']))}"}
        return medication(
            "MedicationRequest", authoredOn=draw(Day.map(at)), medicationReference=drug, **members
        )
    part = {
        "code": concept((LOINC, "8480-6")),
        "valueQuantity": quantity(draw(st.integers(90, 300)), "mm[Hg]"),
    }
    return observation(
        "2345-7",
        effectiveDateTime=draw(st.none() | Day.map(at)),
        issued=draw(st.none() | Day.map(at)),
        status=draw(st.sampled_from(["final", "corrected", "entered-in-error"])),
        valueQuantity=draw(st.none() | st.integers(50, 3000).map(lambda v: quantity(v, "mg/dL"))),
        component=draw(st.none() | st.lists(st.just(part), max_size=2)),
        **members,
    )


@dataclass(frozen=True)
class Load:
    """One delivery: what it holds, and whether what it does not hold was deleted."""

    resources: Sequence[dict[str, Any]]
    complete: bool


Loads = st.lists(
    st.builds(Load, st.lists(resources(), min_size=1, max_size=6), st.booleans()), min_size=1, max_size=3
)


@settings(max_examples=10, deadline=None)
@given(Loads, st.data())
def test_loads_one_by_one_give_the_files_of_all_loads_at_once(loads: list[Load], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        report: SilverReport | None = None
        for load in loads:
            again = data.draw(st.booleans(), label="delivered twice")
            for _ in range(1 + again):
                lake.load(*load.resources, complete=load.complete)
            report = build_silver(lake.bronze, lake.silver, processes=1, rows_per_file=FEW_ROWS)
        afresh = Path(folder) / "afresh"
        full = build_silver(lake.bronze, afresh, processes=1, rows_per_file=FEW_ROWS)
        assert files_of(lake.silver) == files_of(afresh)
        assert report is not None
        assert (report.facts(), report.content) == (full.facts(), full.content)
        for table in SILVER_SCHEMAS:
            subjects = read_delta(afresh / table, ["subject_id"]).column(0).to_pylist()
            assert subjects == sorted(subjects, key=str.encode)


def test_without_news_nothing_is_written(lake: Lake) -> None:
    lake.load(observation("2345-7"))
    first = lake.refine()
    assert (first.renewed, first.files_written) == (1, len(TABLES))
    lake.load(observation("2345-7"))
    second = lake.refine()
    assert (second.renewed, second.files_written, second.versions) == (0, 0, first.versions)
    assert (second.facts(), second.content) == (first.facts(), first.content)


def test_only_files_with_news_are_written_and_old_versions_stay_readable(lake: Lake) -> None:
    subjects = [{"reference": f"Patient/{id}"} for id in "abcdefgh"]
    values = [
        observation("2345-7", id=f"o{n}", subject=subject, valueQuantity=quantity(90 + n, "mg/dL"))
        for n, subject in enumerate(subjects)
    ]
    lake.load(*values)
    before = build_silver(lake.bronze, lake.silver, processes=1, rows_per_file=1)
    corrected = observation(
        "2345-7", id="o3", subject=subjects[3], issued=at(20), valueQuantity=quantity(200, "mg/dL")
    )
    lake.load(corrected)
    after = build_silver(lake.bronze, lake.silver, processes=1, rows_per_file=1)
    assert (after.renewed, after.files_written) == (1, 1)
    assert after.versions["observation"] == before.versions["observation"] + 1
    assert after.versions["patient"] == before.versions["patient"] == delta_version(lake.silver / "patient")
    [old] = [
        row
        for row in rows_of(read_delta(lake.silver / "observation", version=0))
        if row["observation_id"] == "o3"
    ]
    assert (old["canonical_value"], old["superseded_time"], old["current"]) == (93.0, None, True)
    new = [row for row in lake.rows("observation") if row["observation_id"] == "o3"]
    assert [(row["canonical_value"], row["current"]) for row in new] == [(93.0, False), (200.0, True)]


def test_silver_elsewhere_is_linked_and_carried_on(lake: Lake, tmp_path: Path) -> None:
    lake.load(observation("2345-7"))
    lake.refine()
    kept = files_of(lake.silver)
    lake.load(observation("2345-7", id="o2"))
    there = tmp_path / "next"
    report = build_silver(lake.bronze, there, previous=lake.silver, processes=1)
    assert report.renewed == 1
    assert report.versions["observation"] == 1
    assert files_of(lake.silver) == kept
    assert read_delta(there / "observation").num_rows == 2


def test_a_bronze_that_was_begun_anew_is_typed_as_a_whole(lake: Lake) -> None:
    lake.load(observation("2345-7"), condition(("http://x", "A")))
    lake.refine()
    shutil.rmtree(lake.bronze)
    lake.bronze.mkdir()
    lake.load(observation("2345-7", id="o2"))
    lake.refine()
    assert [row["observation_id"] for row in lake.rows("observation")] == ["o2"]
    assert lake.rows("condition") == []


def test_other_rules_have_everything_typed_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.load(observation("2345-7"))
    lake.refine()
    note = lake.silver / "source.json"
    note.write_text(note.read_text().replace('"rules":"', '"rules":"0'))
    assert lake.refine().renewed == 1


def test_a_changed_medication_reaches_those_who_refer_to_it(lake: Lake) -> None:
    drug = {"resourceType": "Medication", "id": "d1", "code": concept((RXNORM, "1"))}
    order = medication("MedicationRequest", medicationReference={"reference": "Medication/d1"})
    lake.load(order)
    assert lake.refine().quarantined == {"medication_by_reference": 1}
    lake.load(drug)
    assert lake.refine().quarantined == {}
    lake.load({**drug, "code": concept((RXNORM, "860975"))})
    lake.refine()
    assert lake.row("medication")["code"] == "860975"


@pytest.mark.parametrize(
    ("metas", "newest"),
    [
        ([{"versionId": "2"}, {"versionId": "1"}], 0),
        ([{"versionId": "10"}, {"versionId": "9"}], 0),
        ([{"lastUpdated": at(2)}, {"lastUpdated": at(1)}], 0),
        ([{}, {}], 1),
    ],
)
def test_the_order_of_versions(lake: Lake, metas: list[dict[str, str]], newest: int) -> None:
    for n, meta in enumerate(metas):
        lake.load(observation("2345-7", meta=meta, valueQuantity=quantity(100 + n, "mg/dL")))
    lake.refine()
    current = [row["numeric_value"] for row in lake.rows("observation") if row["current"]]
    assert current == [100 + newest]


def version(day: int | None, updated: int | None = None, **members: Any) -> dict[str, Any]:
    meta = None if updated is None else {"lastUpdated": at(updated)}
    issued = None if day is None else at(day)
    return observation("2345-7", issued=issued, effectiveDateTime=None, meta=meta, **members)


Row = tuple[int, str | None, str | None, bool]
"""(version, day of available_time, day of superseded_time, current)"""


@pytest.mark.parametrize(
    ("chain", "rows", "untimed"),
    [
        # The first version counts from its own time, whenever the server got it.
        ([version(5, updated=20)], [(1, "05", None, True)], 0),
        # A correction that states when it was issued.
        ([version(5), version(9)], [(1, "05", "09", False), (2, "09", None, True)], 0),
        # One that does not, on a server that says when it came.
        ([version(5), version(5, updated=8)], [(1, "05", "08", False), (2, "08", None, True)], 0),
        # One for which nobody states a time takes the place of the version before it.
        ([version(5), version(5, status="corrected")], [(1, "05", "05", False), (2, "05", None, True)], 1),
        # Nor does a version count before the one before it.
        ([version(5), version(3)], [(1, "05", "05", False), (2, "05", None, True)], 1),
        ([version(5), version(3, updated=4)], [(1, "05", "05", False), (2, "05", None, True)], 1),
        # A fact without any time never counts; its correction may.
        ([version(None), version(7)], [(1, None, "07", False), (2, "07", None, True)], 0),
        ([version(None), version(None, updated=7)], [(1, None, None, False), (2, None, None, True)], 1),
        # Withdrawn: an earlier version counted until then.
        (
            [version(5), version(5, updated=8, status="entered-in-error")],
            [(1, "05", "08", False), (2, "08", None, True)],
            0,
        ),
        (
            [version(5), version(7), version(7, status="final", note=[{"text": "x"}])],
            [(1, "05", "07", False), (2, "07", "07", False), (3, "07", None, True)],
            1,
        ),
    ],
)
def test_when_versions_count(lake: Lake, chain: list[dict[str, Any]], rows: list[Row], untimed: int) -> None:
    for one in chain:
        lake.load(one)
    report = lake.refine()
    assert days_of(lake, "observation") == rows
    assert report.untimed_corrections == untimed


def test_a_deletion_without_a_time_leaves_nothing_that_counts(lake: Lake) -> None:
    lake.load(version(5), condition())
    lake.load(condition(), complete=True)
    report = lake.refine()
    assert days_of(lake, "observation") == [(1, "05", "05", False)]
    assert report.untimed_corrections == 1


def test_a_deletion_with_a_time_ends_the_last_version_and_a_new_life_begins_later(lake: Lake) -> None:
    lake.load(version(5))
    folder = lake.source / "deletions"
    folder.mkdir()
    deletion = {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": at(9),
        "entry": [{"request": {"method": "DELETE", "url": "Observation/o1"}}],
    }
    (folder / "Bundle.000.ndjson").write_text(json.dumps(deletion) + "\n")
    for file in lake.source.glob("*.ndjson"):
        file.unlink()
    lake.load_written(complete=False)
    lake.refine()
    assert days_of(lake, "observation") == [(1, "05", "09", False)]
    shutil.rmtree(folder)
    lake.load(version(12))
    lake.refine()
    assert days_of(lake, "observation") == [(1, "05", "09", False), (2, "12", None, True)]


def test_a_patient_counts_from_the_beginning(lake: Lake) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "gender": "male"}
    lake.load({**patient, "meta": {"lastUpdated": at(3)}})
    lake.load({**patient, "gender": "female", "meta": {"lastUpdated": at(6)}})
    lake.refine()
    assert days_of(lake, "patient") == [(1, None, "06", False), (2, "06", None, True)]


def test_a_correction_to_another_subject_ends_the_row_of_the_first(lake: Lake) -> None:
    lake.load(version(5))
    lake.load(version(9, subject={"reference": "Patient/p0"}))
    lake.refine()
    rows = {row["subject_id"]: row for row in lake.rows("observation")}
    assert (rows["p1"]["current"], rows["p1"]["superseded_time"][:10]) == (False, "2024-01-09")
    assert (rows["p0"]["current"], rows["p0"]["version"]) == (True, 2)


def days_of(lake: Lake, table: str) -> list[Row]:
    def day(text: str | None) -> str | None:
        return text and text[8:10]

    rows = sorted(lake.rows(table), key=lambda row: int(row["version"]))
    return [
        (row["version"], day(row["available_time"]), day(row["superseded_time"]), row["current"])
        for row in rows
    ]
