"""One entry below ``predicates`` in ACES YAML."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.features.aces.task import Derived, Plain, Predicate

_EXPRESSION = re.compile(r"(and|or)\((.*)\)\Z", re.DOTALL)
_LIMITS = ("value_min", "value_max")
_FLAGS = ("value_min_inclusive", "value_max_inclusive", "static")


def parse_predicate(entry: object) -> Predicate | str:
    """The predicate of one entry, or the key in it that cannot be executed (empty: the entry itself)."""
    if not isinstance(entry, Mapping):
        return ""
    if "expr" in entry:
        return _derived(entry)
    codes = _codes(entry.get("code"))
    if codes is None:
        return "code"
    fault = _fault(entry)
    if fault is not None:
        return fault
    columns = {str(key): value for key, value in entry.items() if key not in {"code", *_LIMITS, *_FLAGS}}
    low, high = (None if entry.get(key) is None else float(entry[key]) for key in _LIMITS)
    low_inclusive, high_inclusive, static = (bool(entry.get(key)) for key in _FLAGS)
    others = tuple(sorted(columns.items()))
    return Plain(*codes, low, high, low_inclusive, high_inclusive, others, static)


def _fault(entry: Mapping[object, object]) -> str | None:
    for key, value in entry.items():
        if key in _LIMITS:
            number = not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
            good = value is None or number
        elif key in _FLAGS:
            good = value is None or isinstance(value, bool)
        else:
            good = key == "code" or (isinstance(key, str) and isinstance(value, str))
        if not good:
            return str(key)
    return None


def _codes(value: object) -> tuple[tuple[str, ...], str | None] | None:
    """Exact codes, or none and a pattern."""
    if isinstance(value, str):
        return (value,), None
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    any_of, pattern = value.get("any"), value.get("regex")
    if isinstance(any_of, list) and any_of and all(isinstance(code, str) for code in any_of):
        return tuple(any_of), None
    return ((), pattern) if isinstance(pattern, str) and _is_pattern(pattern) else None


def _is_pattern(text: str) -> bool:
    """Whether RE2, which searches the codes later, takes it."""
    taken = False
    with suppress(pa.ArrowInvalid):
        pc.match_substring_regex(pa.array([""]), text)
        taken = text != ""
    return taken


def _derived(entry: Mapping[object, object]) -> Derived | str:
    unknown = [str(key) for key in entry if key != "expr"]
    if unknown:
        return unknown[0]
    found = _EXPRESSION.match(str(entry["expr"]).strip())
    if found is None:
        return "expr"
    inputs = tuple(name.strip() for name in found[2].split(","))
    if len(inputs) < 2 or not all(re.match(r"\w+\Z", name) for name in inputs):
        return "expr"
    return Derived(found[1] == "and", inputs)


__all__ = ["parse_predicate"]
