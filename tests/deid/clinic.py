"""A small clinic for the tests: resources in, what left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from medcairn.deid import DeidReport, Policy, deidentify
from medcairn.deid.policy import Group, Leaf, Node, ResourcePolicy

KEY = b"a pseudonym key for tests, 32 b."
AS_OF = date(2025, 6, 30)

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Released:
    """What a run wrote."""

    folder: Path
    report: DeidReport

    def text(self) -> str:
        """Everything that was written."""
        return "\n".join(path.read_text() for path in sorted(self.folder.iterdir()))

    def resources(self, name: str) -> list[Any]:
        """The resources of one file, ``Patient`` for ``Patient.ndjson``."""
        return [json.loads(line) for line in (self.folder / f"{name}.ndjson").read_text().splitlines()]

    def quarantine(self) -> list[Any]:
        """The quarantine's entries."""
        return self.resources("quarantine")


def lost(out: Released) -> Any:
    """What a run counted as lost."""
    return out.report.facts()["lost"]


class Clinic:
    """A source folder that grows by resource, and runs over it."""

    def __init__(self, root: Path) -> None:
        self.source = root / "source"
        self.source.mkdir()
        self._root = root
        self._runs = 0

    def add(self, *resources: Resource) -> Clinic:
        """Resources, each appended to the file of its type."""
        for resource in resources:
            self.add_line(str(resource["resourceType"]), json.dumps(resource, ensure_ascii=False))
        return self

    def add_line(self, name: str, line: str | bytes) -> Clinic:
        """A line as it is, appended to the file ``<name>.ndjson``."""
        data = line.encode() if isinstance(line, str) else line
        with (self.source / f"{name}.ndjson").open("ab") as stream:
            stream.write(data + b"\n")
        return self

    def release(
        self, *, key: bytes = KEY, as_of: date = AS_OF, processes: int = 1, policy: Policy | None = None
    ) -> Released:
        """De-identify what is there into a new folder."""
        self._runs += 1
        folder = self._root / f"out{self._runs}"
        report = deidentify(self.source, folder, key=key, as_of=as_of, processes=processes, policy=policy)
        return Released(folder, report)


def patient(source_id: str = "p1", **elements: Any) -> dict[str, Any]:
    """A patient."""
    return {"resourceType": "Patient", "id": source_id, "birthDate": "1960-05-17", **elements}


def observation(source_id: str, when: str, subject: str = "p1", **elements: Any) -> dict[str, Any]:
    """A glucose measurement."""
    return {
        "resourceType": "Observation",
        "id": source_id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0", "display": "Glucose"}]},
        "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": when,
        **elements,
    }


def with_fields(policy: Policy, resource_type: str, **fields: Node) -> Policy:
    """``policy`` with more elements of a resource type."""
    resource = policy.resources[resource_type]
    grown = replace(resource, fields={**resource.fields, **fields})
    return replace(policy, resources={**policy.resources, resource_type: grown})


SAMPLES: Mapping[str, Any] = {
    "boolean": True,
    "integer": 3,
    "positiveInt": 3,
    "unsignedInt": 3,
    "decimal": 1.5,
    "date": "2019-03-04",
    "dateTime": "2019-03-04T09:30:00-05:00",
    "instant": "2019-03-04T09:30:00.125-05:00",
    "time": "09:30:00",
    "linkId": "/93025-5/71802-3",
    "Age": {"value": 50, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    "birthYear": "1960-05-17",
    "Coding": {"system": "http://loinc.org", "version": "2.80", "code": "2339-0", "display": "Glucose"},
    "CodeableConcept": {
        "coding": [{"system": "http://snomed.info/sct", "code": "44054006", "display": "Diabetes"}],
        "text": "Diabetes",
    },
    "Quantity": {
        "value": 7.5,
        "comparator": "<",
        "unit": "mg/dL",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    },
    "Address": {
        "use": "home",
        "text": "1 Elm Street",
        "line": ["1 Elm Street"],
        "city": "Springfield",
        "district": "Hampden",
        "state": "Massachusetts",
        "postalCode": "01103",
        "country": "US",
        "period": {"start": "2001-02-03"},
    },
    "PatientExtension": {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [
            {
                "url": "ombCategory",
                "valueCoding": {
                    "system": "urn:oid:2.16.840.1.113883.6.238",
                    "code": "2106-3",
                    "display": "White",
                },
            },
            {"url": "text", "valueString": "White"},
        ],
    },
}


def sample(policy: ResourcePolicy) -> dict[str, Any]:
    """A resource with every element that the policy lists, each with the parts that must not leave."""
    value: dict[str, Any] = {"resourceType": policy.name, "id": f"{policy.name.lower()}-1"}
    return value | {name: _sample(node) for name, node in policy.fields.items()}


def _sample(node: Node) -> Any:
    if isinstance(node, Group):
        one: Any = {name: _sample(inner) for name, inner in node.fields.items()}
    elif node.kind in ("code", "canonical"):
        one = node.arguments[0]
    elif node.kind == "Reference":
        target = node.arguments[0]
        one = {
            "reference": f"{target}/{'p1' if target == 'Patient' else 'x1'}",
            "type": target,
            "identifier": {"system": "urn:mrn", "value": "12345678"},
            "display": "Somebody",
        }
    else:
        one = json.loads(json.dumps(SAMPLES[_kind(node)]))
    return [one] if node.many else one


def _kind(leaf: Leaf) -> str:
    return leaf.kind


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all strings below ``value``."""
    if isinstance(value, str):
        return [path]
    entries: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    return [found for key, item in entries for found in leaves(item, (*path, key))]


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy of ``value`` with ``new`` at ``path``."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy
