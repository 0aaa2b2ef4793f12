"""A user's mistake gets one clear message and the right exit code, never a traceback, and nothing is lost."""

import gzip
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from endtoend.commands import PASSWORD, Result, run_medcairn

GOOD_PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-01-02"}


def files_study(tmp_path: Path, *lines: str, name: str = "Patient.ndjson") -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / name).write_text("".join(f"{line}\n" for line in lines))
    run_medcairn("init", tmp_path / "study", "--from", source, "--as-of", "2025-06-30", "--name", "bad")
    return tmp_path / "study"


def run_until_deid(study: Path) -> Result:
    return run_medcairn("run", "--study", study, "--until", "deid", check=False)


def test_a_missing_source_folder(tmp_path: Path) -> None:
    result = run_medcairn("init", tmp_path / "study", "--from", tmp_path / "nowhere", check=False)
    assert (result.code, "does not exist" in result.err) == (2, True)
    assert not (tmp_path / "study").exists()


def test_a_source_that_went_away(tmp_path: Path) -> None:
    study = files_study(tmp_path, json.dumps(GOOD_PATIENT))
    shutil.rmtree(tmp_path / "source")
    assert run_until_deid(study).code == 2


def test_an_empty_file(tmp_path: Path) -> None:
    result = run_until_deid(files_study(tmp_path))
    assert result.code == 3
    assert "medcairn:" in result.err


def test_invalid_json_is_quarantined_with_its_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    study = files_study(tmp_path, json.dumps(GOOD_PATIENT), '{"resourceType": "Patient", "id": CANARYVALUE')
    result = run_until_deid(study)
    assert result.code == 0
    assert "1 lines quarantined" in result.out
    reasons = (study / "phi" / "export" / "quarantine.ndjson").read_text()
    assert json.loads(reasons.splitlines()[0])["line"] == 2
    assert "CANARYVALUE" not in result.out + result.err + reasons


def test_a_resource_without_id_is_quarantined(tmp_path: Path) -> None:
    study = files_study(tmp_path, json.dumps(GOOD_PATIENT), json.dumps({"resourceType": "Patient"}))
    result = run_until_deid(study)
    assert (result.code, "1 lines quarantined" in result.out) == (0, True)


def test_a_file_of_nothing_but_broken_lines(tmp_path: Path) -> None:
    result = run_until_deid(files_study(tmp_path, "CANARYVALUE", "{"))
    assert result.code == 3
    assert "CANARYVALUE" not in result.err


def test_an_unknown_key_in_the_settings(tmp_path: Path) -> None:
    study = files_study(tmp_path, json.dumps(GOOD_PATIENT))
    settings = study / "study.yaml"
    settings.write_text(settings.read_text() + "colour: CANARYVALUE\n")
    result = run_medcairn("plan", "--study", study, check=False)
    assert (result.code, "key=colour" in result.err, "CANARYVALUE" in result.err) == (2, True, False)


def test_no_study_here(tmp_path: Path) -> None:
    result = run_medcairn("run", "--study", tmp_path, check=False)
    assert (result.code, "no study.yaml" in result.err) == (2, True)


def test_a_server_that_is_down(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    run_medcairn("init", tmp_path / "study", "--from", f"http://127.0.0.1:{port}/fhir", "--name", "down")
    result = run_medcairn("export", "--study", tmp_path / "study", check=False)
    assert result.code == 6
    assert "medcairn:" in result.err


def test_a_port_in_use(hospital_data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run_medcairn("hospital", "serve", hospital_data, "--open", "--port", port, check=False)
    assert (result.code, "port" in result.err.lower()) == (6, True)


def test_a_wrong_password_is_refused_and_recorded(copied: Path, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(PASSWORD)
    wrong.write_text(PASSWORD + "!")
    run_medcairn(
        "users", "add", "ada", "--printed-name", "Ada", "--role", "clinical_reviewer",
        "--study", copied, "--password-file", right,
    )  # fmt: skip
    result = run_medcairn("approve", "--as", "ada", "--study", copied, "--password-file", wrong, check=False)
    assert result.code == 4
    shown = run_medcairn("audit", "show", "--study", copied, "--type", "signing.refused", "--json")
    entries = shown.json()["entries"]
    assert isinstance(entries, list)
    assert len(entries) == 1


def test_packaging_what_failed_is_refused_with_the_check(copied: Path, tmp_path: Path) -> None:
    result = run_medcairn("package", "--study", copied, check=False)
    assert result.code == 4
    assert "check=validation_passed" in result.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of a few megabytes; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, hospital_data: Path) -> None:
    run_medcairn(
        "init", small_disk / "study", "--from", hospital_data, "--as-of", "2025-06-30", "--name", "full"
    )
    result = run_medcairn("run", "--study", small_disk / "study", "--until", "deid", check=False)
    assert result.code == 6
    assert "disk is full" in result.err
    assert not (small_disk / "study" / "phi" / "export").exists()


def test_gzip_that_is_cut(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    whole = gzip.compress(
        "".join(json.dumps({**GOOD_PATIENT, "id": f"p{i}"}) + "\n" for i in range(5000)).encode()
    )
    (source / "Patient.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    run_medcairn("init", tmp_path / "study", "--from", source, "--as-of", "2025-06-30", "--name", "cut")
    result = run_until_deid(tmp_path / "study")
    assert result.code == 3
