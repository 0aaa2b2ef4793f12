"""`medcairn users` and the ways to give a password."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from medcairn.audit import EventType, read_events
from medcairn.cli.main import run
from medcairn.cli.people import PASSWORD_VARIABLE, read_password
from medcairn.core.errors import UsageError

PASSWORD = "mare horse battery"


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / "source").mkdir()
    folder = tmp_path / "study"
    assert run(["init", str(folder), "--from", str(tmp_path / "source")]) == 0
    capsys.readouterr()
    return folder


def add(study: Path, name: str, *more: str) -> int:
    words = ["users", "add", name, "--printed-name", "Ada Okafor", "--study", str(study)]
    return run([*words, *(more or ("--role", "clinical_reviewer"))])


def test_a_person_is_added_listed_and_in_the_ledger(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert add(study, "ada") == 0
    capsys.readouterr()
    assert run(["users", "list", "--study", str(study), "--json"]) == 0
    (person,) = json.loads(capsys.readouterr().out)["people"]
    assert (person["name"], person["roles"]) == ("ada", ["clinical_reviewer"])
    (stored,) = read_events(study / "ledger.db", EventType.PERSON_ADDED)
    assert stored.event.record == person


REFUSED = [
    # name, options, exit code, words
    ("ada", ("--role", "king"), 2, "no such role"),
    ("ada lovelace", ("--role", "auditor"), 2, "no spaces"),
    ("ada", (), 2, "taken"),
]


@pytest.mark.parametrize(("name", "options", "code", "words"), REFUSED)
def test_a_refusal_is_one_clear_message(
    study: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    options: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert add(study, "ada") == 0
    assert add(study, name, *options) == code
    assert words in capsys.readouterr().err


def test_a_weak_password_is_refused_and_not_shown(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "tooshort")
    assert add(study, "ada") == 4
    assert "tooshort" not in capsys.readouterr().err
    assert list(read_events(study / "ledger.db", EventType.PERSON_ADDED)) == []


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    for ending in (b"", b"\n", b"\r\n"):
        (tmp_path / "password").write_bytes(PASSWORD.encode() + ending)
        assert read_password(tmp_path / "password") == PASSWORD


@pytest.mark.parametrize("data", [b"", b"\n", b"one\ntwo\n", b"\xff", b"x" * 5000])
def test_a_password_file_holds_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "password").write_bytes(data)
    with pytest.raises(UsageError):
        read_password(tmp_path / "password")


def test_without_a_terminal_there_must_be_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    with pytest.raises(UsageError, match="no terminal"):
        read_password(None)
