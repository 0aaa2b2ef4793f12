"""The R4 table: what it holds, and a walk over every place for a primitive value."""

from __future__ import annotations

from collections import Counter

import pytest

from medcairn.core.r4 import (
    INTEGERS,
    PRIMITIVES,
    TEMPORALS,
    Element,
    JsonField,
    choice_field,
    codes_of,
    data_types,
    element_of,
    json_fields,
    resource_types,
    type_table,
    walk_leaves,
)


def test_it_holds_all_of_r4() -> None:
    assert len(resource_types()) == 146
    assert {"Patient", "Bundle", "Parameters", "Binary", "MedicinalProduct"} <= resource_types()
    assert {"HumanName", "Extension", "Meta", "Age", "Timing", "ElementDefinition"} <= data_types()
    assert not resource_types() & data_types()
    assert not {"Element", "Resource", "DomainResource", "BackboneElement"} & (
        resource_types() | data_types()
    )


def test_every_type_that_an_element_names_is_known() -> None:
    for found in type_table().values():
        for element in found.values():
            for name in element.choices or (element.type,):
                assert name in PRIMITIVES or name in type_table()
            assert (element.type == "") == bool(element.choices)
    assert INTEGERS | TEMPORALS < PRIMITIVES


@pytest.mark.parametrize(
    ("type_name", "name", "expected"),
    [
        ("Patient", "birthDate", Element("date")),
        ("Patient", "name", Element("HumanName", many=True)),
        ("Patient", "gender", Element("code", value_set="administrative-gender")),
        ("Patient", "deceased", Element("", choices=("boolean", "dateTime"))),
        ("Patient", "id", Element("id")),
        ("HumanName", "id", Element("string")),
        ("Patient.contact", "modifierExtension", Element("Extension", many=True)),
        ("Timing.repeat", "bounds", Element("", choices=("Duration", "Range", "Period"))),
        ("Observation.component", "referenceRange", Element("Observation.referenceRange", many=True)),
        ("Encounter", "subject", Element("Reference", targets=("Patient", "Group"))),
        ("Age", "value", Element("decimal")),
        ("Bundle.entry", "resource", Element("Resource")),
        ("Narrative", "div", Element("xhtml", required=True)),
        ("Provenance", "target", Element("Reference", True, required=True, targets=("Any",))),
    ],
)
def test_elements(type_name: str, name: str, expected: Element) -> None:
    assert element_of(type_name, name) == expected


def test_what_is_not_in_r4_is_not_there() -> None:
    assert element_of("Patient", "banana") is None
    assert element_of("Banana", "id") is None
    assert element_of("Bundle", "text") is None, "a Bundle is no DomainResource"
    assert element_of("Timing.repeat", "modifierExtension") is None, "no backbone element"
    assert json_fields("Banana") == {}


def test_the_open_choice_is_one_list() -> None:
    choices = type_table()["Extension"]["value"].choices
    assert len(choices) == 50
    assert type_table()["Task.input"]["value"].choices == choices
    assert type_table()["ElementDefinition"]["pattern"].choices == choices


def test_json_fields_spell_choices_out() -> None:
    fields = json_fields("Observation")
    assert fields["valueQuantity"] == JsonField("value", "Quantity")
    assert fields["component"] == JsonField("component", "Observation.component", many=True)
    assert "value" not in fields
    assert choice_field("value", "dateTime") == "valueDateTime"


def test_codes_of_required_bindings() -> None:
    assert codes_of("administrative-gender") == frozenset({"male", "female", "other", "unknown"})
    assert "wk" in (codes_of("units-of-time") or ())
    bound = {element.value_set for found in type_table().values() for element in found.values()} - {""}
    assert {name for name in bound if codes_of(name) is None} == {
        "currencies",
        "mimetypes",
        "v3-ConfidentialityClassification",
    }, "these are lists that others keep"


def test_leaves_of_a_patient() -> None:
    leaves = {leaf.path: leaf.type for leaf in walk_leaves("Patient", extension_depth=-1)}
    assert leaves["Patient.birthDate"] == "date"
    assert leaves["Patient.name[].given[]"] == "string"
    assert leaves["Patient.deceasedDateTime"] == "dateTime"
    assert leaves["Patient.contact[].address.line[]"] == "string"
    assert leaves["Patient.photo[].data"] == "base64Binary"
    assert leaves["Patient.text.div"] == "xhtml"
    assert not any("xtension" in path for path in leaves)


def test_leaves_below_extensions() -> None:
    types = Counter(leaf.type for leaf in walk_leaves("Patient") if leaf.steps[0].name == "extension")
    assert set(types) == PRIMITIVES - {"xhtml"}, (
        "every primitive but the narrative's can stand in an extension"
    )
    deep = {leaf.path for leaf in walk_leaves("Patient", extension_depth=1)}
    assert "Patient.name[].extension[].valueAddress.city" in deep
    assert not any(path.count("xtension[]") > 1 for path in deep)


def test_limits_of_the_walk() -> None:
    paths = {leaf.path for leaf in walk_leaves("Questionnaire", depth=4)}
    assert max(path.count(".") for path in paths) == 4
    assert "Questionnaire.item[].item[].text" in paths
    assert "Questionnaire.item[].item[].item[].text" not in paths, "a type stands inside itself once"
    twice = {leaf.path for leaf in walk_leaves("Questionnaire", depth=4, recursion=2)}
    assert "Questionnaire.item[].item[].item[].text" in twice
    assert list(walk_leaves("Banana")) == []


def test_every_type_has_leaves_and_no_path_comes_twice() -> None:
    for name in resource_types() | data_types():
        paths = [leaf.path for leaf in walk_leaves(name, depth=5)]
        assert paths
        assert len(paths) == len(set(paths))
