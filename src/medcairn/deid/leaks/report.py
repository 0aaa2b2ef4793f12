"""What the leak scan found: places and classes, never the text that was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON
from medcairn.core.errors import LeakFound
from medcairn.core.labels import Label


class LeakClass(StrEnum):
    """What kind of identifier was found."""

    NAME = "name"
    PHRASE = "phrase"
    """A full name in either order, a street line, a city or facility name of several words."""
    CITY = "city"
    POSTAL_CODE = "postal_code"
    PHONE = "phone"
    EMAIL = "email"
    IDENTIFIER = "identifier"
    RESOURCE_ID = "resource_id"
    BIRTH_DATE = "birth_date"
    COORDINATE = "coordinate"


@dataclass(frozen=True)
class LeakHit:
    """One place where an identifier of the source stands: file, line from 1, element path, class."""

    file: Label
    line: int
    path: Label
    leak: LeakClass


@dataclass(frozen=True)
class ScanReport:
    """The outcome of a scan. ``complete`` is False when it stopped early because of too many hits."""

    files: int
    files_not_searched: int
    bytes_searched: int
    identifiers: Mapping[LeakClass, int]
    hits: tuple[LeakHit, ...]
    complete: bool

    @property
    def clean(self) -> bool:
        """No hit, and everything was searched."""
        return not self.hits and self.complete

    def facts(self) -> dict[str, JSON]:
        """Counts alone, the same for the same inputs."""
        found = Counter(hit.leak for hit in self.hits)
        return {
            "files": self.files,
            "files_not_searched": self.files_not_searched,
            "bytes_searched": self.bytes_searched,
            "identifiers": {leak.value: count for leak, count in sorted(self.identifiers.items())},
            "hits": len(self.hits),
            "hits_by_class": {leak.value: count for leak, count in sorted(found.items())},
            "complete": self.complete,
        }

    def as_json(self) -> dict[str, JSON]:
        """The counts and every place, for whoever must find the leak."""
        places = [
            {"file": hit.file, "line": hit.line, "path": hit.path, "class": hit.leak.value}
            for hit in self.hits
        ]
        return self.facts() | {"places": places}

    def refuse_leaks(self) -> None:
        """Raise :class:`LeakFound`, with the first place, when there is any hit."""
        if self.hits:
            first = self.hits[0]
            raise LeakFound(
                "The leak scan found identifiers of the source in the de-identified output",
                hint="The policy lets something through: see the element",
                hits=len(self.hits),
                file=first.file,
                line=first.line,
                element=first.path,
                leak=first.leak,
            )


__all__ = ["LeakClass", "LeakHit", "ScanReport"]
