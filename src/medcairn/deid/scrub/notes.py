"""Where clinical free text stands in a resource."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_CHARSET = re.compile(r"charset\s*=\s*\"?([\w-]+)", re.IGNORECASE)
_CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252"}
)
_SUBJECT_ELEMENTS = ("subject", "patient", "beneficiary")


class NoteKind(StrEnum):
    """The elements that hold free text."""

    ATTACHMENT = "attachment"
    """An Attachment of type text/plain with its data in place (DocumentReference, presentedForm)."""
    ANNOTATION = "annotation"
    """``note.text`` of any resource."""
    CONCLUSION = "conclusion"
    """``DiagnosticReport.conclusion``."""


class Passed(StrEnum):
    """Why a text was passed over."""

    NO_SUBJECT = "no_subject"
    SUBJECT_UNKNOWN = "subject_unknown"
    OTHER_CONTENT_TYPE = "other_content_type"
    NO_DATA_IN_PLACE = "no_data_in_place"
    NOT_READABLE = "not_readable"
    NO_ID = "no_id"


@dataclass(frozen=True)
class Note:
    """A free text and the path of its element below the resource."""

    element: str
    text: str


def notes_in(resource: dict[str, object], kinds: frozenset[NoteKind]) -> Iterator[Note | Passed]:
    """The free texts of a resource, and why others were passed over."""
    conclusion = resource.get("conclusion")
    if NoteKind.CONCLUSION in kinds and isinstance(conclusion, str):
        yield Note("conclusion", conclusion)
    waiting: list[tuple[str, object]] = [("", resource)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, list):
            waiting.extend((f"{path}[{place}]", one) for place, one in reversed(list(enumerate(item))))
        elif isinstance(item, dict):
            if NoteKind.ATTACHMENT in kinds and isinstance(item.get("contentType"), str):
                yield _attached(path, item)
                continue
            inner = ((f"{path}.{name}" if path else name, one) for name, one in reversed(item.items()))
            waiting.extend(inner)
            if NoteKind.ANNOTATION in kinds and re.search(r"(?:\A|\.)note(?:\[\d+\])?\Z", path):
                text = item.get("text")
                if isinstance(text, str):
                    yield Note(f"{path}.text", text)


def subject_reference(resource: dict[str, object]) -> str | None:
    """The literal reference to the patient whom a resource is about."""
    for name in _SUBJECT_ELEMENTS:
        value = resource.get(name)
        reference = value.get("reference") if isinstance(value, dict) else None
        if isinstance(reference, str) and ("Patient/" in reference or reference.startswith("urn:")):
            return reference
    return None


def _attached(path: str, item: dict[str, object]) -> Note | Passed:
    content_type = str(item["contentType"])
    if content_type.partition(";")[0].strip().casefold() != "text/plain":
        return Passed.OTHER_CONTENT_TYPE
    data = item.get("data")
    if not isinstance(data, str):
        return Passed.NO_DATA_IN_PLACE
    charset = _CHARSET.search(content_type)
    name = charset[1].casefold() if charset else "utf-8"
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
        return Note(f"{path}.data", raw.decode(name)) if name in _CHARSETS else Passed.NOT_READABLE
    except (binascii.Error, ValueError):
        return Passed.NOT_READABLE


__all__ = ["Note", "NoteKind", "Passed", "notes_in", "subject_reference"]
