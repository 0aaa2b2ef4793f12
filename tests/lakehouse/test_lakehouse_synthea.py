"""Both Synthea sets: every resource accounted for, and the facts that naive pipelines miss are found."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medcairn.core.delta import delta_files, read_delta
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse import (
    BronzeReport,
    SilverReport,
    build_bronze,
    build_silver,
    silver_from_resources,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
IDS = {
    "patient": ("subject_id", "Patient"),
    "encounter": ("encounter_id", "Encounter"),
    "condition": ("condition_id", "Condition"),
    "observation": ("observation_id", "Observation"),
    "medication": ("medication_id", "MedicationRequest"),
    "procedure": ("procedure_id", "Procedure"),
    "immunization": ("immunization_id", "Immunization"),
    "allergy": ("allergy_id", "AllergyIntolerance"),
    "diagnostic_report": ("report_id", "DiagnosticReport"),
}
CODES = {
    "systolic_bp": {"8480-6"},
    "diastolic_bp": {"8462-4"},
    "glucose": {"2345-7", "2339-0"},
    "creatinine": {"2160-0", "38483-4"},
    "ldl": {"2089-1", "18262-6"},
    "egfr": {"33914-3", "62238-1", "69405-9", "98979-8"},
    "sodium": {"2951-2", "2947-0"},
    "potassium": {"2823-3", "6298-4"},
    "hba1c": {"4548-4"},
}
"""LOINC codes, written here once more: what a person would look for in the files."""
FOUND = {
    "synthea": {"systolic_bp": 60, "diastolic_bp": 60, "glucose": 19, "creatinine": 19, "ldl": 35, "egfr": 9},
    "synthea-uscore": {
        "systolic_bp": 150,
        "diastolic_bp": 150,
        "glucose": 62,
        "creatinine": 62,
        "ldl": 104,
        "egfr": 62,
    },
}
"""Patients who have them."""

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the Synthea sets are not beside the repository")


@dataclass(frozen=True)
class Built:
    source: Path
    folder: Path
    bronze: BronzeReport
    silver: SilverReport

    def table(self, name: str) -> pa.Table:
        return read_delta(self.folder / "silver" / name)

    def lines(self, resource_type: str) -> list[bytes]:
        with gzip.open(self.source / f"{resource_type}.ndjson.gz") as stream:
            return stream.read().splitlines()


def build(source: Path, folder: Path, processes: int = 1) -> Built:
    day = datetime(2025, 7, 1, tzinfo=UTC)
    bronze = build_bronze(source, folder / "bronze", ingested_at=day, processes=processes)
    silver = build_silver(folder / "bronze", folder / "silver", processes=processes)
    return Built(source, folder, bronze, silver)


@pytest.fixture(scope="module", params=["synthea", "synthea-uscore"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(SHARED / str(request.param), tmp_path_factory.mktemp("lake"))


def test_every_listed_resource_is_in_bronze(built: Built) -> None:
    files = json.loads((built.source / "counts.json").read_text())["files"]
    listed = {name.split(".")[0]: entry["count"] for name, entry in files.items()}
    assert dict(built.bronze.rows) == listed
    assert built.bronze.quarantined == {}


@pytest.mark.parametrize("table", SILVER_SCHEMAS)
def test_every_resource_of_silvers_types_is_in_silver(built: Built, table: str) -> None:
    column, resource_type = IDS[table]
    found = built.table(table).column(column).to_pylist()
    assert set(found) == {json.loads(line)["id"] for line in built.lines(resource_type)}
    assert table == "observation" or len(found) == len(set(found))
    assert built.silver.rows[table] == len(found)


def values(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resource and its components, where they have a number."""
    for part in (resource, *resource.get("component", ())):
        if "value" in part.get("valueQuantity", {}):
            yield part


@pytest.mark.parametrize("concept", CODES)
def test_a_measurement_is_found_for_every_patient_who_has_it(built: Built, concept: str) -> None:
    expected = {
        resource["subject"]["reference"].split("/")[1]
        for resource in map(json.loads, built.lines("Observation"))
        for part in values(resource)
        if CODES[concept] & {coding["code"] for coding in part["code"]["coding"]}
    }
    found = built.table("observation").filter(pc.field("concept") == concept)
    assert expected
    assert set(found.column("subject_id").to_pylist()) == expected
    assert found.column("canonical_value").null_count == 0
    if concept in FOUND[built.source.name]:
        assert len(expected) == FOUND[built.source.name][concept]


def test_every_prescription_has_its_code_and_known_drugs_their_classes(built: Built) -> None:
    table = built.table("medication")
    expected = [
        json.loads(line)["medicationCodeableConcept"]["coding"][0]["code"]
        for line in built.lines("MedicationRequest")
    ]
    assert sorted(table.column("code").to_pylist()) == sorted(expected)
    assert pc.sum(pc.greater(pc.list_value_length(table.column("concepts")), 0)).as_py() > len(expected) / 2


def test_hypertension_is_found_under_either_code(built: Built) -> None:
    rows = built.table("condition").to_pylist()
    expected = {row["condition_id"] for row in rows if row["code"] in ("38341003", "59621000")}
    found = {row["condition_id"] for row in rows if "hypertension" in row["concepts"]}
    assert expected
    assert expected <= found
    assert built.silver.concepts["hypertension"] == len(found)


def test_only_the_generators_wrong_unit_is_quarantined(built: Built) -> None:
    """Total protein of 60 to 80 is in g/L; this Synthea writes g/dL."""
    expected = sum(b'"2885-2"' in line for line in built.lines("Observation"))
    assert built.silver.quarantined == {"implausible_value": expected}


def test_the_same_input_gives_the_same_files_with_two_processes(built: Built, tmp_path: Path) -> None:
    again = build(built.source, tmp_path, processes=2)
    assert again.silver == built.silver
    for table in (*SILVER_SCHEMAS, "quarantine"):
        one, two = (delta_files(lake.folder / "silver" / table) for lake in (built, again))
        assert [(file.name, file.read_bytes()) for file in one] == [(f.name, f.read_bytes()) for f in two]


def test_one_subjects_resources_in_memory_give_the_rows_of_the_lake(built: Built) -> None:
    by_subject: dict[str, list[bytes]] = defaultdict(list)
    for _, resource_type in IDS.values():
        for line in built.lines(resource_type):
            resource = json.loads(line)
            reference = resource.get("subject") or resource.get("patient")
            by_subject[reference["reference"].split("/")[1] if reference else resource["id"]].append(line)
    for subject in sorted(by_subject)[:3]:
        given = silver_from_resources(by_subject[subject])
        for name in SILVER_SCHEMAS:
            expected = built.table(name).filter(pc.field("subject_id") == subject)
            assert given[name].combine_chunks().equals(expected.combine_chunks()), name
