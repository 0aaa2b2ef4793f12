"""A valid resource of a type with every element that the policy lists: the ground for canaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.deid.policy import Group, Leaf, Node, Policy, ResourcePolicy

SUBJECT = "@subject@"
"""Stands for the id of the subject, so that each planted resource can have its own."""

_LEAVES: Mapping[str, JSON] = {
    "boolean": True,
    "integer": 3,
    "positiveInt": 3,
    "unsignedInt": 3,
    "decimal": 1.5,
    "dateTime": "2019-03-04T09:30:00-05:00",
    "instant": "2019-03-04T09:30:00-05:00",
    "birthYear": "1960-05-17",
    "time": "09:30:00",
    "date": "2019-03-04",
    "linkId": "/93025-5/63586-2",
    "Coding": {"system": "http://loinc.org", "code": "2339-0"},
    "CodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
    "Quantity": {
        "value": 7.5,
        "comparator": "<",
        "unit": "mg/dL",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    },
    "Age": {"value": 41, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    "Address": {"use": "home", "state": "MA", "postalCode": "02139", "country": "US"},
    "PatientExtension": {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [
            {
                "url": "ombCategory",
                "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"},
            }
        ],
    },
}


def specimen(resource: ResourcePolicy) -> dict[str, JSON]:
    """A resource of the type that ``resource`` is the policy of.

    Raises :class:`SettingsError` for a kind of element that there is no example of.
    """
    made: dict[str, JSON] = {"resourceType": resource.name}
    made["id"] = SUBJECT if resource.subject == "id" else f"{resource.name.lower()}-{SUBJECT}"
    return made | {name: _example(node) for name, node in resource.fields.items()}


def specimens(policy: Policy) -> dict[str, dict[str, JSON]]:
    """The specimen of each type of a policy."""
    return {name: specimen(resource) for name, resource in policy.resources.items()}


def _example(node: Node) -> JSON:
    one: JSON
    if isinstance(node, Group):
        one = {name: _example(inner) for name, inner in node.fields.items()}
    else:
        one = _SPECIAL.get(node.kind, _copied)(node)
    return [one] if node.many else one


def _copied(leaf: Leaf) -> JSON:
    if leaf.kind not in _LEAVES:
        raise SettingsError(
            "There is no example of a kind of element, so no canary can be put beside it",
            kind=Label(leaf.kind),
        )
    return deepcopy(_LEAVES[leaf.kind])


def _reference(leaf: Leaf) -> JSON:
    target = "Patient" if "Patient" in leaf.arguments else leaf.arguments[0]
    return {"reference": f"{target}/{SUBJECT if target == 'Patient' else 'x1'}", "type": target}


def _code(leaf: Leaf) -> JSON:
    return leaf.arguments[0]


_SPECIAL: Mapping[str, Callable[[Leaf], JSON]] = {"Reference": _reference, "code": _code}

__all__ = ["SUBJECT", "specimen", "specimens"]
