"""Views run directly: the official suite, how odd data are read, and that nothing of data enters the code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import DataError, SettingsError
from medcairn.lakehouse.definitions import definition
from medcairn.lakehouse.views import compile_view, run_suite
from medcairn.lakehouse.views.direct import direct_reader

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "sql-on-fhir-v2"
CASES = 134

Json = dict[str, Any]


def run(view: Mapping[str, object], resources: Sequence[bytes]) -> tuple[list[str], list[tuple[object, ...]]]:
    reader = direct_reader([view])
    return [name for name, _, _ in reader.columns[0]], [row for r in resources for row in reader.rows(r)[0]]


def one_column(path: str, resource: str = "Patient", **column: Any) -> Json:
    return {"resource": resource, "select": [{"column": [{"name": "v", "path": path, **column}]}]}


def values(path: str, *resources: Json, **column: Any) -> list[object]:
    view = one_column(path, resources[0]["resourceType"], **column)
    return [row[0] for row in run(view, [json.dumps(r).encode() for r in resources])[1]]


def patient(**members: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", **members}


def quantity(digits: str) -> bytes:
    return f'{{"resourceType":"Observation","valueQuantity":{{"value":{digits}}}}}'.encode()


@pytest.mark.skipif(not SUITE.is_dir(), reason="the official test suite is not beside the repository")
def test_the_official_suite_passes() -> None:
    report = run_suite(SUITE, run)
    assert [case.key for case in report.failed] == []
    assert report.passed == len(report.cases) == CASES


@pytest.mark.parametrize(
    ("path", "resource", "found"),
    [
        ("name.family.first()", patient(name={"family": "x"}), [None]),
        ("name.family.first()", patient(name="x"), [None]),
        ("name.family.first()", patient(name=[None, [], 5, {"family": 5}, {"family": "x"}]), ["x"]),
        ("name.given[1]", patient(name=[{"given": ["a", None, 5, "b"]}]), ["b"]),
        ("name[0].family", patient(name=[None, {"family": "x"}]), ["x"]),
        ("birthDate", patient(birthDate=""), [""]),
        ("birthDate", patient(birthDate=1950), [None]),
        ("active", patient(active="true"), [None]),
        ("active.exists()", patient(active="true"), [False]),
        ("contact.exists()", patient(contact=[{}]), [True]),
        ("contact.exists()", patient(contact=[]), [False]),
        ("maritalStatus.exists()", patient(maritalStatus=[{}]), [False]),
        ("multipleBirth.ofType(integer)", patient(multipleBirthInteger=2), [2]),
        ("multipleBirth.ofType(integer)", patient(multipleBirthInteger=2.0), [None]),
        ("multipleBirth.ofType(integer)", patient(multipleBirthInteger=2**63 - 1), [2**63 - 1]),
        ("multipleBirth.ofType(integer)", patient(multipleBirthInteger=2**63), [None]),
        ("multipleBirth.ofType(integer) + 9223372036854775807", patient(multipleBirthInteger=1), [None]),
        ("multipleBirth.ofType(integer) / 0", patient(multipleBirthInteger=1), [None]),
        ("name.famly", patient(name=[{"famly": "x"}]), [None]),
        ("id", {"resourceType": "Patient"}, [None]),
    ],
)
def test_another_kind_than_is_due_is_nothing(path: str, resource: Json, found: list[object]) -> None:
    assert values(path, resource) == found


@pytest.mark.parametrize("other", ['"Group"', "5", "null", "[]"])
def test_another_resource_type_gives_no_row(other: str) -> None:
    reader = direct_reader([one_column("id")])
    assert reader.rows(f'{{"resourceType":{other},"id":"x"}}') == ([],)
    assert reader.rows('{"id":"x"}') == ([],)
    assert reader.rows(b'{"resourceType":"Group","resourceType":"Patient","id":"x"}') == ([("x",)],)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'{"resourceType":"Patient","id":"Secret",}',
        b'{"resourceType":"Patient","id":"Secret"} x',
        b'{"resourceType":"Patient","id":"Secret\xff"}',
        b'{"resourceType":"Patient","other":"Secret\xff"}',
        b'{"resourceType":"Patient","id":"Secret\\ud800"}',
        b'{"resourceType":"Patient","id":5,"other":Secret}',
        b'\xef\xbb\xbf{"resourceType":"Patient"}',
        b'{"item":' * 3_000 + b"1" + b"}" * 3_000,
    ],
)
def test_what_is_no_object_is_refused_without_its_text(line: bytes) -> None:
    with pytest.raises(DataError, match="not a JSON object") as caught:
        direct_reader([one_column("id")]).rows(line)
    assert "Secret" not in str(caught.value)
    assert caught.value.__context__ is None


@given(line=st.one_of(st.binary(max_size=60), st.text(max_size=60)))
def test_any_text_gives_rows_or_our_error(line: bytes | str) -> None:
    with contextlib.suppress(DataError):
        direct_reader([one_column("id")]).rows(line)


@pytest.mark.parametrize(
    ("digits", "low", "value", "high"),
    [
        ("1.50", 1.495, 1.5, 1.505),
        ("3", 2.5, 3.0, 3.5),
        ("-0.5", -0.55, -0.5, -0.45),
        ("10000000000000000000000.10", 1e22, 1e22, 1e22),
        ("1e2", None, 100.0, None),
        ("1" * 24, None, float("1" * 24), None),
        ("0.00000000000001", None, 1e-14, None),
        ("1e400", None, None, None),
        ('"1.5"', None, None, None),
    ],
)
def test_boundaries_follow_the_digits(
    digits: str, low: float | None, value: float | None, high: float | None
) -> None:
    path = "value.ofType(Quantity).value"
    paths = {"low": f"{path}.lowBoundary()", "value": path, "high": f"{path}.highBoundary()"}
    view = {
        "resource": "Observation",
        "select": [{"column": [{"name": n, "path": p} for n, p in paths.items()]}],
    }
    assert run(view, [quantity(digits)])[1] == [(low, value, high)]


def test_minus_zero_is_zero() -> None:
    ((row,),) = direct_reader([one_column("value.ofType(Quantity).value", "Observation")]).rows(
        quantity("-0.0")
    )
    assert str(row[0]) == "0.0"


@pytest.mark.parametrize(
    ("left", "operator", "right", "found"),
    [
        ("2020-01-01", "<", "2020-01-02", True),
        ("2020-01", "<", "2020-01-02", None),
        ("2020", "=", "2020-05", None),
        ("2019", "<", "2020-05", True),
        ("2020-01-01T10:00:00Z", "=", "2020-01-01T12:00:00+02:00", True),
        ("2020-01-01T23:30:00-02:00", ">", "2020-01-02T01:00:00Z", True),
        ("2020-01-01T10:00Z", "<=", "2020-01-01T10:00:30Z", None),
        ("2020-01-01T10:00:00.5Z", "!=", "2020-01-01T10:00:00.50Z", False),
        ("2020-02-30T10:00:00Z", "=", "2020-02-30T10:00:00Z", None),
    ],
)
def test_times_compare_as_far_as_both_say(left: str, operator: str, right: str, found: bool | None) -> None:
    observation = {"resourceType": "Observation", "effectivePeriod": {"start": left, "end": right}}
    period = "effective.ofType(Period)"
    assert values(f"{period}.start {operator} {period}.end", observation) == [found]


def test_extensions_of_primitives_lie_beside_them() -> None:
    def note(text: str) -> Json:
        return {"extension": [{"url": "u", "valueString": text}]}

    name = {"given": ["a", None, 5, "b"], "_given": [None, note("x"), None, note("y")]}
    resource = patient(name=[name], _birthDate=note("unknown"))
    text = "extension('u').value.ofType(string)"
    assert values(f"birthDate.{text}", resource, collection=True) == [["unknown"]]
    assert values(f"name.given.{text}", resource, collection=True) == [["x", "y"]]
    assert values(f"name.given[1].{text}", resource, collection=True) == [["y"]]
    assert values(f"name.given.where($this = 'a').{text}", resource, collection=True) == [[]]
    assert values("name.given", resource, collection=True) == [["a", "b"]]


def test_contained_resources_are_read_as_their_type() -> None:
    request = {
        "resourceType": "MedicationRequest",
        "contained": [
            {"resourceType": "Medication", "code": {"coding": [{"code": "a"}]}},
            {"resourceType": "Patient", "code": {"coding": [{"code": "b"}]}},
            5,
            {"resourceType": "Medication", "code": {"coding": {"code": "c"}}},
            {"code": {"coding": [{"code": "d"}]}},
        ],
    }
    path = "contained.ofType(Medication)"
    assert values(f"{path}.code.coding.code", request, collection=True) == [["a"]]
    assert values(f"{path}[1].exists()", request) == [True]
    assert values(f"{path}[2].exists()", request) == [False]


def nested(depth: int) -> Json:
    item: Json = {"linkId": str(depth)}
    for level in range(depth - 1, 0, -1):
        item = {
            "linkId": str(level),
            "answer": [{"item": [None, item]}],
            "item": [{"linkId": f"{level}b"}, 5],
        }
    return {"resourceType": "QuestionnaireResponse", "item": [item]}


def test_a_repeat_finds_everything_parents_before_children() -> None:
    body = {
        "repeat": ["item", "answer.item"],
        "column": [
            {"name": "n", "path": "%rowIndex"},
            {"name": "v", "path": "linkId"},
            {"name": "below", "path": "item.linkId", "collection": True},
        ],
    }
    view = {"resource": "QuestionnaireResponse", "select": [body]}
    rows = run(view, [json.dumps(nested(50)).encode()])[1]
    assert [row[0] for row in rows] == list(range(99))
    assert [row[1] for row in rows][:4] == ["1", "1b", "2", "2b"]
    assert rows[0][2] == ["1b"]
    within = {"resource": "QuestionnaireResponse", "select": [{"forEach": "item", "select": [body]}]}
    assert len(run(within, [json.dumps(nested(50)).encode()])[1]) == 98


def test_several_views_share_one_decoded_resource() -> None:
    """Each view gives what it gives alone, also where they read the same member in different ways."""
    low = one_column("value.ofType(Quantity).value.lowBoundary()", "Observation")
    plain = one_column("value.ofType(Quantity).value", "Observation")
    there = one_column("value.ofType(Quantity).exists()", "Observation")
    walked: Json = {
        "resource": "Observation",
        "select": [{"repeat": ["component"], "column": [{"name": "v", "path": "value.ofType(string)"}]}],
    }
    stepped = one_column("component.value.ofType(boolean)", "Observation", collection=True)
    line = (
        b'{"resourceType":"Observation","valueQuantity":{"value":1.50},'
        b'"component":[{"valueString":"a"},{"valueBoolean":true}]}'
    )
    together = direct_reader([low, plain, there, walked, stepped]).rows(line)
    assert together == ([(1.495,)], [(1.5,)], [(True,)], [("a",), (None,)], [([True],)])
    for number, view in enumerate((low, plain, there, walked, stepped)):
        assert direct_reader([view]).rows(line) == (together[number],)


def test_views_that_are_read_together_are_on_one_type() -> None:
    with pytest.raises(SettingsError, match="one resource type"):
        direct_reader([one_column("id"), one_column("id", "Group")])


def test_a_view_comes_in_any_form() -> None:
    view = one_column("id")
    for form in (
        view,
        json.dumps(view),
        json.dumps(view).encode(),
        compile_view(view),
        compile_view(view).plan,
    ):
        assert direct_reader([form]).rows(b'{"resourceType":"Patient","id":"x"}') == ([("x",)],)


def test_two_values_where_one_is_asked_for_are_an_error_also_where_no_row_is_made() -> None:
    resource = patient(name=[{"family": "Secret"}, {"family": "Other"}])
    with pytest.raises(DataError, match="several") as caught:
        values("name.family", resource)
    assert "Secret" not in str(caught.value)
    column = {"column": [{"name": "v", "path": "name.family"}]}
    of_nobody = {"forEach": "contact", "column": [{"name": "c", "path": "gender"}]}
    view = {"resource": "Patient", "select": [column, of_nobody]}
    with pytest.raises(DataError, match="several"):
        run(view, [json.dumps(resource).encode()])


def test_quotes_and_names_in_a_view_stay_text() -> None:
    path = "name.where(family = 'x\\' + str(several()) + \\'').given.first()"
    assert values(path, patient(name=[{"family": "x' + str(several()) + '", "given": ["g"]}])) == ["g"]


def test_elements_with_names_that_python_keeps_for_itself() -> None:
    encounter = {"resourceType": "Encounter", "class": {"code": "IMP"}}
    assert values("class.code", encounter) == ["IMP"]
    claim = {"resourceType": "Task", "for": {"reference": "Patient/x"}}
    assert values("for.getReferenceKey(Patient)", claim) == ["x"]


def test_too_many_lists_within_each_other_are_refused() -> None:
    path = ".".join(["expansion", *["contains"] * 19, "code"])
    view = {"resource": "ValueSet", "select": [{"column": [{"name": "v", "path": path}]}]}
    with pytest.raises(SettingsError, match="nested too deep"):
        direct_reader([view])


@pytest.mark.parametrize("rounds", [6, 7])
def test_iterations_over_single_values_count_as_loops_too(rounds: int) -> None:
    """Seven times two lists and one value are 21 loops, more than Python compiles; the plan counts 14."""
    select: Json = {"column": [{"name": "v", "path": "linkId"}]}
    for path in ["item.item", "$this"] * rounds:
        select = {"forEach": path, "select": [select]}
    view = {"resource": "QuestionnaireResponse", "select": [select]}
    answer: Json = {"linkId": "leaf"}
    for _ in range(2 * rounds):
        answer = {"item": [answer]}
    resource = json.dumps({"resourceType": "QuestionnaireResponse", **answer}).encode()
    if rounds == 6:
        assert run(view, [resource])[1] == [("leaf",)]
    else:
        with pytest.raises(SettingsError, match="too many lists within each other"):
            direct_reader([view])


def test_the_shipped_views_compile_together_with_themselves() -> None:
    reader = direct_reader([definition("observation")] * 2)
    first, second = reader.rows(
        b'{"resourceType":"Observation","id":"o","valueQuantity":{"value":5},"component":[{}]}'
    )
    assert first == second and len(first) == 2
