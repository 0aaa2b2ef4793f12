"""Canonical JSON by RFC 8785: one value, one sequence of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union, cast

import rfc8785

from medcairn.core.errors import DataError

JSON: TypeAlias = Union[bool, int, float, str, Sequence["JSON"], Mapping[str, "JSON"], None]


def canonical_json(value: JSON) -> bytes:
    """The RFC 8785 canonical bytes of ``value``.

    Raises :class:`DataError` for what JSON cannot carry exactly: NaN, infinities, integers beyond ±2⁵³,
    keys that are not text, types that are not JSON.
    """
    refused = False
    data = b""
    try:
        data = rfc8785.dumps(cast("dict[str, object]", _plain(value)))  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, TypeError):
        refused = True
    if refused:
        raise DataError("A record holds a value that canonical JSON cannot carry")
    return data


def _plain(value: JSON) -> object:
    """Mappings and sequences as the dict and list that the encoder knows; str subclasses as str."""
    if isinstance(value, str):
        return str.__str__(value) if type(value) is str else "".join(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return value


__all__ = ["JSON", "canonical_json"]
