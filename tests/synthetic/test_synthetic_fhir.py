"""What is written is well-formed FHIR R4, hangs together, and is as untidy as a real record."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS
from medcairn.synthetic import generate
from medcairn.synthetic.analytes import LABS, LOINC, VITALS

PATIENTS = 120
SEED = 24
"""Among these patients, some results come back after death and after the end of the data."""
END = datetime(2025, 6, 30, tzinfo=UTC)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_REQUIRED = {
    "Patient": {"identifier", "name", "gender", "birthDate"},
    "Encounter": {"status", "class", "type", "subject", "period"},
    "Condition": {"verificationStatus", "category", "code", "subject", "recordedDate"},
    "Observation": {"status", "category", "code", "subject", "effectiveDateTime", "issued"},
    "MedicationRequest": {"status", "intent", "medicationCodeableConcept", "subject", "authoredOn"},
    "Procedure": {"status", "code", "subject", "performedPeriod"},
    "Immunization": {"status", "vaccineCode", "patient", "occurrenceDateTime"},
    "DocumentReference": {"status", "type", "subject", "date", "content"},
    "Organization": {"active", "name", "identifier"},
    "Practitioner": {"name", "identifier"},
}

Resources = dict[str, list[dict[str, JSON]]]


@pytest.fixture(scope="module")
def resources() -> Resources:
    found: Resources = {}
    for resource_type, line in generate(PATIENTS, SEED):
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        found.setdefault(resource_type, []).append(json.loads(line))
    return found


def _at(value: JSON, *path: str | int) -> JSON:
    """The value at ``path``; None where it ends."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: JSON, *path: str | int) -> str:
    found = _at(value, *path)
    assert isinstance(found, str)
    return found


def _strings(value: JSON, key: str) -> Iterator[str]:
    """Every text under ``key``, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, str):
                yield item
            yield from _strings(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)


def _codes(resource: dict[str, JSON]) -> set[str]:
    coding = _at(resource, "code", "coding")
    assert isinstance(coding, list)
    return {_text(item, "code") for item in coding}


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    assert found.tzinfo is not None
    return found


def test_every_resource_has_its_type_id_and_required_elements(resources: Resources) -> None:
    for resource_type, items in resources.items():
        for item in items:
            assert item["resourceType"] == resource_type
            assert _ID.match(_text(item, "id"))
            assert _REQUIRED[resource_type] <= set(item)
    assert set(resources) == set(_REQUIRED)


def test_ids_are_unique_within_a_type(resources: Resources) -> None:
    for items in resources.values():
        assert len({_text(item, "id") for item in items}) == len(items)


def test_every_reference_resolves_to_the_same_patient(resources: Resources) -> None:
    known = {f"{kind}/{item['id']}": item for kind, items in resources.items() for item in items}
    for items in resources.values():
        for item in items:
            for reference in _strings(item, "reference"):
                assert reference in known
            subject, encounter = _at(item, "subject", "reference"), _at(item, "encounter", "reference")
            if isinstance(encounter, str) and subject is not None:
                assert _at(known[encounter], "subject", "reference") == subject


def test_nothing_is_later_than_the_data_or_the_patients_death(resources: Resources) -> None:
    death = {
        f"Patient/{item['id']}": _moment(_text(item, "deceasedDateTime"))
        for item in resources["Patient"]
        if "deceasedDateTime" in item
    }
    keys = ("effectiveDateTime", "issued", "recordedDate", "authoredOn", "occurrenceDateTime", "date")
    for items in resources.values():
        for item in items:
            assert _moment(_text(item, "meta", "lastUpdated")) < END
            who = _at(item, "subject", "reference") or _at(item, "patient", "reference")
            limit = death.get(str(who), END)
            texts = [*_strings(_at(item, "period"), "end"), *_strings(_at(item, "performedPeriod"), "end")]
            texts += [text for key in keys if isinstance(text := item.get(key), str)]
            assert all(_moment(text) <= limit for text in texts)


def test_measurements_lie_within_their_encounter_and_are_issued_later(resources: Resources) -> None:
    periods = {f"Encounter/{item['id']}": _at(item, "period") for item in resources["Encounter"]}
    for item in resources["Observation"]:
        period = periods[_text(item, "encounter", "reference")]
        taken = _moment(_text(item, "effectiveDateTime"))
        assert _moment(_text(period, "start")) <= taken <= _moment(_text(item, "issued"))
        end = _at(period, "end")
        assert end is None or taken <= _moment(str(end))


def test_encounters_of_a_patient_do_not_overlap(resources: Resources) -> None:
    periods: dict[str, list[tuple[datetime, datetime]]] = {}
    for item in resources["Encounter"]:
        end = _at(item, "period", "end")
        span = (_moment(_text(item, "period", "start")), END if end is None else _moment(str(end)))
        periods.setdefault(_text(item, "subject", "reference"), []).append(span)
    for spans in periods.values():
        for one, following in pairwise(spans):
            assert one[1] <= following[0]


def test_every_measurement_code_and_unit_belongs_to_a_concept() -> None:
    for analyte in (*LABS.values(), *VITALS.values()):
        concept = CONCEPTS[analyte.name]
        for code, _ in analyte.loinc:
            assert (LOINC, code) in concept.codes
        for unit in analyte.units:
            printed = 100.0 * unit.factor + unit.offset
            assert concept.canonical(printed, unit.code) is not None


def test_labs_come_under_several_codes_and_units(resources: Resources) -> None:
    codes: Counter[str] = Counter()
    units: dict[str, set[str]] = {}
    for item in resources["Observation"]:
        for code in _codes(item):
            codes[code] += 1
            units.setdefault(code, set()).update([str(_at(item, "valueQuantity", "code"))])
    for one, other in (
        ("2345-7", "2339-0"),
        ("2160-0", "38483-4"),
        ("2951-2", "2947-0"),
        ("2823-3", "6298-4"),
        ("2089-1", "18262-6"),
        ("3094-0", "6299-2"),
        ("2708-6", "59408-5"),
        ("85354-9", "55284-4"),
    ):
        assert codes[one] > 100
        assert codes[other] > 100
    assert units["2345-7"] | units["2339-0"] == {"mg/dL", "mmol/L"}
    assert units["2160-0"] | units["38483-4"] == {"mg/dL", "umol/L"}
    assert units["8310-5"] == {"Cel", "[degF]"}
    assert units["29463-7"] == {"kg", "[lb_av]"}


def test_blood_pressure_sits_in_components(resources: Resources) -> None:
    panels = [item for item in resources["Observation"] if _codes(item) & {"85354-9", "55284-4"}]
    parts = Counter(code for item in panels for code in _component_codes(item))
    assert all("valueQuantity" not in item for item in panels)
    assert parts["8480-6"] == len(panels)
    assert 0.95 * len(panels) < parts["8462-4"] < len(panels)


def _component_codes(item: dict[str, JSON]) -> list[str]:
    components = item["component"]
    assert isinstance(components, list)
    return [_text(part, "code", "coding", 0, "code") for part in components]


def test_some_results_are_wrong_some_late_some_without_range(resources: Resources) -> None:
    labs = [i for i in resources["Observation"] if _at(i, "category", 0, "coding", 0, "code") == "laboratory"]
    wrong = sum(item["status"] == "entered-in-error" for item in resources["Observation"])
    late = sum(
        _moment(_text(i, "issued")) - _moment(_text(i, "effectiveDateTime")) > timedelta(days=2) for i in labs
    )
    ranged = sum("referenceRange" in item for item in labs)
    flags = Counter(_at(item, "interpretation", 0, "coding", 0, "code") for item in labs)
    assert 0.003 < wrong / len(resources["Observation"]) < 0.015
    assert 0.01 < late / len(labs) < 0.05
    assert 0.4 < ranged / len(labs) < 0.9
    assert flags["H"] > 50
    assert flags["L"] > 50


def test_conditions_come_in_both_vocabularies_and_alone(resources: Resources) -> None:
    shapes = Counter(
        tuple(sorted("icd" if "icd-10" in s else "snomed" for s in _strings(_at(i, "code"), "system")))
        for i in resources["Condition"]
    )
    assert set(shapes) == {("icd", "snomed"), ("icd",), ("snomed",)}
    states = Counter(_text(i, "verificationStatus", "coding", 0, "code") for i in resources["Condition"])
    assert {"confirmed", "refuted", "entered-in-error"} <= set(states)
    for item in resources["Condition"]:
        in_error = _at(item, "verificationStatus", "coding", 0, "code") == "entered-in-error"
        assert ("clinicalStatus" in item) is not in_error


def test_patients_are_varied(resources: Resources) -> None:
    patients = resources["Patient"]
    ages = [
        (END.date() - datetime.fromisoformat(_text(p, "birthDate")).date()).days / 365.25 for p in patients
    ]
    assert any(age >= 90 for age in ages)
    assert any("deceasedDateTime" in patient for patient in patients)
    urls = Counter(url.rsplit("/", 1)[-1] for patient in patients for url in _strings(patient, "url"))
    for name in ("us-core-race", "us-core-ethnicity", "us-core-birthsex"):
        assert 0.8 * PATIENTS < urls[name] < PATIENTS
    assert urls["patient-birthPlace"] > 10
    assert urls["patient-mothersMaidenName"] > 10
    assert any("maiden" in _strings(patient, "use") for patient in patients)
    for patient in patients:
        assert set(_strings(_at(patient, "identifier"), "code")) == {"MR", "SS"}


def test_encounters_are_of_all_classes_with_dispositions(resources: Resources) -> None:
    classes = Counter(_text(item, "class", "code") for item in resources["Encounter"])
    assert set(classes) == {"AMB", "EMER", "IMP"}
    stays = [item for item in resources["Encounter"] if _at(item, "class", "code") == "IMP"]
    ended = [item for item in stays if item["status"] == "finished"]
    out = Counter(
        _text(item, "hospitalization", "dischargeDisposition", "coding", 0, "code") for item in ended
    )
    assert {"home", "snf", "rehab", "exp"} <= set(out)
    assert all("end" not in _period(item) for item in stays if item["status"] == "in-progress")


def _period(item: dict[str, JSON]) -> dict[str, JSON]:
    period = item["period"]
    assert isinstance(period, dict)
    return period


def test_notes_hold_the_identifiers_of_their_patient(resources: Resources) -> None:
    people = {f"Patient/{item['id']}": item for item in resources["Patient"]}
    assert len(resources["DocumentReference"]) > PATIENTS
    for item in resources["DocumentReference"]:
        note = base64.b64decode(_text(item, "content", 0, "attachment", "data"), validate=True).decode()
        patient = people[_text(item, "subject", "reference")]
        for path in (
            ("name", 0, "family"),
            ("identifier", 0, "value"),
            ("identifier", 1, "value"),
            ("telecom", 0, "value"),
            ("address", 0, "line", 0),
        ):
            assert _text(patient, *path) in note


def test_diabetes_drugs_never_come_before_the_diagnosis(resources: Resources) -> None:
    diagnosed: dict[str, str] = {}
    for item in resources["Condition"]:
        if {"44054006", "E11.9"} & _codes(item):
            diagnosed.setdefault(_text(item, "subject", "reference"), _text(item, "recordedDate"))
    for item in resources["MedicationRequest"]:
        if _text(item, "medicationCodeableConcept", "coding", 0, "code") in {"860975", "106892"}:
            who = _text(item, "subject", "reference")
            assert _moment(_text(item, "authoredOn")) >= _moment(diagnosed[who])
