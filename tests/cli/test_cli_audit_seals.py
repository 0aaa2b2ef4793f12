"""Receipts, a kept checkpoint, rotation of the seal key, whose keys sign: what a reader holds a study to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from access.conftest import CHEAP, ROOT
from medcairn.access import Meaning, Passwords, People, Role
from medcairn.audit import EventType, witness_file
from medcairn.cli.main import run
from medcairn.cli.people import PASSWORD_VARIABLE
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.pipeline.people import people_of
from medcairn.pipeline.study import Study, init_study

SETTINGS = """
study: {name: demo}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""
BEA = "silent copper meadow"


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        patch.setenv(PASSWORD_VARIABLE, ROOT)
        yield


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = init_study(tmp_path / "study", SETTINGS)
    for name, role in (("root", "administrator"), ("bea", "clinical_reviewer")):
        words = ["users", "add", name, "--printed-name", f"Dr {name}", "--role", role]
        assert run([*words, "--study", str(made.root)]) == 0
    return made


def audit(study: Study, *words: str) -> int:
    return run(["audit", *words, "--study", str(study.root)])


def test_an_older_copy_put_back_shows_only_to_who_holds_a_receipt(study: Study, tmp_path: Path) -> None:
    receipts = tmp_path / "mine"
    with study.ledger() as ledger:
        ledger.checkpoint()
    shutil.copytree(study.root, tmp_path / "older")
    with study.ledger() as ledger:
        done = ledger.append(EventType.RUN_STARTED, actor="pipeline")
    assert audit(study, "receipt", str(done.index), "--out", str(receipts)) == 0
    assert audit(study, "verify", "--receipts", str(receipts)) == 0
    shutil.rmtree(study.root)
    shutil.copytree(tmp_path / "older", study.root)
    assert audit(study, "verify") == 0
    assert audit(study, "verify", "--receipts", str(receipts)) == 5


def test_a_checkpoint_that_was_kept_holds_the_ledger(study: Study, tmp_path: Path) -> None:
    with study.ledger() as ledger:
        ledger.checkpoint()
    kept = tmp_path / "kept.txt"
    kept.write_text(witness_file(study.ledger_file).read_text("utf-8"), "utf-8")
    assert audit(study, "verify", "--since", str(kept)) == 0
    assert audit(study, "verify", "--since", str(tmp_path / "absent")) == 2
    assert audit(study, "verify", "--receipts", str(tmp_path / "absent")) == 2


def test_only_an_administrator_replaces_the_seal_key(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = study.seal_key_file.read_bytes()
    assert audit(study, "rotate-key", "--by", "bea") == 4
    assert study.seal_key_file.read_bytes() == before
    assert study.events(EventType.ACCESS_DENIED)[-1].event.record["action"] == "rotate_keys"
    assert audit(study, "rotate-key", "--by", "root") == 0
    assert study.seal_key_file.read_bytes() != before
    assert study.events(EventType.KEY_ROTATED)[-1].event.actor == "person:root"
    assert audit(study, "verify") == 0


def test_a_signature_by_a_key_that_the_ledger_does_not_know_is_found(study: Study) -> None:
    people = people_of(study)
    signed: dict[str, JSON] = {"model": "demo"}
    signature = people.sign(
        "bea", ROOT, record=digest_json(signed), meaning=Meaning.APPROVED, clock=study.clock
    )
    with study.ledger() as ledger:
        record: dict[str, JSON] = {"signed": signed, "signature": signature.as_json()}
        ledger.append(EventType.RECORD_SIGNED, actor="person:bea", record=record)
    assert audit(study, "verify") == 0
    other = init_study(study.root.parent / "other", SETTINGS)
    stranger = people_of(other)
    words = ["users", "add", "bea", "--printed-name", "Bea", "--role", "clinical_reviewer"]
    assert run([*words, "--study", str(other.root)]) == 0
    forged = stranger.sign(
        "bea", ROOT, record=digest_json(signed), meaning=Meaning.APPROVED, clock=study.clock
    )
    with study.ledger() as ledger:
        record = {"signed": signed, "signature": forged.as_json()}
        ledger.append(EventType.RECORD_SIGNED, actor="person:bea", record=record)
    assert audit(study, "verify") == 5


def test_so_is_one_where_the_ledger_knows_nobody(tmp_path: Path) -> None:
    study = init_study(tmp_path / "study", SETTINGS)
    people = People(study.people_file)  # nobody tells the ledger
    people.add("eve", printed_name="Eve", roles=[Role.CLINICAL_REVIEWER], password=BEA)
    signed: dict[str, JSON] = {"model": "demo"}
    signature = people.sign(
        "eve", BEA, record=digest_json(signed), meaning=Meaning.APPROVED, clock=study.clock
    )
    with study.ledger() as ledger:
        record: dict[str, JSON] = {"signed": signed, "signature": signature.as_json()}
        ledger.append(EventType.RECORD_SIGNED, actor="person:eve", record=record)
    assert audit(study, "verify") == 5


def test_the_studys_policy_is_the_one_in_its_settings(tmp_path: Path) -> None:
    strict = init_study(tmp_path / "strict", SETTINGS + "access: {policy: part11}\n")
    assert people_of(strict).policy.digest != people_of(init_study(tmp_path / "b", SETTINGS)).policy.digest
    words = ["users", "add", "bea", "--printed-name", "Bea", "--role", "clinical_reviewer"]
    assert run([*words, "--study", str(strict.root)]) == 4  # the first person is an administrator
    unknown = init_study(tmp_path / "unknown", SETTINGS + "access: {policy: lax}\n")
    assert run([*words, "--study", str(unknown.root)]) == 2
