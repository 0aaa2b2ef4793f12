"""Universal Binary JSON (draft 12), in which XGBoost writes models: names and texts; no numbers."""

from __future__ import annotations

from typing import BinaryIO

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, refused

_INTEGERS = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}
_SIZES = {**_INTEGERS, b"d": 4, b"D": 8, b"Z": 0, b"N": 0, b"T": 0, b"F": 0}
_DEEPEST = 100


def look_in_ubjson(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at the names and texts of a document, as those of JSON.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` when it cannot be read to its last byte.
    """
    content = stream.read(looking.limits.largest_document + 1)
    if len(content) > looking.limits.largest_document:
        raise refused(Reason.TOO_LARGE, "ubjson")
    reader = _Reader(content)
    value = reader.value(reader.take(1), 0)
    if reader.place != len(content):
        raise refused(Reason.UNREADABLE, "ubjson")
    looking.add(looking.detector.find_in_json(value, location=location))


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.place + size
        if size < 0 or end > len(self._content):
            raise refused(Reason.UNREADABLE, "ubjson")
        data, self.place = self._content[self.place : end], end
        return data

    def value(self, mark: bytes, depth: int) -> JSON:
        """The value after its mark; ``None`` for a number."""
        if depth > _DEEPEST:
            raise refused(Reason.UNREADABLE, "ubjson")
        if mark in _SIZES:
            data = self.take(_SIZES[mark])
            return str(int.from_bytes(data, "big", signed=mark != b"U")) if mark in _INTEGERS else None
        if mark in (b"S", b"H"):
            return self._text()
        if mark == b"C":
            return self.take(1).decode("latin-1")
        if mark in (b"[", b"{"):
            return self._container(mark == b"{", depth)
        raise refused(Reason.UNREADABLE, "ubjson")

    def _container(self, is_object: bool, depth: int) -> JSON:
        kind, count = b"", -1
        if self._next() == b"$":
            self.take(1)
            kind = self.take(1)
        if self._next() == b"#":
            self.take(1)
            count = self._length()
        if kind and count < 0:
            raise refused(Reason.UNREADABLE, "ubjson")
        if kind in _SIZES and not is_object:
            self.take(count * _SIZES[kind])
            return []
        return self._members(is_object, kind, count, depth)

    def _members(self, is_object: bool, kind: bytes, count: int, depth: int) -> JSON:
        end = b"}" if is_object else b"]"
        items: list[JSON] = []
        while count != 0 and not (count < 0 and self._next() == end):
            count -= count > 0
            name = self._text() if is_object else ""
            value = self.value(kind or self.take(1), depth + 1)
            if is_object:
                items.append({name: value})
            elif value is not None:
                items.append(value)
        if count < 0:
            self.take(1)
        return items

    def _text(self) -> str:
        return self.take(self._length()).decode("utf-8", "replace")

    def _length(self) -> int:
        mark = self.take(1)
        if mark not in _INTEGERS:
            raise refused(Reason.UNREADABLE, "ubjson")
        return int.from_bytes(self.take(_INTEGERS[mark]), "big", signed=mark != b"U")

    def _next(self) -> bytes:
        return self._content[self.place : self.place + 1]


__all__ = ["look_in_ubjson"]
