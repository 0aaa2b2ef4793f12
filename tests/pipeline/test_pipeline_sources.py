"""Stages 1 and 2 of a study, with the sources, keys and policies that ``study.yaml`` may name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from medcairn.audit import EventType
from medcairn.cli.main import run
from medcairn.core.artifacts import read_manifest
from medcairn.pipeline.study import Study, init_study
from medcairn.synthetic.server import HospitalServer

PATIENT = {"resourceType": "Patient", "id": "jane-1", "gender": "female", "birthDate": "1960-05-17"}
CONDITION = {
    "resourceType": "Condition",
    "id": "c-1",
    "subject": {"reference": "Patient/jane-1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "recordedDate": "2020-03-04",
}
OWN_POLICY = """
name: only-sex
version: 1
resources: {Patient: {subject: id, fields: {gender: code(male|female)}}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HospitalServer]:
    data = tmp_path / "hospital"
    data.mkdir()
    for resource in (PATIENT, CONDITION):
        (data / f"{resource['resourceType']}.000.ndjson").write_text(json.dumps(resource) + "\n")
    with HospitalServer(data, open_access=True, polls=0) as running:
        yield running


def study_of(tmp_path: Path, source: str, deid: str = "") -> Study:
    """A study of that source and those settings of de-identification."""
    settings = f"study: {{name: small}}\nsource: {source}\ndeid: {{as_of: 2025-06-30, processes: 1{deid}}}\n"
    return init_study(tmp_path / "study", settings)


def run_until(study: Study, step: str) -> int:
    """``medcairn run --until``, in this process."""
    return run(["run", "--study", str(study.root), "--until", step])


def resources(folder: Path, name: str) -> list[dict[str, object]]:
    """The resources of one type in a folder."""
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{name}.*ndjson"))
        for line in path.read_text().splitlines()
    ]


def test_a_search_source(tmp_path: Path, server: HospitalServer) -> None:
    study = study_of(
        tmp_path, f"{{kind: search, base_url: '{server.base_url}', types: [Patient, Condition]}}"
    )
    assert run_until(study, "deid") == 0
    assert len(resources(study.root / "phi" / "export", "Condition")) == 1
    assert len(resources(study.root / "lake" / "deid", "Patient")) == 1


def test_an_object_store_as_source(tmp_path: Path, server: HospitalServer) -> None:
    study = study_of(tmp_path, f"{{kind: objects, url: '{(tmp_path / 'hospital').as_uri()}'}}")
    assert run_until(study, "export") == 0
    assert len(resources(study.root / "phi" / "export", "Patient")) == 1


def test_an_incremental_source_is_built_on_the_last_export(tmp_path: Path, server: HospitalServer) -> None:
    source = f"{{kind: bulk, base_url: '{server.base_url}', incremental: true}}"
    study = study_of(tmp_path, source)
    assert run_until(study, "export") == 0
    server.delete("Condition", "c-1")
    server.put({**PATIENT, "id": "june-2"})
    assert run(["export", "--study", str(study.root), "--force"]) == 0
    folder = study.root / "phi" / "export"
    assert [one["id"] for one in resources(folder, "Patient")] == ["jane-1", "june-2"]
    assert resources(folder, "Condition") == []
    assert read_manifest(folder).facts["deleted"] == 1
    assert not (study.root / "phi" / "export-work").exists()


def test_random_pseudonyms_lead_back_through_the_crosswalk_and_the_ledger_knows(
    tmp_path: Path, server: HospitalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of(tmp_path, f"{{kind: bulk, base_url: '{server.base_url}'}}", ", pseudonyms: random")
    assert run_until(study, "deid") == 0
    (patient,) = resources(study.root / "lake" / "deid", "Patient")
    command = ["deid", "reidentify", str(patient["id"]), "0" * 32, "--study", str(study.root)]
    capsys.readouterr()
    assert run([*command, "--reason", "curiosity"]) == 2
    assert study.events(EventType.SUBJECT_REIDENTIFIED) == []
    assert run([*command, "--reason", "care", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sources": ["Patient/jane-1", None]}
    (event,) = study.events(EventType.SUBJECT_REIDENTIFIED)
    assert event.event.record == {"reason": "care", "asked": 2, "found": 1}
    assert b"jane-1" not in study.ledger_file.read_bytes()
    assert run(["audit", "verify", "--study", str(study.root)]) == 0


def test_a_study_with_a_key_leads_back_to_nobody(tmp_path: Path, server: HospitalServer) -> None:
    study = study_of(tmp_path, f"{{kind: bulk, base_url: '{server.base_url}'}}")
    assert run_until(study, "deid") == 0
    command = ["deid", "reidentify", "0" * 32, "--study", str(study.root), "--reason", "care"]
    assert run(command) == 2


def test_another_key_is_a_rotation_that_the_ledger_records(tmp_path: Path, server: HospitalServer) -> None:
    study = study_of(tmp_path, f"{{kind: bulk, base_url: '{server.base_url}'}}")
    assert run_until(study, "deid") == 0
    assert study.events(EventType.KEY_ROTATED) == []
    (before,) = resources(study.root / "lake" / "deid", "Patient")
    key_file = study.root / "keys" / "pseudonym.key"
    key_file.write_text("ef" * 32)
    assert run(["deid", "--study", str(study.root), "--force"]) == 0
    (event,) = study.events(EventType.KEY_ROTATED)
    assert event.event.record["rotations"] == 1
    (after,) = resources(study.root / "lake" / "deid", "Patient")
    assert before["id"] != after["id"]


def test_a_policy_of_ones_own_is_used_and_a_change_of_it_runs_the_step_again(
    tmp_path: Path, server: HospitalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of(tmp_path, f"{{kind: bulk, base_url: '{server.base_url}'}}", ", policy: own.yaml")
    policy = study.root / "own.yaml"
    policy.write_text(OWN_POLICY)
    assert run_until(study, "deid") == 0
    assert resources(study.root / "lake" / "deid", "Condition") == []
    assert resources(study.root / "lake" / "deid", "Patient")[0]["gender"] == "female"
    first = read_manifest(study.root / "lake" / "deid").digest
    assert run_until(study, "deid") == 0
    assert read_manifest(study.root / "lake" / "deid").digest == first
    policy.write_text(OWN_POLICY.replace("male|female", "male|female|other"))
    assert run_until(study, "deid") == 0
    assert read_manifest(study.root / "lake" / "deid").digest != first


def test_two_places_for_the_key_are_refused(tmp_path: Path, server: HospitalServer) -> None:
    both = ", key_env: A, key_command: [cat, key]"
    study = study_of(tmp_path, f"{{kind: bulk, base_url: '{server.base_url}'}}", both)
    assert run_until(study, "deid") == 2
