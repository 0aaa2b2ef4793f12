"""``medcairn deid canaries``, ``risk``, ``scrub``, and pseudonyms of each kind, as a person meets them."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from medcairn.cli.main import run
from medcairn.core.artifacts import Zone, read_manifest

from .clinic import Clinic, observation, patient

AS_OF = ["--as-of", "2025-06-30"]
SMALL = """
name: only-sex
version: 1
resources:
  Patient:
    subject: id
    fields: {gender: code(male|female)}
"""


@pytest.fixture
def ready(clinic: Clinic) -> Clinic:
    """A clinic with something to release."""
    jane = patient("patient-0001", gender="female", name=[{"family": "Roekampf", "given": ["Janette"]}])
    note = {
        "resourceType": "DocumentReference",
        "id": "note-1",
        "status": "current",
        "subject": {"reference": "Patient/patient-0001"},
        "content": [
            {"attachment": {"contentType": "text/plain", "data": "SmFuZXR0ZSBSb2VrYW1wZiB3YXMgd2VsbC4="}}
        ],
    }
    clinic.add(jane, note, observation("observation-0001", "2020-02-03T10:00:00Z", "patient-0001"))
    return clinic


def ids(folder: Path) -> list[str]:
    """The ids of all patients and observations in a folder."""
    lines = (folder / "Patient.ndjson").read_text() + (folder / "Observation.ndjson").read_text()
    return [json.loads(line)["id"] for line in lines.splitlines()]


def test_canaries_of_a_policy_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "own.yaml"
    policy.write_text(SMALL)
    assert run(["deid", "canaries", "--policy", str(policy), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["policy"] == "only-sex@1"
    assert found["canaries"] > 1000
    assert found["leak_count"] == 0
    assert run(["deid", "canaries", "--policy", str(policy)]) == 0
    assert "0 got through" in capsys.readouterr().out


def test_a_policy_that_lets_codes_through_fails_its_canaries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(
        SMALL.replace("gender: code(male|female)", "maritalStatus: CodeableConcept") + "codes: any.yaml\n"
    )
    (tmp_path / "any.yaml").write_text(
        "{systems: {'http://snomed.info/sct': {pattern: '.*'}}, units: [], unit_words: [],"
        " age_limits: {}, states: {}, zip3: {table: none, areas: []}}"
    )
    assert run(["deid", "canaries", "--policy", str(tmp_path / "own.yaml")]) == 4
    assert "maritalStatus.coding.code" in capsys.readouterr().err


def test_a_run_under_a_policy_of_ones_own_lets_out_no_more(ready: Clinic, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SMALL)
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    arguments = ["deid", "run", str(ready.source), str(tmp_path / "out"), "--key-file", str(key), *AS_OF]
    assert run([*arguments, "--policy", str(tmp_path / "own.yaml")]) == 0
    (line,) = (tmp_path / "out" / "Patient.ndjson").read_text().splitlines()
    assert set(json.loads(line)) == {"resourceType", "id", "gender", "extension"}
    assert (tmp_path / "out" / "Observation.ndjson").read_text() == ""
    assert read_manifest(tmp_path / "out").facts["policy"] == "only-sex@1"


def test_the_key_may_come_from_the_environment_or_a_command(
    ready: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OUR_KEY", "cd" * 32)
    source = str(ready.source)
    assert run(["deid", "run", source, str(tmp_path / "a"), "--key-env", "OUR_KEY", *AS_OF]) == 0
    command = f"{sys.executable} -c \"print('cd' * 32)\""
    assert run(["deid", "run", source, str(tmp_path / "b"), "--key-command", command, *AS_OF]) == 0
    assert ids(tmp_path / "a") == ids(tmp_path / "b")
    assert "cdcd" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--key-env", "NO_SUCH_VARIABLE"],
        ["--key-env", "A", "--key-command", "true"],
        ["--key-command", "'"],
        ["--key-command", "true"],
        ["--pseudonyms", "random"],
        ["--pseudonyms", "guessed", "--key-env", "A"],
    ],
)
def test_options_that_give_no_key_end_with_a_hint(
    ready: Clinic, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deid", "run", str(ready.source), str(tmp_path / "out"), *AS_OF, *options]) in (2, 3)
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_random_pseudonyms_are_the_same_the_next_time_and_told_by_the_crosswalk_alone(
    ready: Clinic, tmp_path: Path
) -> None:
    (tmp_path / "phi").mkdir()
    crosswalk = tmp_path / "phi" / "crosswalk.db"
    options = ["--pseudonyms", "random", "--crosswalk", str(crosswalk), *AS_OF]
    for name in ("one", "two"):
        assert run(["deid", "run", str(ready.source), str(tmp_path / name), *options]) == 0
    assert ids(tmp_path / "one") == ids(tmp_path / "two")
    assert read_manifest(tmp_path / "one").digest == read_manifest(tmp_path / "two").digest
    assert stat.S_IMODE(crosswalk.stat().st_mode) == 0o600
    options[3] = str(tmp_path / "phi" / "another.db")
    assert run(["deid", "run", str(ready.source), str(tmp_path / "three"), *options]) == 0
    assert not set(ids(tmp_path / "one")) & set(ids(tmp_path / "three"))


def test_risk_writes_a_page_and_numbers(
    ready: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    deid = str(tmp_path / "deid")
    assert run(["deid", "run", str(ready.source), deid, "--key-file", str(key), *AS_OF]) == 0
    assert run(["deid", "risk", deid, str(tmp_path / "risk")]) == 0
    assert "1 subjects in 1 classes; the smallest holds 1 (k)" in capsys.readouterr().out
    assert json.loads((tmp_path / "risk" / "risk.json").read_text())["k"] == 1
    assert "<html" in (tmp_path / "risk" / "risk.html").read_text()
    assert read_manifest(tmp_path / "risk").zone is Zone.AGGREGATE
    assert run(["deid", "risk", deid, str(tmp_path / "x"), "--quasi-identifier", "shoe_size"]) == 2


def test_scrubbed_notes_stay_in_the_phi_zone_and_say_what_they_are_not(
    ready: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    out = tmp_path / "notes"
    assert run(["deid", "scrub", str(ready.source), str(out), "--key-file", str(key)]) == 0
    assert "not de-identified by Safe Harbor" in capsys.readouterr().out
    assert read_manifest(out).zone is Zone.PHI
    text = (out / "notes.scrubbed.ndjson").read_text()
    assert "was well" in text
    assert "Roekampf" not in text


def test_ms_compat_follows_its_configuration_and_stays_in_the_phi_zone(
    ready: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tmp_path / "rules.json"
    configuration.write_text(
        json.dumps(
            {
                "fhirVersion": "R4",
                "fhirPathRules": [{"path": "Patient.name", "method": "redact"}],
                "parameters": {},
            }
        )
    )
    out = tmp_path / "ms"
    arguments = ["deid", "run", str(ready.source), str(out), "--mode", "ms-compat", *AS_OF]
    assert run(arguments) == 2
    assert run([*arguments, "--policy", str(configuration)]) == 0
    told = capsys.readouterr()
    assert "Safe Harbor" in told.out
    assert "leak:" in told.err
    assert read_manifest(out).zone is Zone.PHI
    assert "Roekampf" not in (out / "Patient.ndjson").read_text()
