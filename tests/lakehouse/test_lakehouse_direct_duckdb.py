"""The direct executor and DuckDB give the same rows, or the same error, whatever the data look like."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import MedcairnError
from medcairn.lakehouse.definitions import NAMES, definition
from medcairn.lakehouse.engine import ViewRunner
from medcairn.lakehouse.views.direct import direct_reader

SYNTHEA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
Json = dict[str, Any]

EXTENDED = {"id": "e", "extension": [{"url": "u", "valueString": "more"}, {"url": "w", "valueDecimal": 1.50}]}
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"family": "f", "given": ["a", "b"], "_given": [None, EXTENDED], "use": "official"},
        {"family": "g", "use": "old", "period": {"start": "2001-05", "end": "2010-05-06"}},
    ],
    "birthDate": "1950-02",
    "_birthDate": EXTENDED,
    "deceasedDateTime": "2020-01-01T10:00:00+02:00",
    "multipleBirthInteger": 2,
    "telecom": [{"value": "1", "rank": 1}, {"value": "2", "rank": 3}],
    "generalPractitioner": [
        {"reference": "Practitioner/x/_history/1"},
        {"reference": "http://h/Organization/y"},
    ],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "n"}, {"resourceType": "Patient"}],
}
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "valueQuantity": {"value": 1.50, "unit": "mg"},
    "code": {"coding": [{"system": "s", "code": "c"}, {"system": "t", "code": "d"}]},
    "component": [
        {"code": {"coding": [{"code": "x"}]}, "valueQuantity": {"value": -0.0}},
        {"valueInteger": 7, "interpretation": [{"coding": [{"code": "H"}]}]},
    ],
    "effectivePeriod": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01"},
    "subject": {"reference": "Patient/p"},
}
ANSWERS: Json = {
    "resourceType": "QuestionnaireResponse",
    "id": "q",
    "item": [
        {
            "linkId": "1",
            "item": [{"linkId": "1.1", "answer": [{"valueDecimal": 2.50, "item": [{"linkId": "a"}]}]}],
        },
        {"linkId": "2", "answer": [{"valueBoolean": False}]},
    ],
}
RESOURCES = {"Patient": PATIENT, "Observation": OBSERVATION, "QuestionnaireResponse": ANSWERS}


def select(paths: str, name: str = "c", **more: Any) -> Json:
    """A column for each line of ``paths``; one that ends in ``[]`` is a collection."""
    columns = [
        {"name": f"{name}{n}", "path": path.removesuffix("[]"), "collection": path.endswith("[]")}
        for n, path in enumerate(paths.split("\n"))
        if path
    ]
    return {"column": columns, **more}


def view(resource: str, *selects: Json, where: str = "") -> Json:
    return {"resource": resource, "select": selects, **({"where": [{"path": where}]} if where else {})}


ITEMS = ["item", "answer.item"]
AMOUNT = "value.ofType(Quantity).value"
VIEWS: list[Json] = [
    view(
        "Patient",
        select(
            """id
active
name.given[]
name[0].family
birthDate.extension('u').value.ofType(string)[]
name.given[1].extension('u').exists()
name.where(use = 'old').family.first()"""
        ),
    ),
    view(
        "Patient",
        select("id"),
        select(
            "family\n%rowIndex",
            forEachOrNull="name",
            name="n",
            select=[select("$this\nextension('u').value.ofType(string).first()", "g", forEach="given")],
        ),
    ),
    view(
        "Patient",
        select(
            """value
rank
rank + 9223372036854775800
rank * 2 / 3
rank > 1 and value != '2'
rank.empty() or value.exists()
%rowIndex * 2""",
            forEach="telecom",
        ),
        select("getReferenceKey(Organization)\ngetReferenceKey()", "k", forEach="generalPractitioner"),
    ),
    view(
        "Patient",
        select(
            """contained.ofType(Organization).name[]
contained.ofType(Patient).exists()
birthDate.lowBoundary()
birthDate.highBoundary()
deceased.ofType(dateTime).highBoundary()
birthDate < @1950-03
deceased.ofType(dateTime) > '2020-01-01T08:30:00Z'
name.given.join('|')"""
        ),
        where="multipleBirth.ofType(integer) > 1",
    ),
    view("Patient", select("name.family\nid")),
    view(
        "Observation",
        select(
            f"""{AMOUNT}
{AMOUNT}.lowBoundary()
{AMOUNT}.highBoundary()
value.ofType(Quantity).exists()
value.exists()
code.coding.code[]
component.code.coding.code.first()
effective.ofType(Period).start <= effective.ofType(Period).end
subject.getReferenceKey(Patient)"""
        ),
    ),
    view(
        "Observation",
        select("id"),
        {
            "unionAll": [
                select(f"{AMOUNT}\n-1", "u"),
                select(f"{AMOUNT}\n%rowIndex", "u", forEach="component"),
            ]
        },
    ),
    view(
        "QuestionnaireResponse",
        select("id"),
        select(
            "linkId\n%rowIndex\nanswer.value.ofType(decimal)[]\nanswer.value.ofType(boolean).first()",
            name="i",
            repeat=ITEMS,
        ),
    ),
    view(
        "QuestionnaireResponse",
        select("linkId", forEach="item", select=[select("linkId\nitem.linkId[]", "i", repeat=ITEMS)]),
    ),
]

ODD: list[Any] = [
    None,
    5,
    2.0,
    -0.0,
    1e22,
    2**63,
    "x",
    "",
    "2020-13-45",
    True,
    [],
    {},
    [None],
    ["x", None],
    [[]],
    {"x": 1},
]


def places_in(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place] if place else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found += places_in(below, (*place, key))
    return found


@st.composite
def odd_resources(draw: st.DrawFn, resource_type: str) -> list[Json]:
    """Some resources, each with a few of its parts replaced, wrapped or left out."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        resource = copy.deepcopy(RESOURCES[resource_type])
        for _ in range(draw(st.integers(0, 4))):
            *way, last = draw(st.sampled_from(places_in(resource)))
            holder = resource
            for key in way:
                holder = holder[key]
            change = draw(st.sampled_from(["odd", "odd", "wrap", "open", "drop"]))
            if change == "odd":
                holder[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
            elif change == "wrap":
                holder[last] = [holder[last]]
            elif change == "open" and isinstance(holder[last], list) and holder[last]:
                holder[last] = holder[last][0]
            elif change == "drop":
                del holder[last]
        found.append(resource)
    return found


@pytest.fixture(scope="module")
def duckdb() -> ViewRunner:
    return ViewRunner()


def outcome(view: Any, resources: Sequence[bytes], engine: ViewRunner | None) -> list[str] | str:
    """The rows as text, in which 5 and 5.0 differ; or the error."""
    try:
        if engine is not None:
            return [repr(tuple(row)) for row in engine(view, resources)[1]]
        reader = direct_reader([view])
        return [repr(row) for resource in resources for row in reader.rows(resource)[0]]
    except MedcairnError as error:
        return error.message


@given(data=st.data())
def test_the_same_rows_or_the_same_error(duckdb: ViewRunner, data: st.DataObject) -> None:
    view = data.draw(st.sampled_from(VIEWS))
    resources = [json.dumps(r).encode() for r in data.draw(odd_resources(view["resource"]))]
    assert outcome(view, resources, None) == outcome(view, resources, duckdb)


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="the Synthea data are not beside the repository")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", ["synthea", "synthea-uscore"])
def test_the_silver_views_over_synthea(duckdb: ViewRunner, folder: str, name: str) -> None:
    view = definition(name)
    file = SYNTHEA / folder / f"{json.loads(view)['resource']}.ndjson.gz"
    if not file.is_file():
        pytest.skip("Synthea has no resources of this type here")
    lines = [line for line in gzip.decompress(file.read_bytes()).splitlines() if line][:400]
    rows = outcome(view, lines, None)
    assert rows
    assert rows == outcome(view, lines, duckdb)
