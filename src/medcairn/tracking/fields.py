"""Checks of a context's fields. Each returns the value as it is kept, or names the field at fault."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.tracking.failures import ContextError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no text of a FHIR resource may hold: control characters but tab and line feed, and lone surrogates."""

_KEY = re.compile(r"[A-Za-z0-9_./ -]{1,200}\Z")
"""Keys that MLflow takes on every system, short enough for the prefix."""


def problem(field: str, what: str) -> ContextError:
    """The error that says ``what`` is wrong with ``field``."""
    try:
        named = Label(field)
    except ValueError:
        named = Label("a-name-that-is-no-field")
    return ContextError(
        "A field of the healthcare context cannot be used",
        hint="docs/mlflow.md lists the fields and what they take",
        field=named,
        problem=Label(what),
    )


class Checked(type):
    """Classes of records that refuse unknown and missing fields with an error of ours."""

    if not TYPE_CHECKING:  # type checkers shall see the record's own signature

        def __call__(cls, *given: Any, **named: Any) -> Any:
            known = [field for field in fields(cls) if field.init]
            for name in named:
                if name not in {field.name for field in known}:
                    raise problem(name, "unknown_field")
            if len(given) > len(known):
                raise problem("positional", "too_many_fields")
            for field in known[len(given) :]:
                absent = field.default is MISSING and field.default_factory is MISSING
                if absent and field.name not in named:
                    raise problem(field.name, "missing")
            return super().__call__(*given, **named)


def text(field: str, value: object) -> str:
    """``value`` when it is text that says something."""
    if not isinstance(value, str):
        raise problem(field, "not_text")
    if not value.strip():
        raise problem(field, "empty")
    if _CONTROL.search(value):
        raise problem(field, "control_character")
    return value


def optional_text(field: str, value: object) -> str | None:
    """None, or :func:`text`."""
    return None if value is None else text(field, value)


def texts(field: str, value: object) -> list[str]:
    """A list of its own of the texts in ``value``."""
    if not isinstance(value, (list, tuple)):
        raise problem(field, "not_a_list")
    return [text(f"{field}[{number}]", item) for number, item in enumerate(value)]


def count(field: str, value: object) -> int | None:
    """None, or a whole number from 0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise problem(field, "not_a_whole_number")
    if value < 0:
        raise problem(field, "below_zero")
    return value


def metadata(field: str, value: object) -> dict[str, JSON]:
    """A deep copy of a mapping from names to JSON."""
    if not isinstance(value, Mapping):
        raise problem(field, "not_a_mapping")
    for key, item in value.items():
        if not isinstance(key, str) or not _KEY.match(key):
            raise problem(field, "key_not_allowed")
        if isinstance(item, str) and _CONTROL.search(item):
            raise problem(field, "control_character")
    unfit = False
    try:
        canonical_json(cast("JSON", value))
    except (DataError, RecursionError):
        unfit = True
    if unfit:
        raise problem(field, "not_json")
    return cast("dict[str, JSON]", copy.deepcopy(dict(value)))


def aware(field: str, value: object) -> datetime | None:
    """None, or an instant that says its time zone; FHIR's ``instant`` needs one."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise problem(field, "not_a_datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise problem(field, "no_time_zone")
    return value


__all__ = ["Checked", "aware", "count", "metadata", "optional_text", "problem", "text", "texts"]
