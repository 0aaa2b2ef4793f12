"""Both Synthea sets: every resource accounted for, and the facts that naive pipelines miss are found."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medcairn.core.artifacts import Zone, seal_folder
from medcairn.core.delta import read_delta
from medcairn.lakehouse import (
    SILVER_TABLES,
    BronzeReport,
    SilverReport,
    build_bronze,
    build_silver,
    silver_from_resources,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
TYPES = ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest", "Procedure")

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


def build(source: Path, folder: Path) -> Built:
    for layer in ("bronze", "silver"):
        (folder / layer).mkdir(parents=True)
    bronze = build_bronze(source, folder / "bronze")
    return Built(source, folder, bronze, build_silver(folder / "bronze", folder / "silver"))


@pytest.fixture(scope="module", params=["synthea", "synthea-uscore"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(SHARED / str(request.param), tmp_path_factory.mktemp("lake"))


def test_every_listed_resource_is_in_bronze(built: Built) -> None:
    files = json.loads((built.source / "counts.json").read_text())["files"]
    listed = {name.split(".")[0]: entry["count"] for name, entry in files.items()}
    assert dict(built.bronze.rows) == listed
    assert built.bronze.quarantined == {}


def test_every_resource_of_silvers_types_is_in_silver(built: Built) -> None:
    ids = {
        "patient": "subject_id",
        "encounter": "encounter_id",
        "condition": "condition_id",
        "observation": "observation_id",
        "medication": "medication_id",
        "procedure": "procedure_id",
    }
    for (table, column), resource_type in zip(ids.items(), TYPES, strict=True):
        found = set(built.table(table).column(column).to_pylist())
        assert len(found) == built.bronze.rows[resource_type]
    assert built.silver.quarantined == {}


def test_every_patient_with_a_panel_has_both_blood_pressures(built: Built) -> None:
    with_panel = set()
    for line in built.lines("Observation"):
        resource = json.loads(line)
        if any(coding["code"] in ("85354-9", "55284-4") for coding in resource["code"]["coding"]):
            with_panel.add(resource["subject"]["reference"].split("/")[1])
    assert with_panel
    for concept in ("systolic_bp", "diastolic_bp"):
        assert subjects_with(built.table("observation"), concept) == with_panel


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        ("2339-0", "glucose"),
        ("38483-4", "creatinine"),
        ("18262-6", "ldl"),
        ("33914-3", "egfr"),
        ("2947-0", "sodium"),
        ("6298-4", "potassium"),
        ("4548-4", "hba1c"),
    ],
)
def test_labs_under_the_codes_of_real_servers_are_mapped(built: Built, code: str, concept: str) -> None:
    table = built.table("observation")
    rows = table.filter(pc.equal(table.column("code"), code))
    assert rows.num_rows > 0
    assert set(rows.column("concept").to_pylist()) == {concept}
    assert rows.column("canonical_value").null_count == 0


def test_hypertension_is_found_under_either_code(built: Built) -> None:
    table = built.table("condition")
    codes = pc.is_in(table.column("code"), pa.array(["38341003", "59621000"]))
    assert pc.sum(codes).as_py() == built.silver.concepts["hypertension"] > 0


def test_rows_are_sorted(built: Built) -> None:
    for name, table in SILVER_TABLES.items():
        keys = [(key, "ascending") for key in table.order]
        found = built.table(name)
        order = pc.sort_indices(found, sort_keys=keys)
        assert found.take(order).select(table.order).equals(found.select(table.order).combine_chunks())


def test_the_same_input_gives_the_same_identity(built: Built, tmp_path: Path) -> None:
    again = build(built.source, tmp_path)
    for layer, one, two in (
        ("bronze", built.bronze.facts(), again.bronze.facts()),
        ("silver", built.silver.facts(), again.silver.facts()),
    ):
        assert one == two
        digests = {
            seal_folder(lake.folder / layer, kind=layer, zone=Zone.DEIDENTIFIED, facts=one).digest
            for lake in (built, again)
        }
        assert len(digests) == 1


def test_one_subjects_resources_in_memory_give_the_rows_of_the_lake(built: Built) -> None:
    by_subject: dict[str, list[bytes]] = defaultdict(list)
    for resource_type in TYPES:
        for line in built.lines(resource_type):
            resource = json.loads(line)
            by_subject[
                resource["id"]
                if resource_type == "Patient"
                else resource["subject"]["reference"].split("/")[1]
            ].append(line)
    for subject in sorted(by_subject)[:3]:
        given = silver_from_resources(by_subject[subject])
        for name in SILVER_TABLES:
            whole = built.table(name)
            expected = whole.filter(pc.equal(whole.column("subject_id"), subject)).combine_chunks()
            assert given[name].combine_chunks().equals(expected), name


def test_silver_stays_within_a_small_memory_limit(built: Built, tmp_path: Path) -> None:
    out = tmp_path / "silver"
    out.mkdir()
    report = build_silver(built.folder / "bronze", out, memory_limit="200MB")
    assert report == built.silver
    assert sorted(path.name for path in tmp_path.iterdir()) == ["silver"]


def subjects_with(table: pa.Table, concept: str) -> set[str]:
    """Subjects that have a canonical value of the concept."""
    mask = pc.and_(pc.equal(table.column("concept"), concept), pc.is_valid(table.column("canonical_value")))
    return set(table.filter(mask).column("subject_id").to_pylist())
