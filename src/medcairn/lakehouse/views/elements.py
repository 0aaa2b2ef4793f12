"""The R4 type table that views are resolved against: the one of :mod:`medcairn.core.r4`."""

from medcairn.core.r4 import (
    INTEGERS,
    PRIMITIVES,
    TEMPORALS,
    Element,
    choice_field,
    element_of,
    resource_types,
    type_table,
)

__all__ = [
    "INTEGERS",
    "PRIMITIVES",
    "TEMPORALS",
    "Element",
    "choice_field",
    "element_of",
    "resource_types",
    "type_table",
]
