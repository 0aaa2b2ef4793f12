"""Whose keys are trusted: those that the ledger tells of, at the time when it recorded a signature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from access.conftest import CHEAP
from medcairn.access import Meaning, Passwords, People, Role
from medcairn.audit import EventType
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.core.labels import Label
from medcairn.packaging import ApprovalRecord
from medcairn.pipeline.people import people_of
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.study import Study, init_study

SETTINGS = """
study: {name: demo}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""
WORDS = "silent copper meadow"
RECORD = ApprovalRecord(
    name=Label("demo.readmission_30d"),
    version=Label("1"),
    author=Label("tom"),
    model=digest_json("model"),
    feature_spec=digest_json("features"),
    validation_report=digest_json("report"),
)


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        yield


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return init_study(tmp_path / "study", SETTINGS)


def add(people: People, name: str, role: Role = Role.CLINICAL_REVIEWER) -> None:
    people.add(name, printed_name=f"Dr {name}", roles=[role], password=WORDS)


def sign(study: Study, people: People, name: str) -> None:
    signature = people.sign(name, WORDS, record=RECORD.digest, meaning=Meaning.APPROVED, clock=study.clock)
    record: dict[str, JSON] = {"signed": RECORD.as_json(), "signature": signature.as_json()}
    with study.ledger() as ledger:
        ledger.append(EventType.RECORD_SIGNED, actor=f"person:{name}", record=record)


def test_a_key_that_the_ledger_knows_is_trusted(study: Study) -> None:
    people = people_of(study)
    add(people, "ada")
    sign(study, people, "ada")
    (found,) = approvals_of(study, RECORD.digest)
    assert found.holds
    assert found.roles == {Role.CLINICAL_REVIEWER}


def test_a_key_put_into_the_people_store_alone_is_not(study: Study) -> None:
    add(People(study.people_file), "eve")  # nobody told the ledger
    sign(study, People(study.people_file), "eve")
    (found,) = approvals_of(study, RECORD.digest)
    assert not found.holds
    assert found.roles == frozenset()


def test_what_was_signed_before_a_key_was_replaced_still_counts(study: Study) -> None:
    people = people_of(study)
    add(people, "root", Role.ADMINISTRATOR)
    add(people, "ada")
    sign(study, people, "ada")
    before = approvals_of(study, RECORD.digest)
    root = people.find("root")
    assert root is not None
    people.administration.reset("ada", by=root, clock=study.clock)
    assert approvals_of(study, RECORD.digest) == before


def test_where_identity_must_be_proven_a_key_counts_once_somebody_vouched(tmp_path: Path) -> None:
    study = init_study(tmp_path / "strict", SETTINGS + "access: {policy: strict.yaml}\n")
    (study.root / "strict.yaml").write_text("signing: {identity_proof: true}\n", "utf-8")
    loose = init_study(tmp_path / "loose", SETTINGS)
    for one in (study, loose):
        people = people_of(one)
        add(people, "root", Role.QUALITY_REVIEWER)
        add(people, "ada")
    sign(study, People(study.people_file), "ada")  # around the policy
    sign(loose, people_of(loose), "ada")
    assert [found.holds for found in approvals_of(study, RECORD.digest)] == [False]
    assert [found.holds for found in approvals_of(loose, RECORD.digest)] == [True]
