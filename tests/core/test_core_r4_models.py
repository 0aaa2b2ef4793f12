"""The R4 table beside the R4B models of fhir.resources: names, types and repetition of every element.

R4B (4.3.0) left R4 as it is but for the types of evidence and medicinal products; all differences are listed.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache

import fhir.resources.R4B as R4B
from fhir_core.fhirabstractmodel import FHIRAbstractModel

from medcairn.core.r4 import JsonField, json_fields, type_table

# Type: (only in R4B, only in R4). Checked against the R4B list of changes.
DIFFERENCES: dict[str, tuple[set[str], set[str]]] = {
    "ActivityDefinition": ({"subjectCanonical"}, set()),
    "PlanDefinition": ({"subjectCanonical"}, set()),
    "PlanDefinition.action": ({"subjectCanonical"}, set()),
    "Extension": ({"valueCodeableReference", "valueRatioRange"}, {"valueMeta"}),
    "ElementDefinition.example": ({"valueCodeableReference", "valueRatioRange"}, {"valueMeta"}),
    "ElementDefinition": (
        {
            f"{name}{kind}"
            for name in ("defaultValue", "fixed", "pattern")
            for kind in ("CodeableReference", "RatioRange")
        },
        {"defaultValueMeta", "fixedMeta", "patternMeta"},
    ),
}
THEIR_NAMES = {"EncodedBytes": "Base64Binary", "UuidVersion": "Uuid", "bool": "Boolean"}
REMADE_IN_R4B = {"Evidence", "EvidenceVariable", "EvidenceVariable.characteristic"}


@cache
def _models() -> dict[str, type[FHIRAbstractModel]]:
    return {model.__name__: model for model in _all_models()}


def _all_models() -> Iterator[type[FHIRAbstractModel]]:
    for module in pkgutil.iter_modules(R4B.__path__):
        if module.ispkg or module.name.startswith("fhirtypes"):
            continue
        loaded = importlib.import_module(f"{R4B.__name__}.{module.name}")
        for value in vars(loaded).values():
            if (
                isinstance(value, type)
                and issubclass(value, FHIRAbstractModel)
                and value.__module__ == loaded.__name__
            ):
                yield value


def _model_name(type_name: str) -> str:
    """Their class for a backbone element: Patient.contact is PatientContact."""
    return "".join(part[0].upper() + part[1:] for part in type_name.split("."))


def _described(model: type[FHIRAbstractModel], name: str) -> JsonField:
    """Type and repetition, out of how the model annotates the member."""
    text = next(
        str(field.annotation) for key, field in model.model_fields.items() if name in (field.alias, key)
    )
    named = re.search(
        r"(Url|Xhtml)\b(?! *\|)(?=\(| object)|Annotated\[[^,]+, (\w+)\(|\b(\w+)Type\b|(bool)", text
    )
    found = next(group for group in named.groups() if group) if named else text
    return JsonField(name, THEIR_NAMES.get(found, found), "List[" in text)


SHARED = sorted(name for name in type_table() if _model_name(name) in _models())


COMPARED = sorted(set(SHARED) - REMADE_IN_R4B)


def test_most_types_are_in_both() -> None:
    assert len(SHARED) > 580


def test_the_same_elements_in_all_types() -> None:
    found = {}
    for type_name in COMPARED:
        theirs = set(_models()[_model_name(type_name)].elements_sequence())
        ours = set(json_fields(type_name))
        if theirs != ours:
            found[type_name] = (theirs - ours, ours - theirs)
    assert found == DIFFERENCES


def test_the_same_types_and_repetition_of_all_elements() -> None:
    compared = 0
    for type_name in COMPARED:
        model = _models()[_model_name(type_name)]
        for name, field in json_fields(type_name).items():
            if name in model.elements_sequence():
                assert _described(model, name) == JsonField(name, _model_name(field.type), field.many), (
                    type_name
                )
                compared += 1
    assert compared > 6_000
