"""The codes of required bindings, where their value set is a closed list of FHIR's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from medcairn.core.r4.elements import table_lines


def codes_of(value_set: str) -> frozenset[str] | None:
    """The codes of a value set by its name, or None when it is not a closed list (``mimetypes``, …)."""
    return _value_sets().get(value_set)


@cache
def _value_sets() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in "\n".join(table_lines("codes.txt")).replace("\n  ", " ").splitlines():
        name, _, codes = line.partition(": ")
        found[name] = frozenset(codes.split(" "))
    return MappingProxyType(found)


__all__ = ["codes_of"]
