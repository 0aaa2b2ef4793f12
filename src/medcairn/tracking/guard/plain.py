"""Anything that is handed to a store of MLflow, as JSON that the detectors can search.

MLflow's entities are classes of many kinds; what they hold is what is written. So an object is taken apart
by its attributes, whatever its class, and what cannot be taken apart is refused rather than passed over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Set
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError

_DEEPEST = 60


def plain(value: object) -> JSON:
    """``value`` as JSON: mappings, sequences, text and numbers; objects by their attributes.

    Raises :class:`DataError` for an iterator, which could be read only once, and for what is nested deeper
    than 60 levels.
    """
    return _plain(value, ())


def _plain(value: object, above: tuple[int, ...]) -> JSON:
    found = _simple(value)
    if found is not _OTHER:
        return found  # type: ignore[return-value]
    if isinstance(value, (Iterator, AsyncIterator)):
        raise DataError("An iterator cannot be searched and written")
    if len(above) > _DEEPEST:
        raise DataError("A value is nested too deeply to be searched")
    if id(value) in above:
        return None
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {_key(key, inside): _plain(item, inside) for key, item in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_plain(item, inside) for item in value]
    return _object(value, inside)


_OTHER = object()


def _simple(value: object) -> object:
    """What needs no taking apart, or ``_OTHER``."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, (int, float, str)) else value.name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", errors="replace")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (PurePath, UUID, Decimal, timedelta)):
        return str(value)
    if isinstance(value, type) or callable(value):
        return None  # code, not data
    return _OTHER


def _key(key: object, above: tuple[int, ...]) -> str:
    return key if isinstance(key, str) else str(_plain(key, above))


def _object(value: Any, above: tuple[int, ...]) -> JSON:
    if hasattr(value, "DESCRIPTOR"):  # a protobuf message
        from google.protobuf import json_format  # type: ignore[import-untyped]

        return dict(json_format.MessageToDict(value))
    if hasattr(value, "tolist"):  # NumPy, pandas, Arrow
        return _plain(value.tolist(), above)
    if (span := getattr(value, "_span", None)) is not None and hasattr(span, "attributes"):
        return span_as_json(span)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(
        value, "__dict__", {}
    )
    return {name.lstrip("_"): _plain(item, above) for name, item in held.items()}


def span_as_json(span: Any) -> dict[str, JSON]:
    """What an OpenTelemetry span carries out of the process, but its ids and times."""
    status = getattr(span, "status", None)
    resource = getattr(span, "resource", None)
    return {
        "name": plain(span.name),
        "attributes": plain(dict(span.attributes or {})),
        "events": [
            {"name": plain(event.name), "attributes": plain(dict(event.attributes or {}))}
            for event in span.events or ()
        ],
        "links": [plain(dict(link.attributes or {})) for link in span.links or ()],
        "status": plain(getattr(status, "description", None)),
        "resource": plain(dict(getattr(resource, "attributes", None) or {})),
    }


__all__ = ["plain", "span_as_json"]
