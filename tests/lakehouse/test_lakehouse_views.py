"""The view compiler beyond the official suite: bad views, and data that are not as they should be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import DataError, MedcairnError, SettingsError
from medcairn.lakehouse.definitions import NAMES, definition
from medcairn.lakehouse.views import compile_view
from medcairn.lakehouse.views.dialects import DuckDb, Spark
from medcairn.lakehouse.views.elements import element_of, resource_types
from medcairn.lakehouse.views.runner import ViewRunner
from medcairn.lakehouse.views.shape import read_schema
from medcairn.lakehouse.views.syntax import parse_path

RUN = ViewRunner()


def one_column(
    path: str, resource: str = "Patient", type: str | None = None, **column: Any
) -> dict[str, Any]:
    spec = {"name": "v", "path": path, **({"type": type} if type else {}), **column}
    return {"resource": resource, "select": [{"column": [spec]}]}


def nested(key: str, depth: int) -> dict[str, Any]:
    select: dict[str, Any] = {"column": [{"name": "a", "path": "url"}]}
    for _ in range(depth):
        select = {key: "extension", "select": [select]}
    return {"resource": "Patient", "select": [select]}


def repeated(*paths: str) -> dict[str, Any]:
    return {
        "resource": "Patient",
        "select": [{"repeat": list(paths), "column": [{"name": "a", "path": "id"}]}],
    }


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
        (one_column("id", type="banana"), "not a primitive type"),
        (one_column("name.given.join(5)"), "separator as a literal"),
        (one_column("multipleBirth.ofType(integer).join()"), "join\\(\\) needs texts"),
        (one_column("extension(name.family)"), "URL as a literal"),
        (one_column("name.family.lowBoundary()"), "boundary needs a decimal"),
        (one_column("link.other.getReferenceKey(Banana)"), "type that is no resource"),
        (one_column("name.getResourceKey()"), "resource only"),
        (one_column("99999999999999999999"), "no value of its type"),
        (one_column("contained.where(id = 'a').ofType(Organization).name"), "right after its element"),
        (one_column("extension." * 20 + "url", collection=True), "nested too deep"),
        (one_column("+".join(["id"] * 3000)), "nested too deep"),
        (nested("forEach", 20), "nested too deep"),
        (nested("forEach", 300), "nested too deep"),
        (repeated("$this"), "never end"),
        (repeated("$this.where(id = 'a')"), "never end"),
        (repeated("name.given"), "elements without parts"),
        (repeated("extension", "contact"), "different types"),
        (repeated("deceased"), "repeat needs ofType"),
        (
            {**one_column("%c = 1"), "constant": [{"name": "c", "valueInteger": 1.5}]},
            "no value of its type",
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


@pytest.mark.parametrize(
    ("definition", "fields"),
    [
        (one_column("name. "), {"position": 6, "view": "view", "column": "v"}),
        ({**one_column("id"), "where": [{"path": "id =="}]}, {"position": 5, "view": "view"}),
        (
            {
                "resource": "Patient",
                "select": [{"forEach": "name[", "column": [{"name": "a", "path": "id"}]}],
            },
            {"position": 6, "view": "view"},
        ),
        (
            {"resource": "Patient", "select": [{"column": [{"name": "a"}]}]},
            {"place": "select[0].column[0]"},
        ),
        ({"resource": "Patient", "select": [{"colum": []}]}, {"place": "select[0]"}),
        (one_column("name.banana()"), {"function": "banana", "view": "view", "column": "v"}),
    ],
)
def test_an_error_tells_the_place(definition: Any, fields: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        compile_view(definition)
    assert caught.value.fields == fields


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


def test_any_choice_exists() -> None:
    resources = [patient(), patient(deceasedBoolean=False), patient(deceasedDateTime="2020")]
    assert values("deceased.exists()", *resources) == [False, True, True]
    assert values("deceased.empty()", *resources) == [True, False, False]


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


def test_quotes_and_names_in_a_view_stay_text() -> None:
    definition = one_column("name.where(family = 'O\\'Neil; DROP TABLE x').given.first()")
    resource = patient(name=[{"family": "O'Neil; DROP TABLE x", "given": ["g"]}])
    assert RUN(definition, [json.dumps(resource).encode()])[1] == [("g",)]


@pytest.mark.parametrize("name", NAMES)
def test_the_silver_views_ask_for_known_elements_only(name: str) -> None:
    assert compile_view(definition(name)).warnings == ()


def test_only_what_a_view_asks_for_is_parsed() -> None:
    compiled = compile_view(one_column("name.where(use = 'a').family.first()"))
    assert read_schema(compiled.plan.shape) == {"name": [{"family": "text", "use": "text"}]}
    assert "birthDate" not in compiled.sql("resources")


def test_the_read_schema_names_companions_digits_and_whole_items() -> None:
    paths = ["birthDate.extension('u').exists()", "name.given.first().id", "contained.ofType(Basic).exists()"]
    columns = [{"name": f"c{n}", "path": path} for n, path in enumerate(paths)]
    repeat = {
        "repeat": ["extension"],
        "column": [{"name": "low", "path": "value.ofType(decimal).lowBoundary()"}],
    }
    compiled = compile_view({"resource": "Patient", "select": [{"column": columns}, repeat]})
    assert read_schema(compiled.plan.shape) == {
        "_birthDate": {"extension": [{"url": "text"}]},
        "contained": ["object"],
        "extension": [{"*": "any"}],
        "name": [{"_given": [{"id": "text"}], "given": ["text"]}],
    }
    assert compiled.plan.digits == ("valueDecimal",)


@pytest.mark.parametrize("dialect", [DuckDb(), Spark()], ids=["duckdb", "spark"])
def test_the_same_view_gives_the_same_text(dialect: Any) -> None:
    texts = {compile_view(definition("observation"), dialect).sql("resources") for _ in range(2)}
    assert len(texts) == 1


def test_the_type_table_closes_over_itself() -> None:
    assert {"Patient", "Observation", "MedicationRequest"} <= resource_types()
    assert "HumanName" not in resource_types()
    assert element_of("QuestionnaireResponse.item", "item") == element_of("QuestionnaireResponse", "item")
    assert element_of("Patient", "id") is not None
    assert element_of("Patient", "banana") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_view_file_in_the_package_is_a_standard_resource(name: str) -> None:
    document = json.loads(definition(name))
    assert document["resourceType"] == "ViewDefinition"
    assert document["name"] == name


def test_every_error_of_a_view_is_ours() -> None:
    with pytest.raises(MedcairnError):
        RUN({"resource": "Patient", "select": [{"column": [{"name": "v", "path": "id"}]}]}, [b"{"])
