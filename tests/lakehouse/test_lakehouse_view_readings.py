"""How views read data, odd data included: the rule of views/README.md as tables, on every executor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from medcairn.core.errors import DataError
from medcairn.lakehouse.views.runner import ViewRunner

from .view_engines import EXECUTORS, executor, rows_of

Reading = tuple[str, str, object]
"""(a path, the members of a resource as JSON text, what a column of that path holds)"""

KINDS: list[Reading] = [
    ("gender", '"gender":"x"', "x"),
    ("gender", '"gender":""', ""),
    ("gender", '"gender":5', None),
    ("gender", '"gender":true', None),
    ("gender", '"gender":{"x":1}', None),
    ("gender", '"gender":["x"]', None),
    ("gender", '"gender":null', None),
    ("gender", "", None),
    ("gender", '"gender":"\\u00e9\\ud83d\\ude00\\n"', "é😀\n"),
    ("active", '"active":true', True),
    ("active", '"active":"true"', None),
    ("active", '"active":1', None),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":2', 2),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":"2"', None),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":2.0', None),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":2e0', None),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":-0', 0),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":9223372036854775807', 2**63 - 1),
    ("multipleBirth.ofType(integer)", '"multipleBirthInteger":9223372036854775808', None),
    ("maritalStatus.exists()", '"maritalStatus":{}', True),
    ("maritalStatus.exists()", '"maritalStatus":[{}]', False),
    ("maritalStatus.exists()", '"maritalStatus":"{}"', False),
    ("maritalStatus.exists()", '"maritalStatus":null', False),
    ("maritalStatus.coding.exists()", '"maritalStatus":{"coding":[]}', False),
    ("maritalStatus.coding.exists()", '"maritalStatus":{"coding":[{}]}', True),
    ("maritalStatus.coding.exists()", '"maritalStatus":{"coding":{"code":"M"}}', False),
    ("maritalStatus.coding.exists()", '"maritalStatus":["coding"]', False),
    ("name.family", '"name":{"family":"x"}', None),
    ("name.family", '"name":[{"family":"x"}]', "x"),
    ("name.family[1]", '"name":[{"family":"x"},null,5,[{"family":"z"}],{"family":5},{"family":"y"}]', "y"),
    ("name[1].family", '"name":[{"family":"x"},null,"a",{"family":"y"}]', "y"),
    ("name.given[1]", '"name":[{"given":["x",null,5]},{"given":"y"},{"given":[["z"],"z"]}]', "z"),
    ("name.given.join('|')", '"name":[{"given":["x",null,""]},{"given":["y"]}]', "x||y"),
    ("name.foo", '"name":[{"foo":"x"}],"foo":{"bar":1}', None),
    ("birthDate", '"birthDate":"no date"', "no date"),
]
NUMBERS: list[Reading] = [
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":1.50}', 1.5),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":"1.50"}', None),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":1}', 1.0),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":1e400}', None),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":1e-400}', 0.0),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":-0.0}', 0.0),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":0.30000000000000004}', 0.30000000000000004),
    ("value.ofType(Quantity).value", '"valueQuantity":{"value":10000000000000000000000.10}', 1e22),
    ("value.ofType(Quantity).value = 1.5", '"valueQuantity":{"value":1.50}', True),
    ("value.ofType(integer) = 2.0", '"valueInteger":2', True),
    ("value.ofType(integer) + 1", '"valueInteger":9223372036854775807', None),
    ("value.ofType(integer) * -3", '"valueInteger":3', -9),
    ("value.ofType(integer) / 2", '"valueInteger":3', 1.5),
    ("value.ofType(integer) / 0", '"valueInteger":3', None),
    ("-value.ofType(Quantity).value", '"valueQuantity":{"value":2.5}', -2.5),
    ("value.ofType(Quantity).value * 10.0", '"valueQuantity":{"value":1e308}', None),
]
_LOW, _HIGH = "value.ofType(Quantity).value.lowBoundary()", "value.ofType(Quantity).value.highBoundary()"
BOUNDARIES: list[Reading] = [
    (_LOW, '"valueQuantity":{"value":1.50}', 1.495),
    (_HIGH, '"valueQuantity": {"unit":"1", "value" : 1.50}', 1.505),
    (_LOW, '"valueQuantity":{"value":1.5}', 1.45),
    (_HIGH, '"valueQuantity":{"value":3}', 3.5),
    (_LOW, '"valueQuantity":{"value":-0.1}', -0.15),
    (_HIGH, '"valueQuantity":{"value":10000000000000000000000.10}', 1e22),
    (_LOW, '"valueQuantity":{"value":99999999999999999999999.9}', 99999999999999999999999.85),
    (_LOW, '"valueQuantity":{"value":999999999999999999999999}', None),
    (_HIGH, '"valueQuantity":{"value":0.1234567890123}', 0.12345678901235),
    (_HIGH, '"valueQuantity":{"value":0.12345678901234}', None),
    (_LOW, '"valueQuantity":{"value":1e2}', None),
    (_LOW, '"valueQuantity":{"value":"1.50"}', None),
    (_LOW, '"valueString":"\\"value\\":9.99,","valueQuantity":{"value":2.0}', 1.95),
    (
        "effective.ofType(dateTime).lowBoundary()",
        '"effectiveDateTime":"2010"',
        "2010-01-01T00:00:00.000+14:00",
    ),
    (
        "effective.ofType(dateTime).highBoundary()",
        '"effectiveDateTime":"2012-02"',
        "2012-02-29T23:59:59.999-12:00",
    ),
    (
        "effective.ofType(dateTime).highBoundary()",
        '"effectiveDateTime":"2012-02-03T04:05Z"',
        "2012-02-03T04:05:59.999Z",
    ),
    (
        "effective.ofType(dateTime).lowBoundary()",
        '"effectiveDateTime":"2012-02-03T04:05:06.7"',
        "2012-02-03T04:05:06.700+14:00",
    ),
    ("effective.ofType(dateTime).lowBoundary()", '"effectiveDateTime":"2012-13"', None),
    ("effective.ofType(dateTime).lowBoundary()", '"effectiveDateTime":"yesterday"', None),
    ("value.ofType(time).highBoundary()", '"valueTime":"12:34"', "12:34:59.999"),
    ("value.ofType(time).lowBoundary()", '"valueTime":"12:34:56.7891"', "12:34:56.7891"),
    ("value.ofType(time).lowBoundary()", '"valueTime":"12"', None),
]
_WHEN = "effective.ofType(dateTime)"
TIMES: list[Reading] = [
    (f"{_WHEN} = @2020-01-01T12:00:00Z", '"effectiveDateTime":"2020-01-01T13:00:00.000+01:00"', True),
    (f"{_WHEN} < @2020-01-01T12:00:00Z", '"effectiveDateTime":"2020-01-01T12:30:00+01:00"', True),
    (f"{_WHEN} < @2020-01-02", '"effectiveDateTime":"2020-01-01"', True),
    (f"{_WHEN} = @2020-01-01", '"effectiveDateTime":"2020"', None),
    (f"{_WHEN} > @2019-12-31", '"effectiveDateTime":"2020"', True),
    (f"{_WHEN} <= @2020-01-01", '"effectiveDateTime":"2020-01-01T00:00:00Z"', None),
    (f"{_WHEN} != '2020-01-01T00:00:00.5Z'", '"effectiveDateTime":"2020-01-01T00:00:00.500000Z"', False),
    (f"{_WHEN} < @2020-03-01T00:00:00Z", '"effectiveDateTime":"2020-02-30T00:00:00Z"', None),
    (f"{_WHEN} > @2020-01-01T00:00:00Z", '"effectiveDateTime":"9999-12-31T23:59:59Z"', True),
    ("value.ofType(time) < @T12:30", '"valueTime":"12:29:59"', True),
]
EXTENSIONS: list[Reading] = [
    (
        "birthDate.extension('u').value.ofType(code)",
        '"_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]}',
        "unknown",
    ),
    ("birthDate.exists()", '"_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]}', False),
    (
        "birthDate.extension('u').exists()",
        '"birthDate":"2020","_birthDate":[{"extension":[{"url":"u"}]}]',
        False,
    ),
    (
        "name.given.extension('u').value.ofType(string).join(',')",
        '"name":[{"given":[null,"b"],"_given":[{"extension":[{"url":"u","valueString":"x"}]},'
        '{"extension":[{"url":"u","valueString":"y"}]}]}]',
        "x,y",
    ),
    (
        "name.given[0].extension('u').value.ofType(string)",
        '"name":[{"given":[null,"b"],"_given":[{"extension":[{"url":"u","valueString":"x"}]},'
        '{"extension":[{"url":"u","valueString":"y"}]}]}]',
        "y",
    ),
    (
        "name.given.where(extension('u').exists()).join(',')",
        '"name":[{"given":["a","b","c"],"_given":[null,{"extension":[{"url":"u"}]}]}]',
        "b",
    ),
    ("name.given.first().id", '"name":[{"given":["a"],"_given":[{"id":"i"}]}]', "i"),
    ("name.given.first().extension('u').exists()", '"name":[{"given":["a"]}]', False),
]
REFERENCES: list[Reading] = [
    ("managingOrganization.getReferenceKey()", f'"managingOrganization":{{"reference":"{reference}"}}', key)
    for reference, key in (
        ("Organization/a", "a"),
        ("Organization/a/_history/2", "a"),
        ("http://host/fhir/Organization/a", "a"),
        ("#contained", None),
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", None),
        ("Organization/a b", None),
        ("Organization/a\\n", None),
        ("Organization/", None),
    )
]
REFERENCES += [
    (
        "contained.ofType(Organization).name.first()",
        '"contained":[{"resourceType":"Patient","name":[{"text":"x"}]},{"resourceType":"Organization","name":"o"},5]',
        "o",
    ),
    (
        "contained.ofType(Patient).name.family.first()",
        '"contained":[{"resourceType":"Organization","name":"o"}]',
        None,
    ),
]


def _read(name: str, resource: str, readings: Sequence[Reading]) -> list[object]:
    """Each reading's column over all the resources, in one query; the rows of its own resource."""
    resources = [
        f'{{"resourceType":"{resource}","id":"{n}"{"," * bool(members)}{members}}}'.encode()
        for n, (_, members, _) in enumerate(readings)
    ]
    views: list[dict[str, Any]] = [
        {
            "resource": resource,
            "where": [{"path": f"id = '{n}'"}],
            "select": [{"column": [{"name": "v", "path": path}]}],
        }
        for n, (path, _, _) in enumerate(readings)
    ]
    outcomes = executor(name).many(views, resources)
    return [rows_of(outcome)[0][0] for outcome in outcomes]


@pytest.mark.parametrize("name", EXECUTORS)
@pytest.mark.parametrize(
    ("resource", "readings"),
    [
        pytest.param("Patient", KINDS, id="kinds"),
        pytest.param("Observation", NUMBERS, id="numbers"),
        pytest.param("Observation", BOUNDARIES, id="boundaries"),
        pytest.param("Observation", TIMES, id="times"),
        pytest.param("Patient", EXTENSIONS, id="primitive extensions"),
        pytest.param("Patient", REFERENCES, id="references and contained"),
    ],
)
def test_readings(name: str, resource: str, readings: list[Reading]) -> None:
    found = _read(name, resource, readings)
    expected = [value for _, _, value in readings]
    cases = [(path, members) for path, members, _ in readings]
    wrong = [
        (case, value, due)
        for case, value, due in zip(cases, found, expected, strict=True)
        if value != due or type(value) is not type(due)
    ]
    assert wrong == []


def _rows(name: str, view: dict[str, Any], *resources: Any) -> list[tuple[object, ...]]:
    texts = [r.encode() if isinstance(r, str) else json.dumps(r).encode() for r in resources]
    return rows_of(executor(name).many([view], texts)[0])


@pytest.mark.parametrize("name", EXECUTORS)
def test_items_of_another_kind_make_no_rows(name: str) -> None:
    view = {
        "resource": "Patient",
        "select": [
            {
                "forEachOrNull": "name",
                "column": [{"name": "n", "path": "%rowIndex"}, {"name": "f", "path": "family"}],
            }
        ],
    }
    odd = [
        {"resourceType": "Patient", "name": ["x", {}, None, {"family": "f"}]},
        {"resourceType": "Patient", "name": {"family": "f"}},
        {"resourceType": 5, "name": [{"family": "f"}]},
        {"name": [{"family": "f"}]},
        {"resourceType": "Basic", "name": [{"family": "f"}, {"family": "g"}]},
    ]
    assert _rows(name, view, *odd) == [(0, None), (1, "f"), (0, None)]


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_value_and_its_companion_stay_together_row_by_row(name: str) -> None:
    view = {
        "resource": "Patient",
        "select": [
            {
                "forEach": "name.given",
                "column": [
                    {"name": "n", "path": "%rowIndex"},
                    {"name": "v", "path": "$this"},
                    {"name": "x", "path": "extension('u').value.ofType(string)"},
                ],
            }
        ],
    }
    companions = [{"extension": [{"url": "u", "valueString": text}]} for text in "xyz"]
    patient = {
        "resourceType": "Patient",
        "name": [
            {"given": ["a", None, "c", 5, "e"], "_given": [companions[0], companions[1], None, companions[2]]}
        ],
    }
    assert _rows(name, view, patient) == [(0, "a", "x"), (1, "c", None), (2, "e", None)]


def _chain(depth: int) -> dict[str, Any]:
    item: dict[str, Any] = {"linkId": str(depth)}
    for level in range(depth - 1, 0, -1):
        item = {"linkId": str(level), "item": [item, {"linkId": f"{level}b"}]}
    return {"resourceType": "QuestionnaireResponse", "id": "q", "item": [item]}


@pytest.mark.parametrize("name", EXECUTORS)
def test_repeat_loses_nothing_fifty_levels_down(name: str) -> None:
    columns = [{"name": "n", "path": "%rowIndex"}, {"name": "v", "path": "linkId"}]
    view = {"resource": "QuestionnaireResponse", "select": [{"repeat": ["item"], "column": columns}]}
    rows = _rows(name, view, _chain(50))
    assert [row[0] for row in rows] == list(range(99))
    assert [row[1] for row in rows] == [*map(str, range(1, 51)), *(f"{n}b" for n in range(49, 0, -1))]


@pytest.mark.parametrize("name", EXECUTORS)
def test_repeat_within_for_each_and_within_repeat(name: str) -> None:
    inner = {"repeat": ["item"], "column": [{"name": "below", "path": "linkId"}]}
    column = [{"name": "top", "path": "linkId"}]
    views = [
        {"resource": "QuestionnaireResponse", "select": [{outer: path, "column": column, "select": [inner]}]}
        for outer, path in (("forEach", "item"), ("repeat", ["item"]))
    ]
    items = [{"linkId": "1", "item": [{"linkId": "2", "item": [{"linkId": "3"}]}]}, {"linkId": "4"}]
    response = json.dumps({"resourceType": "QuestionnaireResponse", "item": items}).encode()
    of_each, of_repeat = (rows_of(o) for o in executor(name).many(views, [response]))
    assert of_each == [("1", "2"), ("1", "3")]
    assert of_repeat == [("1", "2"), ("1", "3"), ("2", "3")]


@pytest.mark.parametrize("name", EXECUTORS)
def test_two_values_where_one_is_asked_for(name: str) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": "name.family"}]}]}
    both = {
        "resource": "Patient",
        "select": [{"column": [{"name": "v", "path": "false and name.family = 'Other'"}]}],
    }
    patient = {"resourceType": "Patient", "name": [{"family": "Secret"}, {"family": "Other"}]}
    for outcome in executor(name).many([view, both], [json.dumps(patient).encode()]):
        assert isinstance(outcome, DataError)
        assert "several" in outcome.message
        assert "Secret" not in str(outcome)
        assert outcome.__context__ is None


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_column_fails_also_where_another_part_gives_no_row(name: str) -> None:
    """As in the specification's algorithm: columns first, then the parts, then their combinations."""
    several = {"column": [{"name": "v", "path": "name.family"}]}
    nothing = {"forEach": "telecom", "column": [{"name": "t", "path": "value"}]}
    below = {"forEach": "contact", "select": [{"column": [{"name": "g", "path": "telecom.value"}]}, nothing]}
    selects = [[several, nothing], [nothing, several], [{**several, "select": [nothing]}], [below]]
    views = [{"resource": "Patient", "select": select} for select in selects]
    names = [{"family": "a"}, {"family": "b"}]
    patients = [
        {"resourceType": "Patient", "name": names},
        {"resourceType": "Patient", "contact": [{"telecom": [{"value": "1"}, {"value": "2"}]}]},
    ]
    for number, view in enumerate(views):
        outcome = executor(name).many([view], [json.dumps(patients[number == 3]).encode()])[0]
        assert isinstance(outcome, DataError), view


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_view_that_can_give_no_row_gives_none(name: str) -> None:
    view = {"resource": "Patient", "select": [{"forEach": "banana", "column": [{"name": "a", "path": "id"}]}]}
    assert _rows(name, view, {"resourceType": "Patient"}) == []


NOT_OBJECTS = [
    b"",
    b"{",
    b"[]",
    b"5",
    b"null",
    b'"x"',
    b'{"a":1} x',
    b'{"a":1}/**/',
    b'{"a":1,}',
    b"{'a':1}",
    b'{"a":NaN}',
    b'{"a":01}',
    b'{"a":"\\ud800"}',
    b'{"a":"\t"}',
    b'{"a":"\xff"}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
]


@pytest.mark.parametrize("name", EXECUTORS)
def test_what_is_no_json_object_is_the_same_error_everywhere(name: str) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": "id"}]}]}
    for text in NOT_OBJECTS:
        outcome = _ended(name, view, [b'{"resourceType":"Patient"}', text])
        assert isinstance(outcome, DataError), text[:20]
        assert outcome.message == "A resource is not a JSON object"
        assert outcome.fields == {"position": 2}


def _ended(name: str, view: dict[str, Any], resources: list[bytes]) -> object:
    try:
        return executor(name).many([view], resources)[0]
    except DataError as error:
        return error


def test_a_duplicated_member_is_read_differently_by_duckdb_alone() -> None:
    """Declared: DuckDB's JSON reader takes the first of two members of one name, the others the last."""
    view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": "gender"}]}]}
    text = '{"resourceType":"Patient","gender":"a","gender":"b"}'
    assert _rows("duckdb", view, text) == [("a",)]
    assert _rows("direct", view, text) == [("b",)]


def test_resources_are_loaded_once_for_many_views() -> None:
    runner = executor("duckdb")
    assert isinstance(runner, ViewRunner)
    view = {"resource": "Patient", "select": [{"column": [{"name": "v", "path": "id"}]}]}
    first, second = [b'{"resourceType":"Patient","id":"a"}'], [b'{"resourceType":"Patient","id":"b"}']
    assert [rows_of(runner.many([view], texts)[0]) for texts in (first, second)] == [[("a",)], [("b",)]]
