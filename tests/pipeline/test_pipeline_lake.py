"""A study's lake: it takes in what changed, begins anew under other rules, and is cared for without break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.audit import EventType
from medcairn.cli.main import run
from medcairn.core.artifacts import read_manifest
from medcairn.core.delta import delta_version, read_delta
from medcairn.pipeline.study import Study, init_study

LOINC = "http://loinc.org"


def patient(name: str) -> dict[str, object]:
    return {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1960-05-17"}


def glucose(
    name: str, value: float, *, day: str = "2020-03-04", issued: str | None = None
) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/jane-1"},
        "code": {"coding": [{"system": LOINC, "code": "2345-7"}]},
        "effectiveDateTime": f"{day}T08:00:00Z",
        "issued": f"{issued or day}T09:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


def land(folder: Path, *resources: dict[str, object]) -> None:
    """The source folder holds exactly these resources."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for resource in resources:
        with (folder / f"{resource['resourceType']}.000.ndjson").open("a") as file:
            file.write(json.dumps(resource) + "\n")


def study_in(folder: Path, source: Path, *, as_of: str = "2025-06-30", engine: str = "duckdb") -> Study:
    settings = (
        f"study: {{name: small}}\nsource: {{kind: files, path: '{source}'}}\nengine: {engine}\n"
        f"deid: {{as_of: {as_of}, processes: 1}}\nlakehouse: {{processes: 1}}\n"
    )
    study = init_study(folder, settings)
    (study.root / "keys" / "pseudonym.key").write_text("6b" * 32)
    return study


def load(study: Study, *, force: str | None = None) -> None:
    forced = ["--force", force] if force else []
    assert run(["run", "--study", str(study.root), "--until", "lakehouse", *forced]) == 0


def values(study: Study) -> list[tuple[float, int, bool]]:
    """(value, version, current) of every glucose that silver knows."""
    rows = read_delta(study.root / "lake" / "silver" / "observation").to_pylist()
    return sorted((row["canonical_value"], row["version"], row["current"]) for row in rows)


def identities(study: Study) -> dict[str, str]:
    """The lake's identities by layer."""
    return {name: read_manifest(study.root / "lake" / name).digest for name in ("bronze", "silver")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    land(tmp_path / "landed", patient("jane-1"), glucose("g1", 100), glucose("g2", 90, day="2020-05-01"))
    return tmp_path / "landed"


def test_a_corrected_and_a_withdrawn_result_are_kept_as_they_were(tmp_path: Path, source: Path) -> None:
    study = study_in(tmp_path / "study", source)
    load(study)
    assert values(study) == [(90.0, 1, True), (100.0, 1, True)]
    land(
        source,
        patient("jane-1"),
        glucose("g1", 140, issued="2020-03-09"),
        glucose("g3", 95, day="2020-06-01"),
    )
    load(study)
    assert values(study) == [(90.0, 1, False), (95.0, 1, True), (100.0, 1, False), (140.0, 2, True)]
    assert delta_version(study.root / "lake" / "silver" / "observation") == 1
    assert run(["audit", "verify", "--study", str(study.root)]) == 0


def test_what_comes_after_names_the_version_of_the_dataset(tmp_path: Path, source: Path) -> None:
    study = study_in(tmp_path / "study", source)
    load(study)
    (finished,) = [e for e in study.events(EventType.STAGE_FINISHED) if e.event.stage == "lakehouse"]
    dataset = finished.event.record["dataset"]
    assert isinstance(dataset, dict)
    assert dataset["silver"] == identities(study)["silver"]
    assert isinstance(dataset["table_versions"], dict)
    assert dataset["table_versions"]["observation"] == 0


def test_the_same_data_again_changes_nothing(tmp_path: Path, source: Path) -> None:
    study = study_in(tmp_path / "study", source)
    load(study)
    before = identities(study)
    load(study, force="lakehouse")
    assert identities(study) == before
    assert delta_version(study.root / "lake" / "bronze" / "Observation") == 0


def test_other_rules_of_deidentification_begin_the_lake_anew(tmp_path: Path, source: Path) -> None:
    """What older rules let through must not stay behind stricter ones."""
    study = study_in(tmp_path / "study", source)
    load(study)
    land(source, patient("jane-1"), glucose("g1", 140, issued="2020-03-09"))
    settings = study.root / "study.yaml"
    settings.write_text(settings.read_text().replace("2025-06-30", "2025-07-31"))
    again = Study.open(study.root)
    load(again)
    assert values(again) == [(140.0, 1, True)]
    bronze = study.root / "lake" / "bronze" / "Observation"
    assert sum(1 for _ in bronze.rglob("*.parquet")) == 1


def test_maintenance_keeps_the_identity_and_seals_anew(tmp_path: Path, source: Path) -> None:
    study = study_in(tmp_path / "study", source)
    load(study)
    land(source, patient("jane-1"), glucose("g1", 140, issued="2020-03-09"))
    load(study)
    before, rows = identities(study), values(study)
    where = ["--study", str(study.root)]
    assert run(["lakehouse", "optimize", *where]) == 0
    assert run(["lakehouse", "vacuum", *where, "--retention-hours", "0", "--delete"]) == 0
    assert (identities(study), values(study)) == (before, rows)
    assert run(["lakehouse", "history", *where]) == 0
    assert run(["audit", "verify", *where]) == 0
    done = [e.event.record for e in study.events(EventType.ARTIFACT_MADE)]
    assert [record["maintenance"] for record in done if "maintenance" in record] == [
        *("optimize", "optimize", "vacuum", "vacuum")
    ]
    load(study)  # nothing to do, and what maintenance left can be gone on from
    land(source, patient("jane-1"), glucose("g1", 150, issued="2020-03-12"))
    load(study)
    assert values(study)[-1] == (150.0, 3, True)


def test_the_quality_of_the_data_is_reported(tmp_path: Path, source: Path) -> None:
    study = study_in(tmp_path / "study", source)
    load(study)
    report = json.loads((study.root / "reports" / "data-quality" / "data-quality.json").read_bytes())
    assert report
    assert (study.root / "reports" / "data-quality" / "data-quality.html").stat().st_size > 1_000
