"""The section ``ledger`` of ``study.yaml``: where the ledger is kept, and who keeps its checkpoints."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from access.conftest import CHEAP, ROOT
from audit.postgres_server import OWNER, WRITER, PostgresServer
from audit.timestamp_authority import Authority
from medcairn.access import Passwords
from medcairn.audit import EventType
from medcairn.audit.stores.postgres_migrations import MIGRATIONS
from medcairn.audit.study_address import ledger_address
from medcairn.cli.main import run
from medcairn.cli.people import PASSWORD_VARIABLE
from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError, UsageError
from medcairn.core.settings import parse_settings
from medcairn.pipeline.environment import LIBRARIES
from medcairn.pipeline.stages import STEP_NAMES
from medcairn.pipeline.study import Study, init_study

ADDRESS = "STUDY_LEDGER_ADDRESS"
SETTINGS = """
study: {name: small}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30, processes: 1}
"""
PATIENT = {"resourceType": "Patient", "id": "jane-1", "gender": "female", "birthDate": "1960-05-17"}

GOOD = (
    "{}",
    "{store: {kind: sqlite}}",
    "{store: {kind: postgres, address_env: HERE}}",
    "{store: {kind: postgres, address_file: keys/address, schema_name: ours}}",
    "{witnesses: [{kind: folder, path: /mnt/far}], seal_every_minutes: 0.5, seal_every_entries: 1}",
    "{witnesses: [{kind: objects, url: 's3://locked/audit', region: eu-west-1}]}",
    "{witnesses: [{kind: timestamp, url: 'https://stamps.example', roots_file: keys/tsa.pem}]}",
)
REFUSED = (
    ("{store: {kind: oracle}}", "ledger.store"),
    ("{store: {kind: postgres}}", "ledger.store.postgres"),
    ("{store: {kind: postgres, address_env: A, address_file: b}}", "ledger.store.postgres"),
    ("{store: {kind: postgres, address_env: 'host=h password=p'}}", "ledger.store.postgres.address_env"),
    ("{store: {kind: postgres, dsn: 'host=h'}}", "ledger.store.postgres.dsn"),
    ("{store: {kind: postgres, address_env: A, schema_name: 'a; b'}}", "ledger.store.postgres.schema_name"),
    ("{witnesses: [{kind: paper}]}", "ledger.witnesses.0"),
    ("{witnesses: [{kind: folder, path: a, mode: 1}]}", "ledger.witnesses.0.folder.mode"),
    ("{witnesses: [{kind: objects, url: 'ftp://a/b'}]}", "ledger.witnesses.0.objects.url"),
    ("{seal_every_entries: 0}", "ledger.seal_every_entries"),
    (
        "{witnesses: [{kind: timestamp, url: 'https://a', roots_file: r},"
        " {kind: timestamp, url: 'https://b', roots_file: r}]}",
        "ledger",
    ),
)


@pytest.mark.parametrize("section", GOOD)
def test_what_the_section_may_say(section: str) -> None:
    assert parse_settings(f"{SETTINGS}ledger: {section}\n").ledger is not None


@pytest.mark.parametrize(("section", "key"), REFUSED)
def test_what_it_may_not(section: str, key: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_settings(f"{SETTINGS}ledger: {section}\n")
    assert raised.value.fields["key"] in (key, "a-key-that-is-no-name")
    assert "password" not in str(raised.value)


def test_the_connection_string_comes_from_the_environment_or_a_private_file(tmp_path: Path) -> None:
    named = parse_settings(SETTINGS + "ledger: {store: {kind: postgres, address_env: HERE}}\n")
    assert "hunter2" not in repr(ledger_address(tmp_path, named, environ={"HERE": "password=hunter2"}))
    with pytest.raises(SettingsError, match=r"not set \(variable=HERE\)"):
        ledger_address(tmp_path, named, environ={})
    kept = parse_settings(SETTINGS + "ledger: {store: {kind: postgres, address_file: address}}\n")
    file = tmp_path / "address"
    with pytest.raises(SettingsError, match="not there"):
        ledger_address(tmp_path, kept)
    file.write_text("host=h password=hunter2\n")
    with pytest.raises(SettingsError, match="read by others") as raised:
        ledger_address(tmp_path, kept)
    assert "hunter2" not in str(raised.value)
    file.chmod(0o600)
    assert str(getattr(ledger_address(tmp_path, kept), "dsn", "")) == "host=h password=hunter2"


# ── a study on PostgreSQL ────────────────────────────────────────────────────────────────────────────


@dataclass
class Shared:
    """A study with its ledger on a server, made by the owner, used by a role that may only add."""

    root: Path
    server: PostgresServer
    schema: str
    far: Path

    def audit(self, *words: str) -> int:
        return run(["audit", *words, "--study", str(self.root)])

    def change(self, statement: str, *values: object) -> None:
        """What the owner of the database can do: no trigger and no role stops them."""
        with psycopg.connect(self.server.dsn(OWNER), autocommit=True) as db:
            db.execute("SET session_replication_role = replica")
            db.execute(f"SET search_path = {self.schema}".encode())
            db.execute(statement.encode(), values)


@pytest.fixture
def shared(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    source, root, far = tmp_path / "source", tmp_path / "study", tmp_path / "far"
    source.mkdir()
    far.mkdir()
    (source / "Patient.000.ndjson").write_text(json.dumps(PATIENT) + "\n")
    schema = f"study_{secrets.token_hex(4)}"
    monkeypatch.setenv(ADDRESS, postgres_server.dsn(OWNER))
    words = ["--from", str(source), "--as-of", "2025-06-30", "--name", "small", "--ledger", "postgres"]
    where = ["--ledger-schema", schema, "--ledger-address-env", ADDRESS]
    assert run(["init", str(root), *words, *where]) == 0
    assert run(["audit", "allow", WRITER, "--study", str(root)]) == 0
    settings = root / "study.yaml"
    text = settings.read_text().replace("witnesses: []", f"witnesses: [{{kind: folder, path: {far}}}]")
    settings.write_text(text.replace("  key_file: keys", "  processes: 1\n  key_file: keys"))
    monkeypatch.setenv(ADDRESS, postgres_server.dsn(WRITER))
    yield Shared(root, postgres_server, schema, far)


def test_a_study_on_postgresql_from_init_to_an_owner_who_tampers(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
    monkeypatch.setenv(PASSWORD_VARIABLE, ROOT)
    assert run(["run", "--until", "deid", "--study", str(shared.root)]) == 0
    assert not (shared.root / "ledger.db").exists()
    words = ["users", "add", "root", "--printed-name", "Dr Root", "--role", "administrator"]
    assert run([*words, "--study", str(shared.root)]) == 0
    assert shared.audit("rotate-key", "--by", "root") == 0
    assert shared.audit("receipt", "3", "--out", str(tmp_path / "mine")) == 0
    for command in (["show"], ["trace", "sha256:" + deid_digest(shared)], ["record", run_id(shared)]):
        assert shared.audit(*command, "--json") == 0
    capsys.readouterr()
    assert shared.audit("verify", "--receipts", str(tmp_path / "mine"), "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["witnesses"]
    assert told["compared"] and told["checkpoints"] == 3
    assert shared.audit("export", str(tmp_path / "clean")) == 0
    assert standalone(tmp_path / "clean") == 0

    shared.change("UPDATE entry SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'deid', 'diet'),"
                  " 'UTF8') WHERE position = 6")  # fmt: skip
    capsys.readouterr()
    assert shared.audit("verify", "--json") == 5
    found = json.loads(capsys.readouterr().out)["findings"]
    assert (found[0]["attack"], found[0]["entry"]) == ("edit", 6)
    assert shared.audit("export", str(tmp_path / "changed")) == 0
    assert standalone(tmp_path / "changed") == 5


def test_a_tail_cut_by_the_owner_shows_only_against_the_witness(shared: Shared) -> None:
    assert run(["run", "--until", "export", "--study", str(shared.root)]) == 0
    shared.change("DELETE FROM entry WHERE position > 4")
    shared.change("DELETE FROM node WHERE level = 0 AND position > 4 OR level > 0")
    shared.change("DELETE FROM checkpoint")
    assert shared.audit("verify") == 5
    for file in shared.far.iterdir():
        file.unlink()
    study = Study.open(shared.root)
    assert [stored.index for stored in study.events()] == [0, 1, 2, 3, 4]


def test_the_owner_migrates_and_allows_and_nobody_else(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shared.audit("migrate") == 6  # the writer may not
    assert shared.audit("allow", "reader") == 6  # of which the server only warns
    monkeypatch.setenv("OWNERS_ADDRESS", shared.server.dsn(OWNER))
    capsys.readouterr()
    assert shared.audit("migrate", "--address-env", "OWNERS_ADDRESS", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"schema": shared.schema, "steps": 0}
    module = "medcairn.audit.stores.postgres.MIGRATIONS"
    monkeypatch.setattr(module, (*MIGRATIONS, ("CREATE TABLE {schema}.later (number integer)",)))
    assert shared.audit("show") == 2  # tables of an older version are refused
    assert "medcairn audit migrate" in capsys.readouterr().err
    assert shared.audit("migrate", "--address-env", "OWNERS_ADDRESS") == 0
    assert shared.audit("show") == 0
    words = ["allow", "reader", "--read-only", "--address-env", "OWNERS_ADDRESS"]
    assert shared.audit(*words) == 0
    assert shared.audit("allow", "nobody_at_all", "--address-env", "OWNERS_ADDRESS") == 2
    monkeypatch.setenv(ADDRESS, shared.server.dsn("reader"))
    assert shared.audit("show") == 0
    assert shared.audit("checkpoint") == 6


def test_a_second_study_in_the_same_schema_is_refused_and_leaves_nothing(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, shared.server.dsn(OWNER))
    words = ["--from", str(tmp_path / "source"), "--ledger", "postgres", "--ledger-schema", shared.schema]
    assert run(["init", str(tmp_path / "second"), *words, "--ledger-address-env", ADDRESS]) == 2
    assert not (tmp_path / "second").exists()
    assert run(["init", str(tmp_path / "second"), *words]) == 2  # nor without an address


def deid_digest(shared: Shared) -> str:
    return Study.open(shared.root).artifacts()["deid"].digest.hex


def run_id(shared: Shared) -> str:
    return str(Study.open(shared.root).events(EventType.RUN_STARTED)[0].event.run_id)


def standalone(folder: Path) -> int:
    command = [sys.executable, "-I", str(folder / "verify_audit.py"), str(folder)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


# ── witnesses ────────────────────────────────────────────────────────────────────────────────────────


def with_witnesses(tmp_path: Path, witnesses: str) -> Study:
    study = init_study(tmp_path / "study", SETTINGS)
    (study.root / "study.yaml").write_text(f"{SETTINGS}ledger: {{witnesses: [{witnesses}]}}\n")
    return Study.open(study.root)


@pytest.fixture
def source(tmp_path: Path) -> None:
    (tmp_path / "study" / "source").mkdir(parents=True)
    (tmp_path / "study" / "source" / "Patient.000.ndjson").write_text(json.dumps(PATIENT) + "\n")


def test_a_witness_that_is_away_fails_the_command_and_not_the_run(
    tmp_path: Path, source: None, capsys: pytest.CaptureFixture[str]
) -> None:
    study = with_witnesses(tmp_path, f"{{kind: folder, path: {tmp_path / 'far'}}}")
    command = ["run", "--until", "export", "--study", str(study.root)]
    assert run(command) == 6
    shown = capsys.readouterr().err
    assert "not every witness took it (witnesses=1, why=usage, witness=folder-1)" in shown
    assert [stored.event.stage for stored in study.events(EventType.STAGE_FINISHED)] == ["export"]
    assert len(study.events(EventType.RUN_FINISHED)) == 1
    assert run(["audit", "verify", "--study", str(study.root)]) == 0
    assert "witness folder-1 was not compared: it cannot be reached (usage)" in capsys.readouterr().out
    assert run(["audit", "receipt", "0", "--out", str(tmp_path / "mine"), "--study", str(study.root)]) == 0
    (tmp_path / "far").mkdir()
    assert run(command) == 0  # nothing to do, and the witness is brought up to date
    capsys.readouterr()
    assert run(["audit", "verify", "--study", str(study.root)]) == 0
    size = len(study.events())
    told = f"witness folder-1: compared; checkpoints held: 1, the largest of {size} entries"
    assert told in capsys.readouterr().out


def test_the_audit_step_is_done_while_a_witness_is_away(tmp_path: Path) -> None:
    study = with_witnesses(tmp_path, "{kind: folder, path: /nowhere/at/all}")
    assert run(["audit", "checkpoint", "--study", str(study.root)]) == 6
    from medcairn.core.progress import NoProgress
    from medcairn.pipeline.actions import ACTIONS
    from medcairn.pipeline.runner import run_steps
    from medcairn.pipeline.stages import step_named

    with pytest.raises(Exception, match="not every witness"):
        run_steps(study, [step_named("audit")], ACTIONS, progress=NoProgress())
    (verified,) = study.events(EventType.TRAIL_VERIFIED)
    assert (verified.event.record["witnesses_compared"], verified.event.record["witnesses_away"]) == (0, 1)
    assert study.events(EventType.STAGE_FAILED) == []


def test_an_object_store_takes_every_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "objects").mkdir()
    study = with_witnesses(tmp_path, f"{{kind: objects, url: '{(tmp_path / 'objects').as_uri()}'}}")
    for _ in range(2):
        assert run(["audit", "checkpoint", "--json", "--study", str(study.root)]) == 0
    assert json.loads(capsys.readouterr().out.split("}\n")[0] + "}")["witnesses"] == 1
    kept = [path.relative_to(tmp_path / "objects").parts[:2] for path in (tmp_path / "objects").rglob("*-*")]
    assert sorted(kept) == [("small", "checkpoints"), ("small", "leaves")]


def test_a_ledger_replaced_as_a_whole_shows_against_a_witness(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    study = with_witnesses(tmp_path, f"{{kind: folder, path: {far}}}")
    assert run(["audit", "checkpoint", "--study", str(study.root)]) == 0
    text = (study.root / "study.yaml").read_text()
    shutil.rmtree(study.root)
    with pytest.raises(UsageError, match="another ledger of this name"):
        init_study(study.root, text)
    assert not study.root.exists()
    init_study(study.root, SETTINGS)
    (study.root / "study.yaml").write_text(text)
    assert run(["audit", "verify", "--study", str(study.root)]) == 5


def test_stamps_go_into_the_audit_package_and_openssl_checks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
    authority = Authority(tmp_path / "tsa")
    with authority.served() as url:
        stamped = f"{{kind: timestamp, url: '{url}', roots_file: {authority.roots}}}"
        study = with_witnesses(tmp_path, stamped)
        assert run(["audit", "checkpoint", "--study", str(study.root)]) == 0
    assert run(["audit", "verify", "--study", str(study.root)]) == 0  # needs no service
    assert "time-stamped: 1" in capsys.readouterr().out
    out = tmp_path / "package"
    assert run(["audit", "export", str(out), "--study", str(study.root)]) == 0
    (note,), (stamp,) = (list((out / "stamps" / "timestamp-1").glob(form)) for form in ("*.note", "*.tsr"))
    listed = {one["path"] for one in json.loads((out / "contents.json").read_bytes())["files"]}
    assert {str(path.relative_to(out)) for path in (note, stamp)} < listed
    assert note.read_text() in (out / "checkpoints.txt").read_text()
    assert standalone(out) == 0
    check = ["openssl", "ts", "-verify", "-data", str(note), "-in", str(stamp), "-CAfile"]
    done = subprocess.run([*check, str(authority.roots)], capture_output=True, check=False)
    assert (done.returncode, b"Verification: OK" in done.stdout + done.stderr) == (0, True)
    note.write_text(note.read_text() + " ")
    assert subprocess.run([*check, str(authority.roots)], capture_output=True, check=False).returncode != 0


def test_a_folder_of_a_service_alone_is_verified_without_settings(tmp_path: Path) -> None:
    study = init_study(tmp_path / "study", SETTINGS)
    (study.root / "study.yaml").unlink()
    assert run(["audit", "verify", "--study", str(study.root)]) == 0


# ── what the nine-stage record asks for ──────────────────────────────────────────────────────────────


def test_the_end_of_a_step_tells_its_software_and_a_digest_of_the_address(
    tmp_path: Path, source: None
) -> None:
    study = init_study(tmp_path / "study", SETTINGS)
    assert run(["run", "--until", "export", "--study", str(study.root)]) == 0
    (ended,) = study.events(EventType.STAGE_FINISHED)
    told: dict[str, JSON] = dict(ended.event.record)
    assert set(LIBRARIES) == set(STEP_NAMES)
    environment = told["environment"]
    assert isinstance(environment, dict) and isinstance(environment["libraries"], dict)
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"medcairn", "httpx"} <= environment["libraries"].keys()
    assert str(told["address_digest"]).startswith("sha256:")
    manifest = (study.root / "phi" / "export" / "manifest.json").read_text()
    assert "libraries" not in manifest and "address_digest" not in manifest
