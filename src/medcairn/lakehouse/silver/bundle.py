"""The resources in the JSON text of a FHIR Bundle, each as the bytes that were sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from medcairn.core.errors import DataError

_BUNDLE = "Bundle"
_NOTHING = (b"", b"null")
_REFERENCE = re.compile(rb'("reference"\s*:\s*")(urn:[^"\\]{1,200})"')


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw()
    full_url: str | None = msgspec.field(default=None, name="fullUrl")


class _Bundle(msgspec.Struct, gc=False):
    resource_type: str = msgspec.field(default="", name="resourceType")
    entry: list[_Entry] | None = None


class _Named(msgspec.Struct, gc=False):
    resource_type: str | None = msgspec.field(default=None, name="resourceType")
    id: str | None = None


_decode_bundle = msgspec.json.Decoder(_Bundle).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_named = msgspec.json.Decoder(_Named).decode


def resources_in(text: bytes) -> list[bytes]:
    """The resources of a Bundle of any type, or of a JSON list of resources, in their order.

    References to the ``urn:`` of another entry become ``Type/id``; an entry without one is passed over.

    Raises :class:`DataError` when ``text`` is no JSON, or neither a Bundle nor a list.
    """
    bundle: _Bundle | None = None
    items: list[msgspec.Raw] | None = None
    problem = "A Bundle is not a FHIR Bundle, and no list of resources"
    try:
        if text.lstrip()[:1] == b"[":
            items = _decode_list(text)
        else:
            bundle = _decode_bundle(text)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = "A Bundle is not JSON"
    if items is not None:
        return [bytes(item) for item in items]
    if bundle is None or bundle.resource_type != _BUNDLE:
        raise DataError(problem)
    entries = bundle.entry or ()
    resources = [data for entry in entries if (data := bytes(entry.resource)) not in _NOTHING]
    names = {
        url.encode(): named
        for entry in entries
        if (url := entry.full_url) is not None and url.startswith("urn:") and (named := _name(entry.resource))
    }
    return _resolved(resources, names) if names else resources


def _resolved(resources: list[bytes], names: Mapping[bytes, bytes]) -> list[bytes]:
    """The resources, with what ``names`` names called so where it is referred to."""

    def replaced(found: re.Match[bytes]) -> bytes:
        return found[1] + names.get(found[2], found[2]) + b'"'

    return [_REFERENCE.sub(replaced, data) if b'"urn:' in data else data for data in resources]


def _name(data: msgspec.Raw) -> bytes | None:
    """``Type/id`` of a resource, None when it does not say."""
    try:
        found = _decode_named(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not found.resource_type or not found.id:
        return None
    return msgspec.json.encode(f"{found.resource_type}/{found.id}")[1:-1]


__all__ = ["resources_in"]
