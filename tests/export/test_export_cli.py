"""``medcairn export`` as people call it."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from medcairn.cli.main import run
from medcairn.core.artifacts import changed_parts, read_manifest

from .conftest import CLIENT_ID
from .simulator import Reply, Simulator, resource


@pytest.fixture
def key_file(tmp_path: Path, client_key: bytes) -> Path:
    file = tmp_path / "client.jwk"
    file.write_bytes(client_key)
    file.chmod(0o600)
    return file


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    folder = tmp_path / "landed"
    folder.mkdir()
    lines = resource("Patient", 1) + b"CANARY not json\n" + resource("Patient", 2)
    (folder / "mixed.ndjson.gz").write_bytes(gzip.compress(lines))
    return folder


def test_from_a_server_into_an_artifact(
    guarded: Simulator, tmp_path: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "export"
    arguments = [guarded.base_url, "--out", str(out), "--client-id", CLIENT_ID, "--key", str(key_file)]
    assert run(["export", *arguments, "--types", "Patient, Condition", "--patient-level"]) == 0
    assert guarded.requests("/fhir/Patient/$export")[0].query == {"_type": ["Patient,Condition"]}

    manifest = read_manifest(out)
    assert manifest.kind == "export"
    assert manifest.zone == "phi"
    assert changed_parts(out, manifest) == []
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    shown = capsys.readouterr().out
    assert "5  Patient" in shown
    assert "7  resources in 3 files" in shown
    assert "2026-01-31T09:30:00.123Z" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["client.jwk", "export"], "no job left behind"


def test_the_same_export_has_the_same_identity(hospital: Simulator, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(["export", hospital.base_url, "--out", str(tmp_path / name)]) == 0
    one, two = (read_manifest(tmp_path / name) for name in ("one", "two"))
    assert one.digest == two.digest
    assert one.seal != two.seal, "the event log tells when, and is sealed"


def test_json_is_one_document(
    hospital: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", hospital.base_url, "--out", str(tmp_path / "x"), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["resources"] == {"Condition": 2, "Patient": 5}
    assert captured.err == ""


def test_from_a_folder_with_a_bad_line(
    landed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["export", str(landed), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert "set aside 1 lines or entries" in captured.err
    assert "mixed.ndjson.gz:2 (not_json)" in captured.err
    assert "CANARY" not in captured.out + captured.err
    assert (out / "quarantine.ndjson").read_bytes() == (
        b'{"file":"mixed.ndjson.gz","line":2,"reason":"not_json"}\n'
    )


def test_an_export_is_replaced_only_when_told_so(landed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["export", str(landed), "--out", str(out)]) == 0
    assert run(["export", str(landed), "--out", str(out)]) == 2
    assert run(["export", str(landed), "--out", str(out), "--force"]) == 0


def test_a_folder_with_something_else_is_never_replaced(landed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    assert run(["export", str(landed), "--out", str(home), "--force"]) == 2
    assert (home / "thesis.txt").read_text() == "years of work"
    assert run(["export", str(landed), "--out", str(landed), "--force"]) == 2
    assert (landed / "mixed.ndjson.gz").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["http://127.0.0.1:9/fhir", "--out", "x"], 6, "cannot be reached"),
        (["http://127.0.0.1:9/fhir"], 2, "--out"),
        (["nowhere", "--out", "x"], 2, "no such folder"),
        ([".", "--out", "x", "--since", "2025-01-01"], 2, "as they are"),
        (["http://127.0.0.1:9/fhir", "--out", "x", "--client-id", "me"], 2, "belong together"),
        (["http://127.0.0.1:9/fhir", "--out", "x", "--group", "g", "--patient-level"], 2, "not both"),
        (["http://127.0.0.1:9/fhir", "--out", "x", "--types", "Smith"], 2, "resource type"),
        (["--types", "Patient"], 2, "need a source"),
    ],
)
def test_mistakes_have_clear_messages(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", *arguments]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "x").exists()


def test_a_server_that_fails_leaves_no_final_folder(
    hospital: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hospital.script["GET /fhir/$export"] = [Reply(404)]
    out = tmp_path / "out"
    assert run(["export", hospital.base_url, "--out", str(out)]) == 6
    assert not out.exists()
    assert "refused to start an export" in capsys.readouterr().err


def test_a_new_key_is_private_and_only_its_public_half_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "client.jwk"
    assert run(["export", "--new-key", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private = json.loads(file.read_bytes())
    shown = capsys.readouterr().out
    assert private["d"] not in shown
    assert json.loads(shown)["keys"][0]["x"] == private["x"]
    assert run(["export", "--new-key", str(file)]) == 2
    assert json.loads(file.read_bytes()) == private


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--help"]) == 0
    assert "Example: medcairn export" in " ".join(capsys.readouterr().out.split())
