"""Attachments as Binary resources: the address instead of the data, and the data at that address."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from medcairn.core.canonical import JSON
from medcairn.synthetic.server.changes import Snapshot
from medcairn.synthetic.server.delivery import LineChange, with_resource

HOLDERS: Final = ("DocumentReference", "DiagnosticReport")
"""Types whose attachments have an address, in the order in which an address is looked up."""

_TAGS: Final[Mapping[str, str]] = {"DocumentReference": "d", "DiagnosticReport": "r"}

Resource = dict[str, object]


@dataclass(frozen=True)
class Attached:
    """The content of an attachment."""

    content_type: str
    data: bytes

    def binary(self, binary_id: str) -> dict[str, JSON]:
        """It as a Binary resource."""
        text = base64.b64encode(self.data).decode()
        return {"resourceType": "Binary", "id": binary_id, "contentType": self.content_type, "data": text}


def by_url(resource_type: str, base: str) -> LineChange | None:
    """The change that gives attachments of a type their address below ``base``, None for no such type."""
    if resource_type not in HOLDERS:
        return None
    return lambda _number, line: with_resource(line, lambda resource: _addressed(resource, base))


def find_binary(snapshot: Snapshot, binary_id: str) -> Attached | None:
    """The Binary resource of the folder, or the attachment that was given this id."""
    stored = snapshot.find("Binary", binary_id)
    if stored is not None:
        return _attached(msgspec.json.decode(stored))
    holder, _, place = binary_id.rpartition("-")
    for resource_type, tag in _TAGS.items():
        if place.startswith(tag) and place[1:].isdecimal():
            line = snapshot.find(resource_type, holder)
            found = _attachments(msgspec.json.decode(line)) if line is not None else []
            number = int(place[1:])
            return _attached(found[number]) if number < len(found) else None
    return None


def _addressed(resource: Resource, base: str) -> Resource:
    """``resource`` with each attachment's data replaced by an address. It is changed in place: it is ours."""
    tag = _TAGS[str(resource["resourceType"])]
    for number, attachment in enumerate(_attachments(resource)):
        if "data" in attachment:
            attachment["url"] = f"{base}/Binary/{resource.get('id')}-{tag}{number}"
            del attachment["data"]
    return resource


def _attachments(resource: object) -> list[Resource]:
    if not isinstance(resource, dict):
        return []
    contents = [item.get("attachment") for item in _dicts(resource.get("content"))]
    return _dicts(contents) + _dicts(resource.get("presentedForm"))


def _dicts(value: object) -> list[Resource]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _attached(attachment: object) -> Attached | None:
    if not isinstance(attachment, dict) or not isinstance(attachment.get("data"), str):
        return None
    try:
        data = base64.b64decode(attachment["data"])
    except binascii.Error:
        return None
    return Attached(str(attachment.get("contentType", "application/octet-stream")), data)


__all__ = ["Attached", "by_url", "find_binary"]
