"""The attachments of a resource: every element of FHIR R4's type Attachment, wherever it is nested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

ELEMENTS: Final = (
    "attachment",
    "content",
    "contentAttachment",
    "document",
    "form",
    "image",
    "legallyBindingAttachment",
    "photo",
    "presentedForm",
    "sequenceAttachment",
    "sourceAttachment",
    "valueAttachment",
)
"""The names of all elements whose type is Attachment in FHIR R4. Other elements of these names have no
``url`` and ``data`` of their own."""

_NAMES: Final = frozenset(ELEMENTS)
_MENTIONED: Final = re.compile(b'"(?:' + b"|".join(name.encode() for name in ELEMENTS) + b')"')


@dataclass(frozen=True)
class Attachment:
    """One attachment: its element path, such as ``content[0].attachment``, and what it says."""

    path: str
    url: str | None
    data: str | None
    content_type: str | None
    sha1: str | None


def attachments_on(line: bytes) -> list[Attachment]:
    """The attachments with an address or data on an NDJSON line that was checked, in document order."""
    if not _MENTIONED.search(line):
        return []
    resource: object = None
    try:
        resource = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        resource = None
    return list(_walk(resource, "", named=False))


def _walk(value: object, path: str, *, named: bool) -> Iterator[Attachment]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]", named=named)
    elif isinstance(value, dict):
        url, data = value.get("url"), value.get("data")
        if named and (isinstance(url, str) or isinstance(data, str)):
            yield Attachment(
                path, _text(url), _text(data), _text(value.get("contentType")), _text(value.get("hash"))
            )
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                yield from _walk(item, f"{path}.{name}" if path else name, named=name in _NAMES)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


__all__ = ["ELEMENTS", "Attachment", "attachments_on"]
