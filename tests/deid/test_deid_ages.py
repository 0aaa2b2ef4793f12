"""Ages and identities that hide in values: no age over 89 leaves, nor what would tell one."""

from __future__ import annotations

from typing import Any

import pytest

from medcairn.deid import Policy, safe_harbor
from medcairn.deid.codes import compile_rules

from .clinic import Clinic, Released, lost, observation, patient

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
YOUNG, OLD = patient(birthDate="1960-05-17"), patient(birthDate="1920-05-17")


def code(value: str, system: str = LOINC) -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": value}]}


def age(value: float, unit: str = "a") -> dict[str, Any]:
    """An age in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def left(clinic: Clinic, subject: dict[str, Any], **elements: Any) -> tuple[Any, Released]:
    """What an observation becomes, and the run."""
    out = clinic.add(subject, observation("o1", "2020-03-01", **elements)).release()
    return out.resources("Observation")[0], out


@pytest.mark.parametrize(
    ("quantity", "young", "old"),
    [
        (age(12), True, True),
        (age(40), True, False),  # an over-89-year-old of whom something was 40 years ago or at 40
        (age(89), True, False),
        (age(91), False, False),
        (age(500, "mo"), True, False),
        (age(1100, "mo"), False, False),
        (age(40, "wk"), True, True),
        (age(33_000, "d"), False, False),
        ({"value": 93, "unit": "Yrs"}, False, False),
        ({"value": 93, "unit": "years"}, False, False),
        ({"value": 93, "unit": "{score}"}, True, True),
        ({"value": 93, "unit": "mg/dL"}, True, True),
        ({"value": 93}, True, True),
        (age(9e1), False, False),
    ],
)
def test_quantities_in_units_of_age(
    clinic: Clinic, tmp_path_factory: pytest.TempPathFactory, quantity: dict[str, Any], young: bool, old: bool
) -> None:
    other = Clinic(tmp_path_factory.mktemp("old"))
    for place, subject, leaves_it in ((clinic, YOUNG, young), (other, OLD, old)):
        found, out = left(place, subject, valueQuantity=quantity)
        assert ("valueQuantity" in found) == leaves_it
        assert lost(out).get("age_over_89", 0) == (0 if leaves_it else 1)


def test_a_range_of_ages_loses_what_is_over_89(clinic: Clinic) -> None:
    found, _ = left(clinic, YOUNG, valueRange={"low": age(85), "high": age(95)})
    assert found["valueRange"] == {"low": age(85)}


@pytest.mark.parametrize(
    ("subject", "value", "leaves_it"),
    [
        (YOUNG, {"valueQuantity": age(59)}, True),
        (YOUNG, {"valueQuantity": {"value": 59}}, False),
        (YOUNG, {"valueQuantity": {"value": 59, "unit": "{score}"}}, False),
        (YOUNG, {"valueInteger": 59}, False),
        (YOUNG, {"valueRange": {"low": age(50)}}, False),
        (OLD, {"valueQuantity": age(9)}, False),
        (OLD, {"valueInteger": 93}, False),
    ],
)
@pytest.mark.parametrize("named", [code("30525-0"), code("21612-7"), code("424144002", SNOMED)])
def test_an_age_leaves_only_as_a_quantity_of_a_subject_not_over_89(
    clinic: Clinic, named: dict[str, Any], subject: dict[str, Any], value: dict[str, Any], leaves_it: bool
) -> None:
    found, out = left(clinic, subject, code=named, **value)
    assert found["code"] == named
    assert any(key.startswith("value") for key in found) == leaves_it
    if not leaves_it:
        assert lost(out)["value_tells_age"] == 1


def test_an_age_without_a_subject_stays_behind(clinic: Clinic) -> None:
    alone = observation("o1", "2020-03-01", code=code("30525-0"), valueQuantity=age(59))
    del alone["subject"]
    (found,) = clinic.add(YOUNG, alone).release().resources("Observation")
    assert "valueQuantity" not in found


def test_an_age_in_a_component_stays_behind_alone(clinic: Clinic) -> None:
    parts = [
        {"code": code("30525-0"), "valueInteger": 93},
        {"code": code("8480-6"), "valueQuantity": {"value": 120, "unit": "mm[Hg]"}},
    ]
    found, _ = left(clinic, OLD, code=code("85354-9"), component=parts, valueInteger=7)
    assert found["component"] == [{"code": code("30525-0")}, parts[1]]
    assert found["valueInteger"] == 7


def test_an_age_by_its_own_code_takes_its_components_with_it(clinic: Clinic) -> None:
    parts = [{"code": code("8480-6"), "valueInteger": 93}]
    found, _ = left(clinic, OLD, code=code("30525-0"), component=parts, valueInteger=93)
    assert not {"component", "valueInteger"} & set(found)


@pytest.mark.parametrize("named", ["21112-8", "80904-6", "45396-9", "46106-1"])
@pytest.mark.parametrize("value", [{"valueInteger": 987654321}, {"valueDateTime": "1960-05-17"}])
def test_a_value_that_is_an_identity_never_leaves(clinic: Clinic, named: str, value: dict[str, Any]) -> None:
    found, out = left(clinic, YOUNG, code=code(named), **value)
    assert not any(key.startswith("value") for key in found)
    assert lost(out)["value_identifies"] == 1


def test_what_one_code_tells_is_forgotten_for_the_next_resource(clinic: Clinic) -> None:
    clinic.add(YOUNG)
    for number, named in enumerate(("30525-0", "2339-0", "21112-8", "2339-0", "30525-0", "2339-0")):
        clinic.add(observation(f"o{number}", "2020-03-01", code=code(named), valueInteger=50))
    found = clinic.release().resources("Observation")
    assert ["valueInteger" in each for each in found] == [False, True] * 3


@pytest.mark.parametrize(
    ("subject", "onset", "leaves_it"),
    [
        (YOUNG, age(50), True),
        (YOUNG, age(600, "mo"), True),
        (YOUNG, age(91), False),
        (YOUNG, {"value": 50}, False),
        (YOUNG, {"value": 50, "unit": "mg"}, False),
        (YOUNG, {}, False),
        (OLD, age(9), False),  # beside a date it tells the year of birth
    ],
)
def test_an_age_as_an_element_leaves_in_a_unit_of_age_and_of_a_subject_not_over_89(
    clinic: Clinic, subject: dict[str, Any], onset: dict[str, Any], leaves_it: bool
) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p1"},
        "onsetAge": onset,
        "abatementRange": {"low": onset},
    }
    (found,) = clinic.add(subject, condition).release().resources("Condition")
    assert found.get("onsetAge") == (onset if leaves_it else None)
    assert found.get("abatementRange") == ({"low": onset} if leaves_it else None)


def test_the_codes_that_tell_are_well_formed_and_may_leave_themselves() -> None:
    policy: Policy = safe_harbor()
    checks = compile_rules(policy.vocabulary.systems)
    for systems in policy.vocabulary.telling.values():
        assert all(checks[system](each) for system, codes in systems.items() for each in codes)
