"""Reading configurations: what is refused, and how it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medcairn.core.errors import SettingsError, UsageError
from medcairn.deid.ms_compat import DateShiftScope, MsConfiguration, anonymize

from .ms_rules import AS_OF, configured, rule

GOOD = rule("Patient.name", "redact")


def parsed(document: object) -> MsConfiguration:
    return MsConfiguration.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "bad",
    [
        {"path": "Patient.name"},
        {"method": "redact"},
        "Patient.name",
        rule("", "redact"),
        rule("Patient.name", "blur"),
        rule("Patient.name", "redact", span=1),
        rule("Patient.name.resolve()", "redact"),
        rule("Patient.name[", "redact"),
        rule("Patient.name", "substitute"),
        rule("Patient.x", "perturb"),
        rule("Patient.x", "perturb", span=-1),
        rule("Patient.x", "perturb", span="1"),
        rule("Patient.x", "perturb", span=1, roundTo=29),
        rule("Patient.x", "perturb", span=1, rangeType="odd"),
        rule("Patient.x", "generalize"),
        rule("Patient.x", "generalize", cases={"true": 1}),
        rule("Patient.x", "generalize", cases={"$this >": "1"}),
        rule("Patient.x", "generalize", cases={}, otherValues="drop"),
    ],
)
def test_a_bad_rule_is_named_by_its_index(bad: object) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed({"fhirPathRules": [GOOD, GOOD, bad]})
    assert caught.value.fields["rule"] == 2
    assert "Patient" not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {},
        {"fhirPathRules": {}},
        {"fhirPathRules": [], "fhirVersion": "Stu3"},
        {"fhirPathRules": [], "processingErrors": "ignore"},
        {"fhirPathRules": [], "processingError": "raise"},
        {"pathRules": {}},
        {"fhirPathRules": [], "parameters": []},
        {"fhirPathRules": [], "parameters": {"dateShiftKey": 1}},
        {"fhirPathRules": [], "parameters": {"dateShiftScope": "year"}},
        {"fhirPathRules": [], "parameters": {"encryptKey": "short"}},
        {"fhirPathRules": [], "parameters": {"dateShiftFixedOffsetInDays": True}},
        {"fhirPathRules": [], "parameters": {"enablePartialAgesForRedact": "yes"}},
        {"fhirPathRules": [], "parameters": {"restrictedZipCodeTabulationAreas": [36]}},
        {"fhirPathRules": [], "parameters": {"other": 1}},
    ],
)
def test_a_bad_file_is_refused(bad: object) -> None:
    with pytest.raises(SettingsError):
        parsed(bad)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsError) as caught:
        MsConfiguration.parse(data)
    assert caught.value.__context__ is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        MsConfiguration.read(tmp_path / "none.json")


def test_a_byte_order_mark_and_any_case_of_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    document: dict[str, Any] = {
        "fhirVersion": "r4",
        "fhirPathRules": [rule("Patient.id", "CRYPTOHASH")],
        "parameters": {"dateShiftScope": "Folder", "customSettings": {}},
    }
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document).encode())
    found = MsConfiguration.read(path)
    assert found.rules[0].method.value == "cryptoHash"
    assert found.parameters.date_shift_scope is DateShiftScope.FOLDER


@pytest.mark.parametrize("method", ["cryptoHash", "dateShift", "encrypt", "perturb"])
def test_a_needed_key_that_is_empty_is_refused_or_derived(method: str) -> None:
    settings = {"span": 1} if method == "perturb" else {}
    bare = parsed({"fhirPathRules": [GOOD, rule("nodesByType('date')", method, **settings)]})
    resource = {"resourceType": "Patient", "id": "p", "birthDate": "1980-03-01"}
    with pytest.raises(SettingsError) as caught:
        anonymize(resource, bare, as_of=AS_OF)
    assert caught.value.fields["rule"] == 1
    one, again, other = (bare.keyed(secret * 32) for secret in (b"a", b"a", b"b"))
    found = [anonymize(resource, keyed, as_of=AS_OF) for keyed in (one, again, other)]
    assert found[0] == found[1]
    assert method == "perturb" or found[0] != found[2]
    assert one.keys_derived
    assert not configured(GOOD).keyed(b"a" * 32).keys_derived


def test_keys_are_neither_shown_nor_in_the_digest() -> None:
    one, other = configured(GOOD), configured(GOOD, cryptoHashKey="quite another")
    assert one.digest == other.digest
    assert "quite another" not in repr(other)
    assert one.digest != configured(rule("Patient.name", "keep")).digest


@pytest.mark.parametrize(
    ("path", "can_match"),
    [
        ("Patient.name.family", True),
        ("Patient.nmae", False),
        ("Patient.name.family.x", False),
        ("Banana", False),
        ("Patient", True),
        ("Resource.id", True),
        ("Resource.name", False),
        ("nodesByType('HumanName').given", True),
        ("nodesByType('HumanNames')", False),
        ("Observation.value.unit", True),
        ("Observation.valueQuantity", False),
        ("nodesByName('anything')", True),
        ("Patient.name.where(x = 1)", True),
    ],
)
def test_rules_that_protect_nothing_are_told(path: str, can_match: bool) -> None:
    assert configured(GOOD, rule(path, "redact")).rules_without_target == (() if can_match else (1,))
