"""The view compiler beyond the official suite: bad views, and data that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import DataError, MedcairnError, SettingsError
from medcairn.lakehouse.engine import ViewRunner
from medcairn.lakehouse.silver.tables import SILVER_TABLES, view
from medcairn.lakehouse.views import compile_view
from medcairn.lakehouse.views.elements import element_of, resource_types
from medcairn.lakehouse.views.syntax import parse_path

RUN = ViewRunner()


def one_column(
    path: str, resource: str = "Patient", type: str | None = None, **column: Any
) -> dict[str, Any]:
    spec = {"name": "v", "path": path, **({"type": type} if type else {}), **column}
    return {"resource": resource, "select": [{"column": [spec]}]}


def values(path: str, *resources: dict[str, Any], **column: Any) -> list[object]:
    """The column ``path`` over the resources."""
    definition = one_column(path, resources[0]["resourceType"], **column)
    return [row[0] for row in RUN(definition, [json.dumps(r).encode() for r in resources])[1]]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", **members}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("", "not a ViewDefinition"),
        ("[]", "not a ViewDefinition"),
        ({}, "not a ViewDefinition"),
        ({"resource": "Patient", "select": []}, "selects nothing"),
        ({"resource": "Patient", "select": [{}]}, "gives no column"),
        ({"resource": "Patient", "select": [{"forEach": "name"}]}, "gives no column"),
        ({"resource": "Patient", "select": [{"forEachorNull": "name"}]}, "not a ViewDefinition"),
        (
            {"resource": "Banana", "select": [{"column": [{"name": "a", "path": "id"}]}]},
            "not in the R4 table",
        ),
        ({"resource": "Patient", "select": [{"repeat": [], "column": []}]}, "gives no column"),
        (one_column("upper(name)"), "function that is not in the SQL on FHIR subset"),
        (one_column("name.upper()"), "function that is not in the SQL on FHIR subset"),
        (one_column("name.where()"), "too few or too many arguments"),
        (one_column("name."), "cannot be read"),
        (one_column("name family"), "cannot be read"),
        (one_column("(" * 200 + "id" + ")" * 200), "nested too deep"),
        (one_column("%unknown"), "constant that it does not define"),
        (one_column("name"), "does not end at a primitive"),
        (one_column("deceased"), "does not end at a primitive"),
        (one_column("deceased.foo"), "needs ofType"),
        (one_column("deceased.ofType(Banana)"), "unknown type"),
        (one_column("id", type="integer"), "type is not what its path gives"),
        (one_column("id = 5"), "different kinds"),
        (one_column("name.family + 1"), "Arithmetic needs numbers"),
        (one_column("name[id]"), "index is not a whole number"),
        (one_column("name.getReferenceKey()"), "stands on a Reference"),
        (
            {"resource": "Patient", "select": [{"column": [{"name": "a b", "path": "id"}]}]},
            "not a database name",
        ),
        (
            {"resource": "Patient", "select": [{"column": [{"name": "a", "path": "id"}] * 2}]},
            "two columns the same name",
        ),
        (
            {**one_column("id"), "where": [{"path": "name.family"}]},
            "must be true or false",
        ),
        (
            {
                "resource": "Patient",
                "select": [
                    {"forEach": "name", "forEachOrNull": "name", "column": [{"name": "a", "path": "family"}]}
                ],
            },
            "more than one of forEach",
        ),
        (
            {
                "resource": "QuestionnaireResponse",
                "select": [
                    {
                        "forEach": "item",
                        "select": [{"repeat": ["item"], "column": [{"name": "a", "path": "linkId"}]}],
                    }
                ],
            },
            "cannot be run yet",
        ),
    ],
)
def test_a_view_that_cannot_be_compiled_says_why(definition: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        compile_view(definition)


def test_an_error_names_view_and_column() -> None:
    with pytest.raises(SettingsError) as caught:
        compile_view({**one_column("name.upper()"), "name": "my_view"})
    assert caught.value.fields == {"function": "upper", "view": "my_view", "column": "v"}


def test_an_unknown_element_gives_nothing_and_a_warning() -> None:
    assert compile_view(one_column("name.famly")).warnings == ("HumanName.famly",)
    assert values("name.famly", patient(name=[{"family": "x"}])) == [None]


@given(text=st.text(max_size=40))
def test_any_text_parses_or_is_refused_with_our_error(text: str) -> None:
    try:
        parse_path(text)
    except SettingsError as error:
        assert text not in str(error) or len(text) < 3


_NAMES = st.sampled_from(["id", "name", "family", "use", "deceased", "link", "other", "extension", "$this"])
_CALLS = st.sampled_from(
    ["first()", "exists()", "empty()", "where(use = 'a')", "ofType(boolean)", "not()", "[0]", "join(',')"]
)


@given(parts=st.lists(st.one_of(_NAMES, _CALLS), min_size=1, max_size=5))
def test_any_path_of_known_words_runs_or_is_refused(parts: list[str]) -> None:
    """No expression that the compiler accepts is refused by the engine."""
    path = ".".join(parts).replace(".[", "[")
    resource = patient(name=[{"family": "f", "use": "a"}, {"family": "g"}], deceasedBoolean=True)
    definition = one_column(path, collection=True)
    try:
        RUN(definition, [json.dumps(resource).encode(), b'{"resourceType":"Patient"}'])
    except SettingsError:
        pass
    except DataError as error:
        assert "one value where the data hold several" in str(error)


def test_two_values_where_one_is_asked_for() -> None:
    with pytest.raises(DataError, match="several") as caught:
        values("name.family", patient(name=[{"family": "Secret"}, {"family": "Other"}]))
    assert "Secret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("reference", "key", "typed"),
    [
        ("Patient/a", "a", "a"),
        ("Patient/a/_history/2", "a", "a"),
        ("http://host/fhir/Patient/a", "a", "a"),
        ("Group/a", "a", None),
        ("NotPatient/a", "a", None),
        ("#contained", None, None),
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", None, None),
    ],
)
def test_reference_keys(reference: str, key: str | None, typed: str | None) -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": reference}}
    assert values("subject.getReferenceKey()", condition) == [key]
    assert values("subject.getReferenceKey(Patient)", condition) == [typed]


def test_any_choice_exists() -> None:
    resources = [patient(), patient(deceasedBoolean=False), patient(deceasedDateTime="2020")]
    assert values("deceased.exists()", *resources) == [False, True, True]
    assert values("deceased.empty()", *resources) == [True, False, False]


@pytest.mark.parametrize("wrong", [{"name": {"family": "x"}}, {"name": "x"}, {"name": 5}, {"name": None}])
def test_a_wrong_shape_is_nothing(wrong: dict[str, Any]) -> None:
    assert values("name.family.first()", patient(**wrong)) == [None]


def test_deep_nesting_loses_no_row() -> None:
    item: dict[str, Any] = {"linkId": "50"}
    for level in range(49, 0, -1):
        item = {"linkId": str(level), "item": [item, {"linkId": f"{level}b"}]}
    response = {"resourceType": "QuestionnaireResponse", "id": "q", "item": [item]}
    definition = {
        "resource": "QuestionnaireResponse",
        "select": [
            {
                "repeat": ["item"],
                "column": [{"name": "n", "path": "%rowIndex"}, {"name": "v", "path": "linkId"}],
            }
        ],
    }
    rows = RUN(definition, [json.dumps(response).encode()])[1]
    assert [row[0] for row in rows] == list(range(99))
    assert [row[1] for row in rows][:51] == [*(str(n) for n in range(1, 51)), "49b"]


def test_the_order_of_two_iterations_is_that_of_the_document() -> None:
    definition = {
        "resource": "Patient",
        "select": [
            {"forEach": "name", "column": [{"name": "a", "path": "family"}]},
            {"forEachOrNull": "telecom", "column": [{"name": "b", "path": "value"}]},
        ],
    }
    resource = patient(name=[{"family": "x"}, {"family": "y"}], telecom=[{"value": "1"}, {"value": "2"}])
    rows = RUN(definition, [json.dumps(resource).encode()])[1]
    assert rows == [("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("lowBoundary()", 1.25, 1.245),
        ("highBoundary()", 3, 3.5),
    ],
)
def test_decimal_boundaries_follow_the_digits(path: str, value: float, expected: float) -> None:
    observation = {"resourceType": "Observation", "id": "o", "valueQuantity": {"value": value}}
    assert values(f"value.ofType(Quantity).value.{path}", observation) == [expected]


def test_quotes_and_names_in_a_view_stay_text() -> None:
    definition = one_column("name.where(family = 'O\\'Neil; DROP TABLE x').given.first()")
    resource = patient(name=[{"family": "O'Neil; DROP TABLE x", "given": ["g"]}])
    assert RUN(definition, [json.dumps(resource).encode()])[1] == [("g",)]


def test_the_silver_views_ask_for_known_elements_only() -> None:
    names = {name for table in SILVER_TABLES.values() for name in table.views.values()}
    for name in names:
        assert view(name).warnings == ()


def test_only_what_a_view_asks_for_is_parsed() -> None:
    sql = compile_view(one_column("name.family.first()")).sql("resources")
    assert "birthDate" not in sql
    assert '{"name": [{"family": "VARCHAR"}], "resourceType": "VARCHAR"}' in sql


def test_the_type_table_closes_over_itself() -> None:
    assert {"Patient", "Observation", "MedicationRequest"} <= resource_types()
    assert "HumanName" not in resource_types()
    assert element_of("QuestionnaireResponse.item", "item") == element_of("QuestionnaireResponse", "item")
    assert element_of("Patient", "id") is not None
    assert element_of("Patient", "banana") is None


def test_a_view_file_in_the_package_is_a_standard_resource() -> None:
    folder = Path(compile_view.__code__.co_filename).parents[1] / "definitions"
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text())
        assert document["resourceType"] == "ViewDefinition"
        assert document["name"] == file.stem


def test_every_error_of_a_view_is_ours() -> None:
    with pytest.raises(MedcairnError):
        RUN({"resource": "Patient", "select": [{"column": [{"name": "v", "path": "id"}]}]}, [b"{"])
