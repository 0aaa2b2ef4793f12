"""Properties of ms-compat: any JSON in, nothing of it changed, no crash, nothing unknown out."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.core.r4 import json_fields, resource_types
from medcairn.deid.ms_compat import MsConfiguration, anonymize

from .ms_rules import AS_OF, PARTIAL, configured, rule

EVERY_METHOD = configured(
    rule("nodesByType('HumanName').use", "keep"),
    rule("nodesByType('CodeableConcept').text", "encrypt"),
    rule("nodesByType('date') | nodesByType('dateTime')", "dateShift"),
    rule("nodesByType('Period')", "substitute", replaceWith={"start": "2000"}),
    rule("nodesByType('integer')", "perturb", span=3),
    rule("nodesByType('Quantity')", "perturb", span=0.1, rangeType="proportional"),
    rule("nodesByType('code')", "generalize", cases={"$this = 'a'": "'b'"}, otherValues="keep"),
    rule("nodesByType('Reference').reference", "cryptoHash"),
    rule("Resource.id", "cryptoHash"),
    rule("nodesByType('Identifier')", "redact"),
    rule("nodesByType('Address')", "redact"),
    rule("nodesByType('Age')", "redact"),
    **PARTIAL,
)
REDACT_ALL = configured(rule("Resource", "redact"))
MARK = "Zyxwv"

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(MARK),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TYPES = sorted(resource_types())


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    """A resource of some type whose members have right names and any content."""
    kind = draw(st.sampled_from(["Patient", "Observation", "Bundle", "Condition", "Questionnaire", *TYPES]))
    document: dict[str, Any] = {"resourceType": kind}
    for name in draw(st.lists(st.sampled_from(sorted(json_fields(kind))), max_size=5)):
        document[name] = draw(members(json_fields(kind)[name].type, 3))
        if draw(st.booleans()):
            document["_" + name] = draw(anything)
    return document


def members(type_name: str, depth: int) -> st.SearchStrategy[Any]:
    """Content for an element: near to what its type has, or anything."""
    if type_name == "Resource":
        return (resources() if depth > 1 else st.just({"resourceType": "Patient"})) | anything
    fields = sorted(json_fields(type_name))
    if not fields or depth == 0:
        near = st.sampled_from(["2001-02-03", "2001-02-03T04:05:06Z", "1901", "a", MARK, 1, 1.5, True])
        return near | st.lists(near, max_size=2) | anything
    chosen = st.sampled_from(fields).flatmap(
        lambda name: members(json_fields(type_name)[name].type, depth - 1).map(lambda value: {name: value})
    )
    return chosen | st.lists(chosen, max_size=2) | anything


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(document=anything | resources())
def test_any_json_passes_or_is_refused_and_is_not_changed(document: Any) -> None:
    before = copy.deepcopy(document)
    try:
        anonymize(document, EVERY_METHOD, as_of=AS_OF)
    except DataError as error:
        assert error.__context__ is None
        assert MARK not in str(error)
    assert repr(document) == repr(before)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(document=resources())
def test_redact_all_leaves_types_and_labels_only(document: dict[str, Any]) -> None:
    found = anonymize(document, REDACT_ALL, as_of=AS_OF)
    texts = set(_texts(found)) - resource_types()
    assert texts <= {"REDACTED", "redacted", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"}


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(document=resources(), noise=st.dictionaries(st.text(min_size=1, max_size=6), anything, max_size=3))
def test_unknown_members_change_nothing(document: dict[str, Any], noise: dict[str, Any]) -> None:
    names = json_fields(document["resourceType"]).keys()
    unknown = {k: v for k, v in noise.items() if k.lstrip("_") not in names and k != "resourceType"}
    plain = anonymize(document, EVERY_METHOD, as_of=AS_OF)
    assert anonymize({**unknown, **document}, EVERY_METHOD, as_of=AS_OF) == plain


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(document=resources())
def test_what_leaves_is_read_again_as_it_is(document: dict[str, Any]) -> None:
    keep = configured(rule("Resource", "keep"))
    once = anonymize(document, keep, as_of=AS_OF)
    assert anonymize(once, keep, as_of=AS_OF) == once


@given(data=st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_pass_or_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="no FHIR R4 resource"):
        anonymize(data, EVERY_METHOD, as_of=AS_OF)


@given(
    year=st.integers(1, 9999),
    month=st.integers(1, 12),
    day=st.integers(1, 28),
    today=st.dates(date(1990, 1, 1), date(2100, 1, 1)),
)
def test_no_date_that_tells_an_age_over_89_leaves(year: int, month: int, day: int, today: date) -> None:
    value = f"{year:04}-{month:02}-{day:02}"
    born = {"resourceType": "Patient", "id": "p", "birthDate": value}
    for method in ("redact", "dateShift"):
        configuration: MsConfiguration = configured(rule("nodesByType('date')", method), **PARTIAL)
        left = "birthDate" in anonymize(born, configuration, as_of=today)
        age = today.year - year - ((today.month, today.day) < (month, day))
        assert not left or age <= 89


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, dict):
        for value in found.values():
            yield from _texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value)
    elif found is not None:
        yield str(found)
