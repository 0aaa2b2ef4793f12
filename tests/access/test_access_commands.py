"""`medcairn users` and `medcairn tokens`, as a new user would go through them."""

from __future__ import annotations

import json
from base64 import b32decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from access.conftest import CHEAP, ROOT
from medcairn.access import KeyRing, NoticeKind, Passwords, People, SigningKey
from medcairn.access.credentials.one_time_codes import code_of_step, step_at
from medcairn.audit import read_events
from medcairn.cli.main import run
from medcairn.cli.people import CODE_VARIABLE, PASSWORD_VARIABLE
from medcairn.cli.users import NEW_PASSWORD_VARIABLE

BEA = "silent copper meadow"


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    """Commands hash at RFC 9106's cost, half a second a time; here they hash cheaply."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        yield


@pytest.fixture(scope="module")
def study(cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with an administrator."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "source").mkdir()
    study = folder / "study"
    assert run(["init", str(study), "--from", str(folder / "source")]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_VARIABLE, ROOT)
        words = ["users", "add", "root", "--printed-name", "Rut Ahlin", "--role", "administrator"]
        assert run([*words, "--study", str(study)]) == 0
    return study


Do = Callable[..., str]


@pytest.fixture
def do(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Do:
    """Run a command in the study with a password; returns what it prints."""

    def run_it(line: str, *, password: str = ROOT, code: str = "", new: str = "", exits: int = 0) -> str:
        monkeypatch.setenv(PASSWORD_VARIABLE, password)
        monkeypatch.setenv(NEW_PASSWORD_VARIABLE, new)
        monkeypatch.setenv(CODE_VARIABLE, code)
        if not code:
            monkeypatch.delenv(CODE_VARIABLE)
        capsys.readouterr()
        assert run([*line.split(), "--study", str(study)]) == exits
        printed = capsys.readouterr()
        assert password not in printed.out + printed.err
        return printed.out + (printed.err if exits else "")

    return run_it


@pytest.mark.part11("11.10(e)", "11.100(c)(2)", "11.300(c)")
def test_a_person_from_the_invitation_to_the_farewell(do: Do, study: Path) -> None:
    invited = json.loads(do("users invite bea --printed-name Bea --role quality_reviewer --by root --json"))
    temporary = invited["temporary_password"]
    do("users password bea", password=temporary, new=BEA)
    do("users prove bea --method document_in_person --by root")
    do("users roles bea --role quality_reviewer --role auditor --by root")
    do("users trained root good-practice --until 2099-12-31 --by bea", password=BEA)

    bea = json.loads(do("users show bea --json"))
    assert bea["roles"] == ["auditor", "quality_reviewer"]
    assert [proof["endorser"] for proof in bea["identity_proofs"]] == ["root"]
    assert [key["revoked_at"] for key in bea["keys"]] == [None]
    assert [one["course"] for one in json.loads(do("users show root --json"))["trainings"]] == [
        "good-practice"
    ]

    do("users revoke-key bea --by bea", password=BEA)
    assert "Temporary password" in do("users reset bea --by root")
    do("users remove bea --by root")
    assert "bea" not in do("users list")
    assert "nobody" in do("users show bea", exits=2)

    told = [stored.event.type.value for stored in read_events(study / "ledger.db")]
    told += [notice.kind.value for notice in People(study / "people.db").outbox.pending()]
    expected = {
        NoticeKind.PERSON_ADDED: 2,
        NoticeKind.PASSWORD_CHANGED: 1,
        NoticeKind.SIGNING_KEY_MADE: 1,
        NoticeKind.IDENTITY_PROVEN: 1,
        NoticeKind.PERSON_CHANGED: 1,
        NoticeKind.TRAINING_RECORDED: 1,
        NoticeKind.SIGNING_KEY_REVOKED: 1,
        NoticeKind.PASSWORD_RESET: 1,
        NoticeKind.PERSON_REMOVED: 1,
    }
    assert {kind: told.count(kind.value) for kind in expected} == expected, "in the trail, or on the way"
    KeyRing.of(SigningKey.from_json(key) for key in bea["keys"])


def test_a_token(do: Do) -> None:
    text = do("tokens issue ward-3 --scope predict --by root --days 7").strip()
    assert text.startswith("mct_")
    (token,) = json.loads(do("tokens list --json"))["tokens"]
    assert (token["service"], token["scopes"]) == ("ward-3", ["predict"])
    assert text.split("_")[2] not in do("tokens list")
    do(f"tokens revoke {token['id']} --by root")
    assert "revoked" in do("tokens list")


def test_a_second_factor(do: Do, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the secret and asks for the first code; from then on one is needed."""
    secrets: list[bytes] = []

    def app(*_: object, **__: object) -> str:
        text = capsys.readouterr().out.splitlines()[1].strip()
        secrets.append(b32decode(text + "=" * (-len(text) % 8)))
        return code_of_step(secrets[0], step_at(datetime.now(UTC)))

    do("users add zed --printed-name Zed --role administrator", password=BEA)
    monkeypatch.setattr("typer.prompt", app)
    assert do("users second-factor zed", password=BEA).count("-") == 8 * 3
    issue = "tokens issue ward-4 --scope predict --by zed"
    assert "wrong" in do(issue, password=BEA, exits=4)
    later = code_of_step(secrets[0], step_at(datetime.now(UTC) + timedelta(seconds=30)))
    do(issue, password=BEA, code=later)


REFUSED = [
    # command, exit code, words
    ("users invite eve --printed-name Eve --role king", 2, "no such role"),
    ("users prove root --method guess --by root", 2, "no such method"),
    ("users prove root --method employer_record --by root", 4, "themselves"),
    ("users roles nobody --role auditor --by root", 2, "nobody"),
    ("users trained root two:words --until tomorrow --by root", 2, "2026-05-31"),
    ("tokens issue ward-3 --scope fly --by root", 2, "no such scope"),
    ("tokens revoke 000000000000 --by root", 2, "no such token"),
    ("tokens issue ward-3 --scope predict --by nobody", 4, "is wrong"),
]


@pytest.mark.parametrize(("line", "code", "words"), REFUSED)
def test_a_refusal_is_one_clear_message(do: Do, line: str, code: int, words: str) -> None:
    assert words in do(line, exits=code)


COMMANDS = [
    "users add",
    "users invite",
    "users list",
    "users show",
    "users password",
    "users second-factor",
    "users prove",
    "users trained",
    "users roles",
    "users reset",
    "users revoke-key",
    "users remove",
    "tokens issue",
    "tokens list",
    "tokens revoke",
]


def test_help_has_an_example_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS:
        assert run([*line.split(), "--help"]) == 0
        assert f"Example: medcairn {line}" in " ".join(capsys.readouterr().out.split()), line
