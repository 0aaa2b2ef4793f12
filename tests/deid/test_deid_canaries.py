"""Nothing that the policy does not list gets out: canaries in every string, noise everywhere, any JSON."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.digests import Digest
from medcairn.deid import safe_harbor
from medcairn.deid.axis import Axis
from medcairn.deid.engine import Engine
from medcairn.deid.keys import Pseudonyms
from medcairn.deid.policy import Group

from .clinic import KEY, leaves, replaced, sample

POLICY = safe_harbor()
TYPES = sorted(POLICY.resources)
AXES = {"p1": Axis(-100, 1, 1960, False), "patient-1": Axis(-100, 1, 1960, False)}
ENGINE = Engine(POLICY, Pseudonyms(KEY), AXES, date(2024, 6, 30))
CANARIES = (
    "Zyxwarth-{n}q Qvorstein",
    "987-65-{n:04d}",
    "(555) 867-{n:04d}",
    "zyx{n}@qvorstein.example.org",
    "https://qvorstein.example.org/zyx/{n}",
    "MRN{n:07d}Z",
    "1941-12-07T{n}",
    "Qvorstein/{n}q",
    "<div>Zyxwarth {n}q</div>",
)


def release(resources: list[Any], name: str) -> str:
    """What leaves of ``resources``, as text."""
    lines = [json.dumps(resource).encode() for resource in resources]
    return b"".join(ENGINE.chunk([lines], name).data).decode()


@pytest.mark.parametrize("name", TYPES)
def test_the_full_sample_of_a_type_leaves(name: str) -> None:
    """Else the canaries would only show that quarantine works."""
    resource = sample(POLICY.resources[name])
    (line,) = release([resource], name).splitlines()
    found = json.loads(line)
    missing = set(POLICY.resources[name].fields) - set(found)
    assert missing == set()


@pytest.mark.parametrize("name", TYPES)
def test_a_canary_in_any_string_does_not_leave(name: str) -> None:
    resource = sample(POLICY.resources[name])
    planted: dict[str, Any] = {}
    for path in leaves(resource):
        if path != ("resourceType",):
            for form in CANARIES:
                canary = form.format(n=len(planted))
                planted[canary] = replaced(resource, path, canary)
    text = release(list(planted.values()), name)
    assert [canary for canary in planted if canary in text] == []
    assert "Qvorstein" not in text
    assert "qvorstein" not in text
    assert "Zyxwarth" not in text


@pytest.mark.parametrize("name", TYPES)
def test_hiding_places_next_to_what_leaves(name: str) -> None:
    hidden: dict[str, Any] = {
        "text": {"status": "generated", "div": "<div>Qvorstein</div>"},
        "extension": [{"url": "urn:x", "valueString": "Qvorstein"}],
        "note": [{"text": "Qvorstein", "authorString": "Qvorstein"}],
        "contained": [{"resourceType": "Patient", "id": "c", "name": [{"family": "Qvorstein"}]}],
        "identifier": [{"system": "urn:x", "value": "Qvorstein", "assigner": {"display": "Qvorstein"}}],
        "_status": {"extension": [{"url": "urn:x", "valueString": "Qvorstein"}]},
        "_birthDate": {"extension": [{"url": "urn:x", "valueDateTime": "1941-12-07"}]},
        "display": "Qvorstein",
        "valueString": "Qvorstein",
        "meta": {"source": "urn:Qvorstein", "tag": [{"code": "Qvorstein"}]},
        "onsetAge": {"value": 97, "unit": "a"},
        "name": [{"family": "Qvorstein"}],
        "photo": [{"data": "UXZvcnN0ZWlu", "title": "Qvorstein"}],
        "Qvorstein": "Qvorstein",
    }
    resource = sample(POLICY.resources[name])
    baseline = release([resource], name)
    for key, value in hidden.items():
        if name == "Patient" and key == "extension":
            value = [*resource["extension"], *value]
        assert release([_everywhere(resource, key, value)], name) == baseline


def _everywhere(value: Any, key: str, noise: Any) -> Any:
    """``value`` with an unlisted element in each of its objects; listed ones of that name stay."""
    if isinstance(value, dict):
        grown = {name: _everywhere(item, key, noise) for name, item in value.items()}
        if key == "extension" and "extension" in value and "resourceType" in value:
            return grown | {key: noise}
        return grown | ({} if key in value else {key: noise})
    if isinstance(value, list):
        return [_everywhere(item, key, noise) for item in value]
    return value


_TEXT = st.one_of(
    st.text(),
    st.sampled_from(
        ["\0", "\ud800", "\udfff\ud800", "\u2028", "\ufeff", "_birthDate", "Zyxwarth", '"}\n{"', "\\"]
    ),
)
_NUMBER = st.one_of(
    st.integers(), st.integers(-(10**400), 10**400), st.floats(allow_nan=False, allow_infinity=False)
)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBER | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


def encoded(value: Any) -> bytes:
    """JSON as a careless server might write it: lone surrogates as they are."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def objects(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all objects in ``value``."""
    found = [path] if isinstance(value, dict) else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [inner for key, item in items for inner in objects(item, (*path, key))]


def listed(name: str, path: tuple[str | int, ...]) -> set[str]:
    """The names that mean something in the object at ``path``: the policy's, or those of any datatype."""
    node: Any = Group(POLICY.resources[name].fields)
    for key in path:
        if isinstance(key, str):
            node = node.fields.get(key) if isinstance(node, Group) else None
    return set(node.fields) if isinstance(node, Group) else READ_IN_DATATYPES


READ_IN_DATATYPES = {
    *("reference", "type", "system", "code", "coding", "value", "comparator", "unit"),
    *("state", "postalCode", "country", "url", "extension", "valueCode", "valueCoding"),
}
MEANINGFUL = {"resourceType", "id", "implicitRules", "modifierExtension"}


@settings(max_examples=300)
@given(name=st.sampled_from(TYPES), noise=st.dictionaries(_TEXT, _JSON, max_size=5), data=st.data())
def test_unlisted_noise_anywhere_changes_nothing(
    name: str, noise: dict[str, Any], data: st.DataObject
) -> None:
    resource = sample(POLICY.resources[name])
    path = data.draw(st.sampled_from(objects(resource)))
    place: Any = resource
    for key in path:
        place = place[key]
    unlisted = {key: value for key, value in noise.items() if key not in MEANINGFUL | listed(name, path)}
    noisy = replaced(resource, path, unlisted | place | unlisted)
    assert json.dumps(noisy) != json.dumps(resource) or not unlisted
    undisturbed = {release([resource], name)}
    if "\\ud" in json.dumps(unlisted):  # half a character is no text: such a line may go to quarantine
        undisturbed.add("")
    assert release([noisy], name) in undisturbed


@settings(max_examples=300)
@given(
    name=st.sampled_from(TYPES),
    value=st.one_of(_JSON, st.dictionaries(_TEXT, _JSON)),
    careless=st.booleans(),
    data=st.data(),
)
def test_any_json_is_released_or_quarantined_and_never_crashes(
    name: str, value: Any, careless: bool, data: st.DataObject
) -> None:
    resource = sample(POLICY.resources[name])
    path = data.draw(st.sampled_from(leaves(resource) + objects(resource)))
    dump: Any = encoded if careless else lambda each: json.dumps(each).encode()
    lines = [
        dump(value),
        dump(replaced(resource, path, value)),
        dump({"resourceType": name, "id": "x"} | ({path[0]: value} if path else {})),
    ]
    found = ENGINE.chunk([lines], name)
    data_left = b"".join(found.data)
    assert data_left.count(b"\n") + len(found.quarantine) == len(lines)
    assert all(json.loads(line)["resourceType"] == name for line in data_left.splitlines())
    assert b"Zyxwarth" not in data_left


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("depth", [50, 100_000])
def test_deep_nesting_neither_crashes_nor_leaves(name: str, depth: int) -> None:
    resource = json.dumps(sample(POLICY.resources[name]))
    deep = b"[" * depth + b'"Zyxwarth"' + b"]" * depth
    lines = [deep, resource[:-1].encode() + b',"unlisted":' + deep + b"}", b'{"id":' + deep + b"}"]
    found = ENGINE.chunk([lines], name)
    data_left = b"".join(found.data)
    assert data_left.count(b"\n") + len(found.quarantine) == len(lines)
    assert b"Zyxwarth" not in data_left


@settings(max_examples=100)
@given(line=st.binary(max_size=200))
def test_any_bytes_are_quarantined(line: bytes) -> None:
    found = ENGINE.chunk([[line]], "Patient")
    assert b"".join(found.data) == b""
    assert len(found.quarantine) == (0 if not line or line.isspace() else 1)


def test_the_policy_has_a_digest_and_every_subject_element_is_a_patient() -> None:
    assert isinstance(POLICY.digest, Digest)
    for resource in POLICY.resources.values():
        if resource.subject not in (None, "id"):
            assert getattr(resource.fields[resource.subject], "arguments", None) == ("Patient",)
