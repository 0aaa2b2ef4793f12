"""Random resources, odd ones included, as JSON text: how a value is written (1.50, 1e400) matters.

They use few elements of a type, the same ones that :mod:`random_views` asks for, so that a view mostly meets
what it looks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from medcairn.core.r4 import INTEGERS, PRIMITIVES, choice_field, element_of

ELEMENTS: Mapping[str, Sequence[str]] = {
    line.partition(":")[0]: line.partition(":")[2].split()
    for line in """\
Patient: id active gender birthDate deceased name telecom multipleBirth contact link contained \
generalPractitioner extension meta
Observation: id status effective value component code referenceRange hasMember contained issued
QuestionnaireResponse: id status item authored subject
Meta: lastUpdated profile
HumanName: use family given period extension
ContactPoint: system value rank period
Period: start end
Patient.contact: name telecom gender extension
Patient.link: other type
Reference: reference display
Extension: url value extension
CodeableConcept: coding text
Coding: system code display userSelected
Quantity: value unit code
Range: low high
Observation.component: code value
Observation.referenceRange: low high text age
QuestionnaireResponse.item: linkId text item answer
QuestionnaireResponse.item.answer: value item
Organization: id name active
Element: id extension
""".splitlines()
}
CHOICES: Mapping[str, Sequence[str]] = {
    "Patient.deceased": ("boolean", "dateTime"),
    "Patient.multipleBirth": ("boolean", "integer"),
    "Observation.effective": ("dateTime", "Period", "instant"),
    "Observation.value": ("Quantity", "string", "integer", "time", "CodeableConcept"),
    "Observation.component.value": ("Quantity", "string"),
    "Extension.value": ("string", "decimal", "code", "Reference"),
    "QuestionnaireResponse.item.answer.value": ("string", "integer", "decimal"),
}
TEXTS = [
    "a",
    "b",
    "u",
    "official",
    "",
    "é😀",
    'q"\\/',
    "\n\t",
    "x y",
    "z" * 40,
    "'",
    "${a}",
    "\x00",
    "{}",
    "5",
]
DATES = [
    "2020",
    "2020-02",
    "2020-02-29",
    "1970-01-01",
    "2019-13",
    "2021-02-30",
    "x",
    "0001-01-01",
    "20200101",
]
TIMES = ["12:34", "12:34:56", "12:34:56.7", "12:34:56.789", "12:34:56.78901", "24:00", "25:00:00", "1:2"]
INSTANTS = [
    *DATES,
    *["2020-02-29T12:34:56Z", "2020-02-29T12:34Z", "2020-02-29T12:34:56.7+01:00", "2020-02-29T11:34:56.700Z"],
    *["2020-02-29T12:34:56", "2020-02-30T12:34:56Z", "9999-12-31T23:59:59Z", "2020-02-29T00:10:00+14:00"],
    *["2020-02-29T12:34:56.123456789-05:30", "1099-01-01T00:00:00Z", "2020-02-28T23:10:00.000-11:00"],
]
NUMBERS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1.50",
    "-1.25",
    "0.1",
    "100",
    "1e2",
    "1E-3",
    "-0.0",
    "1e400",
    "-1e400",
    "5e-324",
]
NUMBERS += ["10000000000000000000000.10", "123456789012345678901234567890", "0.30000000000000004", "1e22"]
NUMBERS += [
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "2147483648",
    "0.0000000000000001",
]
WHOLE = [
    "0",
    "1",
    "2",
    "7",
    "-3",
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "1.0",
    "1e2",
    "2147483648",
]
REFERENCES = [
    "Patient/a",
    "Patient/b",
    "http://h/fhir/Patient/a/_history/2",
    "Organization/o",
    "#c",
    "urn:uuid:1",
]
REFERENCES += [
    "Patient/",
    "Patient/a b",
    "Patient/a\n",
    "NotPatient/a",
    "Patient/a/b",
    "/Patient/x",
    "Patient",
]
ODD = [
    "null",
    '""',
    '"text"',
    "5",
    "1.50",
    "true",
    "false",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    '{"x":1}',
    '["a"]',
    '"5"',
]


@dataclass(frozen=True)
class RandomResources:
    """Makes resources of one type from one source of chance; ``odd`` is the share of odd members."""

    random: Random
    resource: str
    odd: float = 0.1

    def resources(self, count: int) -> list[bytes]:
        """JSON texts of ``count`` resources, some of another type."""
        return [self._resource().encode() for _ in range(count)]

    def _resource(self) -> str:
        kind = self.random.choice([self.resource] * 12 + ["Basic", "", "5"])
        head = '"resourceType":5' if kind == "5" else f'"resourceType":{json.dumps(kind)}'
        space = self.random.choice(["", "", " ", "\t"])
        members = self._members(self.resource, 0)
        ordered = [head, *members] if self.random.random() < 0.9 else [*members, head]
        return f"{space}{{{','.join(ordered)}}}{space}"

    def _members(self, type_name: str, depth: int) -> list[str]:
        found = []
        for name in ELEMENTS[type_name]:
            if self.random.random() < (0.7 if depth < 3 else 0.35 if depth < 7 else 0.0):
                found += self._member(type_name, name, depth)
        if self.random.random() < 0.1:
            found.append('"unknown":{"value":1.50}')
        return found

    def _member(self, type_name: str, name: str, depth: int) -> list[str]:
        element = element_of(type_name, name)
        assert element is not None, (type_name, name)
        kind, field = element.type, name
        if element.choices:
            kind = self.random.choice(CHOICES[f"{type_name}.{name}"])
            field = choice_field(name, kind)
        if element.many != (self.random.random() < self.odd / 3):
            items = [self._value(kind, name, depth) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
            value = f"[{','.join(items)}]"
        else:
            value = self._value(kind, name, depth)
        found = [f'"{field}":{value}']
        if kind in PRIMITIVES and self.random.random() < 0.3:
            found.insert(self.random.choice([0, 1]), self._companion(field, element.many, depth))
            if self.random.random() < 0.3:
                return [member for member in found if member.startswith('"_')]
        return found

    def _companion(self, field: str, many: bool, depth: int) -> str:
        def one() -> str:
            return (
                self.random.choice(ODD)
                if self._is_odd()
                else f"{{{','.join(self._members('Element', depth + 2))}}}"
            )

        if many:
            return f'"_{field}":[{",".join(self.random.choice(["null", one()]) for _ in range(3))}]'
        return f'"_{field}":{one()}'

    def _is_odd(self) -> bool:
        return self.random.random() < self.odd

    def _value(self, kind: str, name: str, depth: int) -> str:
        if self._is_odd():
            return self.random.choice(ODD)
        if kind == "Resource":
            members = [f'"resourceType":"{self.random.choice(["Organization", "Organization", "Patient"])}"']
            return f"{{{','.join([*members, *self._members('Organization', depth + 1)])}}}"
        if kind not in PRIMITIVES:
            return f"{{{','.join(self._members(kind, depth + 1))}}}"
        if kind in INTEGERS:
            return self.random.choice(WHOLE)
        if kind == "decimal":
            return self.random.choice(NUMBERS)
        if kind == "boolean":
            return self.random.choice(["true", "false"])
        texts = {"date": DATES, "time": TIMES, "dateTime": INSTANTS, "instant": INSTANTS}.get(kind, TEXTS)
        text = self.random.choice(
            REFERENCES if name == "reference" else ["u", "v"] if name == "url" else texts
        )
        return json.dumps(text, ensure_ascii=self.random.random() < 0.5)


__all__ = ["CHOICES", "ELEMENTS", "RandomResources"]
