"""The kinds of element that a policy may use beside those of the shipped one."""

from __future__ import annotations

from typing import Any

import pytest

from medcairn.core.errors import SettingsError
from medcairn.deid import safe_harbor
from medcairn.deid.policy import Group, Leaf

from .clinic import Clinic, observation, patient, with_fields

FORMS = "http://example.org/fhir/Questionnaire/"
POLICY = with_fields(
    safe_harbor(),
    "Observation",
    ordinal=Leaf("positiveInt"),
    count=Leaf("unsignedInt"),
    day=Leaf("date"),
    moment=Leaf("instant"),
    moments=Leaf("dateTime", many=True),
    hour=Leaf("time"),
    form=Leaf("canonical", (f"{FORMS}phq-9", f"{FORMS}gad-7")),
    forms=Leaf("canonical", (f"{FORMS}phq-9",), many=True),
    item=Group(
        {
            "linkId": Leaf("linkId"),
            "answer": Group({"valueInteger": Leaf("integer"), "valueBoolean": Leaf("boolean")}, many=True),
        },
        many=True,
    ),
)


def left(clinic: Clinic, **elements: Any) -> Any:
    """What an observation with ``elements`` becomes, or the reason that it does not leave."""
    clinic.add(patient(), observation("first", "2020-01-11"), observation("o", "2020-02-01", **elements))
    out = clinic.release(policy=POLICY)
    found = out.resources("Observation")
    return found[1] if len(found) == 2 else out.quarantine()[0]["reason"]


@pytest.mark.parametrize(
    ("element", "written", "expected"),
    [
        ("ordinal", 1, 1),
        ("ordinal", 0, "wrong_shape"),
        ("ordinal", 2**31, "wrong_shape"),
        ("ordinal", "7", "wrong_shape"),
        ("ordinal", True, "wrong_shape"),
        ("count", 0, 0),
        ("count", -1, "wrong_shape"),
        ("day", "2020-02-01", "2020-01-22"),
        ("moment", "2020-02-01T10:00:00.125-05:00", "2020-01-22T15:00:00Z"),
        ("moments", ["2020-02-01", "Jane", "2020-02-02"], ["2020-01-22", "2020-01-23"]),
        ("moments", ["Jane"], None),
        ("hour", "23:59:00", "23:59:00"),
        ("hour", "25:00:00", None),
        ("hour", "Jane", None),
        ("form", f"{FORMS}phq-9", f"{FORMS}phq-9"),
        ("form", f"{FORMS}gad-7|2.1-jane", f"{FORMS}gad-7"),
        ("form", f"{FORMS}jane", None),
        ("forms", [f"{FORMS}jane", f"{FORMS}phq-9"], [f"{FORMS}phq-9"]),
    ],
)
def test_kinds(clinic: Clinic, element: str, written: Any, expected: Any) -> None:
    found = left(clinic, **{element: written})
    assert (found if isinstance(found, str) else found.get(element)) == expected


@pytest.mark.parametrize(
    ("link", "leaves_it"),
    [
        ("/93025-5", True),
        ("/93025-5/71802-3", True),
        ("93025-5", True),
        ("/93025-5/71802-4", False),
        ("/93025-5/jane", False),
        ("/", False),
        ("", False),
        ("7", True),
        ("12.3", True),
        ("12.07.41", False),
        ("1941", False),
        ("7\n", False),
        ("jane", False),
    ],
)
def test_link_ids_leave_when_they_are_loinc_paths_or_short_numbers(
    clinic: Clinic, link: str, leaves_it: bool
) -> None:
    item = {"linkId": link, "text": "Jane", "answer": [{"valueInteger": 3, "valueString": "Jane"}]}
    expected = {"linkId": link} if leaves_it else {}
    assert left(clinic, item=[item])["item"] == [expected | {"answer": [{"valueInteger": 3}]}]


@pytest.mark.parametrize("link", ["/30525-0", "/93025-5/30525-0", "/21112-8"])
def test_an_answer_that_tells_an_age_or_an_identity_stays_behind(clinic: Clinic, link: str) -> None:
    item = [
        {"linkId": link, "answer": [{"valueInteger": 93}]},
        {"linkId": "1", "answer": [{"valueInteger": 3}]},
    ]
    assert left(clinic, item=item)["item"] == [{"linkId": link}, item[1]]


def test_a_kind_that_does_not_exist_is_refused(clinic: Clinic) -> None:
    clinic.add(patient())
    with pytest.raises(SettingsError):
        clinic.release(policy=with_fields(safe_harbor(), "Patient", name=Leaf("anything")))


@pytest.mark.parametrize("name", ["a b", "x=None\n    import os", "née", "", "_birthDate", "__class__"])
def test_an_element_name_that_is_none_is_refused(clinic: Clinic, name: str) -> None:
    clinic.add(patient())
    with pytest.raises(SettingsError):
        clinic.release(policy=with_fields(safe_harbor(), "Patient", **{name: Leaf("boolean")}))
