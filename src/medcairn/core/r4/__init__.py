"""FHIR R4 (4.0.1) as a table: types, elements, required codes, and a walk over primitive leaves.

Generated from the official definitions (CC0) by ``tools/r4_elements.py``; knows names and types, no data.
"""

from medcairn.core.r4.codes import codes_of
from medcairn.core.r4.elements import (
    INTEGERS,
    PRIMITIVES,
    TEMPORALS,
    Element,
    JsonField,
    choice_field,
    data_types,
    element_of,
    json_fields,
    resource_types,
    type_table,
)
from medcairn.core.r4.leaves import Leaf, Step, walk_leaves

__all__ = [
    "INTEGERS",
    "PRIMITIVES",
    "TEMPORALS",
    "Element",
    "JsonField",
    "Leaf",
    "Step",
    "choice_field",
    "codes_of",
    "data_types",
    "element_of",
    "json_fields",
    "resource_types",
    "type_table",
    "walk_leaves",
]
