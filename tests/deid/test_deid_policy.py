"""A policy of one's own: the file's form, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from medcairn.core.errors import SettingsError, UsageError
from medcairn.deid import deidentify, safe_harbor
from medcairn.deid.policy import Leaf, read_policy

OWN = """
name: only-sex
version: 2
resources:
  Patient:
    subject: id
    fields: {gender: code(male|female)}
"""


def test_a_policy_is_read_with_the_shipped_codes(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    policy = read_policy(path)
    assert (policy.name, policy.version) == ("only-sex", 2)
    assert policy.resources["Patient"].fields == {"gender": Leaf("code", ("male", "female"))}
    assert policy.vocabulary == safe_harbor().vocabulary
    assert policy.digest != safe_harbor().digest


def test_codes_of_its_own_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN + "codes: few.yaml\n")
    (tmp_path / "few.yaml").write_text(
        "{systems: {'http://loinc.org': {form: loinc}}, units: [mg], unit_words: [],"
        " age_limits: {a: 89}, states: {}, zip3: {table: none, areas: []}}"
    )
    assert set(read_policy(tmp_path / "own.yaml").vocabulary.systems) == {"http://loinc.org"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no YAML mapping"),
        ("a: [", "no YAML mapping"),
        (OWN.replace("only-sex", "safe-harbor"), "a name of its own"),
        (OWN.replace("only-sex", "Zyx Qvorstein"), "needs a name"),
        (OWN.replace("version: 2", "version: soon"), "needs a version"),
        ("name: x\nversion: 1\n", "lacks a mapping"),
        (OWN.replace("subject: id", "subjekt: id"), "mean nothing"),
        (OWN.replace("subject: id", "subject: owner"), "does not list"),
        (OWN.replace("code(male|female)", "'code('"), "cannot be read"),
    ],
)
def test_what_is_no_policy_is_refused_without_its_text(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as refused:
        read_policy(path)
    assert "Qvorstein" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_policy(tmp_path / "none.yaml")


def test_a_policy_of_things_alone_needs_no_subject(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "{name: drugs, version: 1, resources: {Medication: {fields: {status: code(active|inactive)}}}}"
    )
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "Medication.ndjson").write_text(
        '{"resourceType":"Medication","id":"m","status":"active"}\n'
    )
    report = deidentify(
        tmp_path / "source",
        tmp_path / "out",
        key=b"k" * 32,
        as_of=date(2025, 6, 30),
        policy=read_policy(path),
    )
    assert report.left == {"Medication": 1}
