"""The FHIRPath subset of ms-compat on a small resource."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from medcairn.core.errors import SettingsError
from medcairn.deid.ms_compat.expressions import evaluate, parse_expression
from medcairn.deid.ms_compat.nodes import Node, Reading
from medcairn.deid.ms_compat.values import CannotEvaluate, Temporal

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "family": "Quill", "given": ["Ada", "Bea"], "period": {"start": "2001-05"}},
        {"use": "usual", "given": ["Addie"]},
    ],
    "birthDate": "1980-03-01",
    "multipleBirthInteger": 2,
    "extension": [{"url": "urn:a", "valueQuantity": {"value": Decimal("1.50"), "unit": "m"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic", "telecom": [{"value": "1"}]}],
    "telecom": [{"system": "phone", "value": "2"}],
}


def values(text: str) -> list[object]:
    """What an expression gives; elements by their value, or their name when they have none."""
    found = evaluate(parse_expression(text), Reading().resource(PATIENT))
    plain = [(item.value or item.name) if isinstance(item, Node) else item for item in found]
    return [item.text if isinstance(item, Temporal) else item for item in plain]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name.family", ["Quill"]),
        ("Patient.name.given", ["Ada", "Bea", "Addie"]),
        ("Resource.id", ["p"]),
        ("Observation.id", []),
        ("name[1].given", ["Addie"]),
        ("name.where(use = 'official').given.first()", ["Ada"]),
        ("name.exists(use = 'old')", [False]),
        ("name.all(given.exists())", [True]),
        ("name.select(given.last())", ["Bea", "Addie"]),
        ("name.given.skip(1).take(1) | name.given.tail()", ["Bea", "Addie"]),
        ("name.count()", [2]),
        ("name.family.empty()", [False]),
        ("active.not()", [False]),
        ("nodesByType('HumanName').use", ["official", "usual"]),
        ("nodesByType('ContactPoint').value", ["2"]),
        ("nodesByName('telecom').value", ["2"]),
        ("nodesByType('Organization').telecom.value", ["1"]),
        ("descendants().where($this is ContactPoint).value", ["2", "1"]),
        ("multipleBirth", [2]),
        ("(multipleBirth as integer) + 1", [3]),
        ("(multipleBirth as boolean)", []),
        ("extension('urn:a').value.ofType(Quantity).unit", ["m"]),
        ("extension.value.value * 2", [Decimal("3.00")]),
        ("birthDate < @1990-01-01 and birthDate >= @1980", []),
        ("birthDate < @1990-01-01", [True]),
        ("name.period.start < @2001-06", [True]),
        ("name.period.start <= @2001-05-01", []),
        ("@2001-01-01T00:30:00+01:00 = @2000-12-31T23:30:00Z", [True]),
        ("'Ada' in name.given", [True]),
        ("name.given contains 'Eve'", [False]),
        ("name.family in ('Quill' | 'Rook')", [True]),
        ("name.family.substring(1, 2) + '*'", ["ui*"]),
        ("name.family.substring(9)", []),
        ("name.family.startsWith('Q') and name.family.matches('^[A-Z]')", [True]),
        ("name.family.replace('i', 'o').upper().length()", [5]),
        ("birthDate.replaceMatches('-\\\\d+$', '')", ["1980-03"]),
        ("name.family & name[1].family", ["Quill"]),
        ("7 div 2 + 7 mod 2", [4]),
        ("-7 div 2", [-3]),
        ("1 / 0", []),
        ("true xor false implies false", [False]),
        ("name[1].family = 'x' or true", [True]),
        ("name[1].family = 'x'", []),
        ("name[1].family ~ name[5].family", [True]),
        ("name.period !~ name.where(false).period", [True]),
        ("(1.255).round(2)", [Decimal("1.26")]),
        ("(2.5).ceiling() + (2.5).truncate() - (2.5).abs().floor()", [3]),
        ("'12'.toInteger() + '0.5'.toDecimal()", [Decimal("12.5")]),
        ("name.given.distinct().hasValue()", [False]),
        ("name.union(name).combine(name).count()", [4]),
        ("name.given.where($this = 'Bea').indexOf('e')", [1]),
    ],
)
def test_expressions(text: str, expected: list[object]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "name.family > 1",
        "birthDate + 1",
        "name.given.upper()",
        "name.family * 2",
        "(name | telecom) > 1",
        "name.given and true",
        "name.family.matches('(')",
        "active.abs()",
        "@1980-13-99T00:00:00Z > @1980-01-01T00:00:00Z",
    ],
)
def test_what_has_no_meaning_is_an_error(text: str) -> None:
    with pytest.raises(CannotEvaluate):
        values(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name..family",
        "name.resolve()",
        "%context.name",
        "name.where()",
        "name.subString(1)",
        "name is 'HumanName'",
        "name.as(1)",
        "name{}",
        "(" * 200 + "name" + ")" * 200,
        ".".join(["name"] * 500),
        "-" * 5000 + "1",
    ],
)
def test_what_is_not_in_the_subset_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_expression(text)
