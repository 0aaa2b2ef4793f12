"""A study's lake: it takes in what changed, begins anew under other rules, and is cared for without break."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from medcairn.audit import EventType
from medcairn.cli.main import run
from medcairn.core.artifacts import Zone, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.delta import delta_version, read_delta
from medcairn.core.progress import NoProgress
from medcairn.pipeline.runner import StepContext, run_steps
from medcairn.pipeline.stages import step_named
from medcairn.pipeline.study import Study, init_study

LOINC = "http://loinc.org"


def patient(name: str) -> dict[str, object]:
    return {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1960-05-17"}


def glucose(
    name: str,
    value: float,
    *,
    of: str = "jane-1",
    code: str = "2345-7",
    unit: str = "mg/dL",
    day: str = "2020-03-04",
    issued: str | None = None,
) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": f"Patient/{of}"},
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": f"{day}T08:00:00Z",
        "issued": f"{issued or day}T09:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
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


def dataset_named(record: Mapping[str, JSON]) -> JSON:
    """The version of silver that an event names."""
    dataset = record.get("dataset")
    return dataset["silver"] if isinstance(dataset, dict) else None


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


def test_what_comes_before_names_no_version_of_the_dataset(tmp_path: Path, source: Path) -> None:
    """On a second run the lake still holds the tables of the first while the data are exported anew."""
    study = study_in(tmp_path / "study", source)
    load(study)
    first = identities(study)["silver"]
    land(source, patient("jane-1"), glucose("g1", 140, issued="2020-03-09"))
    load(study)

    def look(context: StepContext) -> None:
        with context.draft("gold", "lake/looked", kind="test", zone=Zone.AGGREGATE) as draft:
            (draft.folder / "rows.txt").write_text("3")

    run_steps(study, [step_named("features")], {"features": look}, progress=NoProgress())
    second = identities(study)["silver"]
    named = [
        (event.event.stage, event.event.type, dataset_named(event.event.record))
        for event in study.events()
        if event.event.type in (EventType.ARTIFACT_MADE, EventType.STAGE_FINISHED)
    ]
    assert [seen for stage, _, seen in named if stage in ("export", "deid")] == [None] * 8
    made = [seen for stage, kind, seen in named if (stage, kind) == ("lakehouse", EventType.ARTIFACT_MADE)]
    assert made == [None] * 6
    ended = [seen for stage, kind, seen in named if (stage, kind) == ("lakehouse", EventType.STAGE_FINISHED)]
    assert ended == [first, second] and first != second
    assert [seen for stage, _, seen in named if stage == "features"] == [second, second]


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


def test_the_quality_of_the_data_is_reported(tmp_path: Path) -> None:
    """Of twelve patients: a usable glucose each, one in metres each, one more in other units (too few to be
    shown), and 13 results of a code that belongs to no concept."""
    people = [f"p{n:02d}" for n in range(12)]
    land(
        tmp_path / "landed",
        *(patient(who) for who in people),
        *(glucose(f"usable-{who}", 90 + n, of=who) for n, who in enumerate(people)),
        *(glucose(f"metres-{who}", 5, of=who, unit="m") for who in people),
        glucose("other", 4, of=people[0], unit="mmol/L"),
        *(glucose(f"unmapped-{n}", n, of=people[n % 12], code="5778-6") for n in range(13)),
    )
    study = study_in(tmp_path / "study", tmp_path / "landed")
    load(study)
    folder = study.root / "reports" / "data-quality"
    report = json.loads((folder / "data-quality.json").read_bytes())
    assert report["as_of"] == "2025-06-30"
    rows = {about["table"]: (about["rows"], about["subjects"]) for about in report["tables"]}
    assert {table: counts for table, counts in rows.items() if counts != (0, 0)} == {
        "patient": (12, 12),
        "observation": (38, 12),
    }
    assert [(c["concept"], c["rows"], c["subjects"]) for c in report["concepts"]] == [("glucose", 25, 12)]
    assert {(u["unit"], u["rows"], u["unusable"]) for u in report["units"]} == {
        ("mg/dL", 12, 0),
        ("m", 12, 12),
        ("(rarer units)", "<11", "<11"),
    }
    assert report["refusals"] == [{"table": "observation", "reason": "other_dimension", "rows": 12}]
    assert [(u["code"], u["rows"]) for u in report["unmapped"]] == [("5778-6", 13)]
    assert report["years"] == [{"table": "observation", "year": 2020, "rows": 38}]
    says = {finding["where"]: finding["says"] for finding in report["findings"]}
    assert says["glucose"] == "50.0 % of the values could not be used"
    page = (folder / "data-quality.html").read_text()
    assert says["glucose"] in page
