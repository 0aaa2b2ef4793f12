"""The leak scan finds what a broken policy lets through, and nothing where there is nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from medcairn.core.errors import DataError, LeakFound, UsageError
from medcairn.deid import LeakClass, Policy, scan
from medcairn.deid import policy as policy_module
from medcairn.deid.elements import Element, Kinds
from medcairn.deid.keys import Pseudonyms
from medcairn.deid.policy import Leaf, parse_policy

from .clinic import Clinic, observation, patient

NOTE = "Call Jane at (617) 555-0188 or jane.roe@example.org. SSN 987-65-4321."
JANE = patient(
    "7c1e1c9a-52ab-4c0f-9a51-16e2b3a0d001",
    name=[
        {"use": "official", "family": "Roekampf", "given": ["Janette", "Q"]},
        {"family": "Liu", "given": ["Bo"]},
    ],
    telecom=[
        {"system": "phone", "value": "555-436-4287"},
        {"system": "email", "value": "Janette.Roekampf@example.org"},
    ],
    identifier=[
        {"system": "urn:mrn", "value": "MRN-00123456"},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-38-1274"},
        {"system": "urn:dl", "value": "S99912345"},
    ],
    birthDate="1961-11-23",
    address=[
        {
            "line": ["1009 Lebsack Throughway Unit 63"],
            "city": "New Bedford",
            "postalCode": "02748",
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/geolocation",
                    "extension": [{"url": "latitude", "valueDecimal": 41.641812302900426}],
                }
            ],
        }
    ],
    extension=[
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
            "valueString": "Arvilla Haagstrom",
        },
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
            "valueAddress": {"city": "Norton"},
        },
    ],
)  # fmt: skip
DOCUMENT = {
    "resourceType": "DocumentReference",
    "id": "doc-20190304",
    "meta": {"source": "https://ehr.example.org/people/24"},
    "status": "current",
    "subject": {"reference": "Patient/" + JANE["id"], "display": "Mrs. Janette Roekampf"},
    "content": [{"attachment": {"data": base64.b64encode(NOTE.encode()).decode(), "title": "Note"}}],
}


@pytest.fixture
def jane(clinic: Clinic) -> Clinic:
    """A clinic with one well-described patient, a measurement and a note."""
    clinic.add(JANE, DOCUMENT, observation("obs-19283746", "2019-03-04T10:00:00Z", JANE["id"]))
    hospital = {"resourceType": "Organization", "id": "org-1", "name": "SAINT ANNE'S HOSPITAL"}
    return clinic.add(hospital)


def planted(folder: Path, value: Any) -> Path:
    """An output folder that holds one resource with ``value`` deep in it."""
    folder.mkdir(exist_ok=True)
    resource = {"resourceType": "Observation", "id": "a" * 32, "component": [{"valueString": value}]}
    (folder / "Observation.ndjson").write_text("{}\n" + json.dumps(resource) + "\n")
    return folder


def test_the_shipped_policy_leaves_nothing_to_find(jane: Clinic) -> None:
    report = scan(jane.source, jane.release().folder)
    assert report.hits == ()
    assert report.clean
    assert set(report.identifiers) == set(LeakClass)
    report.refuse_leaks()


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        ("Roekampf", LeakClass.NAME),
        ("seen by ROEKAMPF today", LeakClass.NAME),
        ("J\\u0061nette", LeakClass.NAME),
        ("haagstrom", LeakClass.NAME),
        ("Roekampf, Janette Q", LeakClass.PHRASE),
        ("Liu, Bo", LeakClass.PHRASE),
        ("bo liu", LeakClass.PHRASE),
        ("1009 lebsack throughway unit 63", LeakClass.PHRASE),
        ("at Saint Anne's Hospital", LeakClass.PHRASE),
        ("Norton", LeakClass.CITY),
        ("02748", LeakClass.POSTAL_CODE),
        ("MA 02748-1234", LeakClass.POSTAL_CODE),
        ("(555) 436-4287", LeakClass.PHONE),
        ("+1 555.436.4287", LeakClass.PHONE),
        ("tel:5554364287", LeakClass.PHONE),
        ("617-555-0188", LeakClass.PHONE),
        ("janette.roekampf@EXAMPLE.org", LeakClass.EMAIL),
        ("jane.roe@example.org", LeakClass.EMAIL),
        ("mrn-00123456", LeakClass.IDENTIFIER),
        ("MRN00123456", LeakClass.IDENTIFIER),
        ("999-38-1274", LeakClass.IDENTIFIER),
        ("999381274", LeakClass.IDENTIFIER),
        ("987-65-4321", LeakClass.PHONE),
        ("S99912345", LeakClass.IDENTIFIER),
        (JANE["id"], LeakClass.RESOURCE_ID),
        ("urn:uuid:" + JANE["id"].upper(), LeakClass.RESOURCE_ID),
        ("Patient/" + JANE["id"], LeakClass.RESOURCE_ID),
        (JANE["id"].replace("-", ""), LeakClass.RESOURCE_ID),
        ("doc-20190304", LeakClass.RESOURCE_ID),
        ("born 1961-11-23", LeakClass.BIRTH_DATE),
        ("born 11/23/1961.", LeakClass.BIRTH_DATE),
        (41.641812302900426, LeakClass.COORDINATE),
        (999381274, LeakClass.IDENTIFIER),
        (5554364287, LeakClass.PHONE),
    ],
)
def test_a_planted_identifier_is_found_where_it_stands(
    jane: Clinic, tmp_path: Path, text: Any, leak: LeakClass
) -> None:
    out = tmp_path / "planted"
    planted(out, json.loads(f'"{text}"') if isinstance(text, str) else text)
    report = scan(jane.source, out)
    assert leak in {hit.leak for hit in report.hits}
    assert {(hit.file, hit.line, hit.path) for hit in report.hits} == {
        ("Observation.ndjson", 2, "Observation.component[0].valueString")
    }
    shown = str(report) + json.dumps(report.as_json())
    assert str(text) not in shown


def test_an_escaped_identifier_is_found(jane: Clinic, tmp_path: Path) -> None:
    out = planted(tmp_path / "out", "x")
    (out / "more.json").write_text('{"a":{"b":"\\u0052oekampf \\"Janette\\""}}')
    assert {hit.path for hit in scan(jane.source, out).hits} == {"line.a.b"}


def test_an_identifier_as_a_key_is_found_and_not_shown(jane: Clinic, tmp_path: Path) -> None:
    out = planted(tmp_path / "out", {"Roekampf": 1})
    report = scan(jane.source, out)
    assert {hit.path for hit in report.hits} == {"Observation.component[0].valueString.<key>"}
    assert "Roekampf" not in str(report)


@pytest.mark.parametrize(
    "text", ["Roekampfe", "55543642879", "999-38-12745", "102748", "S999123456", "1961-11-24", "the norton3"]
)
def test_words_and_numbers_have_ends(jane: Clinic, tmp_path: Path, text: str) -> None:
    assert scan(jane.source, planted(tmp_path / "out", text)).hits == ()


def test_a_birth_date_is_sought_where_birth_is_told_and_not_among_moved_dates(
    jane: Clinic, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    moved = {"resourceType": "Condition", "onsetDateTime": "1961-11-23"}
    born = {"resourceType": "Patient", "birthDate": "1961-11-23"}
    (out / "x.ndjson").write_text(json.dumps(moved) + "\n" + json.dumps(born) + "\n")
    (hit,) = scan(jane.source, out).hits
    assert (hit.line, hit.path, hit.leak) == (2, "Patient.birthDate", LeakClass.BIRTH_DATE)


def test_a_code_of_a_listed_system_is_no_number_of_a_patient(clinic: Clinic, tmp_path: Path) -> None:
    clinic.add(patient(identifier=[{"system": "urn:mrn", "value": "44054006"}]))
    out = tmp_path / "out"
    out.mkdir()
    coding = {"system": "http://snomed.info/sct", "code": "44054006"}
    (out / "a.ndjson").write_text(json.dumps({"code": {"coding": [coding]}}) + "\n")
    assert scan(clinic.source, out).clean
    (out / "b.ndjson").write_text(json.dumps({"code": {"coding": [coding | {"system": "urn:mrn"}]}}) + "\n")
    assert [hit.path for hit in scan(clinic.source, out).hits] == ["line.code.coding[0].code"]


def test_names_that_are_words_of_the_policy_are_no_leak(clinic: Clinic) -> None:
    clinic.add(patient(name=[{"family": "Final", "given": ["Laboratory"]}], gender="female"))
    assert scan(clinic.source, clinic.add(observation("o", "2020-01-01")).release().folder).clean


def _kept_raw(element: str) -> Callable[[Kinds, Leaf], Element]:
    """A compiler that lets the kind "anything" through as it is: what a careless policy would do."""
    careful = Kinds.element

    def careless(kinds: Kinds, leaf: Leaf) -> Element:
        return Element(msgspec.Raw, None) if leaf.kind == "anything" else careful(kinds, leaf)

    return careless


def broken_policy(resource: str, element: str) -> Policy:
    """The shipped policy, but for one element that leaves as it is."""
    folder = Path(policy_module.__file__).parent / "policies"
    texts = [(folder / f"{name}.yaml").read_text() for name in ("safe_harbor", "codes")]
    elements, codes = (yaml.safe_load(text) for text in texts)
    elements["resources"][resource]["fields"][element] = "anything"
    return parse_policy(elements, codes)


@pytest.mark.parametrize(
    ("resource", "element", "leak"),
    [
        ("Patient", "name", LeakClass.NAME),
        ("Patient", "telecom", LeakClass.PHONE),
        ("Patient", "identifier", LeakClass.IDENTIFIER),
        ("Patient", "address", LeakClass.PHRASE),
        ("Patient", "birthDate", LeakClass.BIRTH_DATE),
        ("DocumentReference", "subject", LeakClass.RESOURCE_ID),
        ("Organization", "name", LeakClass.PHRASE),
    ],
)
def test_a_broken_policy_is_caught(
    jane: Clinic, monkeypatch: pytest.MonkeyPatch, resource: str, element: str, leak: LeakClass
) -> None:
    monkeypatch.setattr(Kinds, "element", _kept_raw(element))
    policy = broken_policy(resource, element)
    if element == "subject":
        object.__setattr__(policy.resources[resource], "subject", None)
    report = scan(jane.source, jane.release(policy=policy).folder)
    assert leak in {hit.leak for hit in report.hits}
    assert all(hit.path.startswith(f"{resource}.{element}") for hit in report.hits)
    with pytest.raises(LeakFound):
        report.refuse_leaks()


def test_ids_that_are_not_replaced_are_caught(jane: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pseudonyms, "family", lambda self, resource_type: lambda source_id: source_id)
    report = scan(jane.source, jane.release().folder)
    assert LeakClass.RESOURCE_ID in {hit.leak for hit in report.hits}
    assert {hit.path for hit in report.hits} >= {
        "Patient.id",
        "Observation.subject.reference",
        "Organization.id",
    }


def test_the_first_thousand_places_are_told_and_all_are_counted(jane: Clinic) -> None:
    out = jane.source.parent / "out"
    out.mkdir()
    (out / "x.ndjson").write_text('{"text":"Roekampf"}\n' * 1200)
    report = scan(jane.source, out)
    assert [hit.line for hit in report.hits] == list(range(1, 1001))
    assert report.hit_count == report.facts()["hits"] == 1200
    assert not report.clean


def test_a_scan_for_nothing_or_of_nothing_is_refused(jane: Clinic, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError):
        scan(empty, jane.source)
    with pytest.raises(UsageError):
        scan(jane.source, empty)
    with pytest.raises(UsageError):
        scan(jane.source, tmp_path / "absent")
    (empty / "Patient.ndjson").write_text("{}\n")
    with pytest.raises(DataError):
        scan(empty, jane.source)
