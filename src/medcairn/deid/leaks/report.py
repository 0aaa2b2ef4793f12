"""What the leak scan found: places and classes, never the text that was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON
from medcairn.core.errors import LeakFound
from medcairn.core.labels import Label


class LeakClass(StrEnum):
    """What kind of identifier was found. Where one text is of two kinds, the kind listed first is told."""

    NAME = "name"
    CITY = "city"
    PHRASE = "phrase"
    """A full name in either order, a street line, a city or facility name of several words."""
    BIRTH_DATE = "birth_date"
    PHONE = "phone"
    EMAIL = "email"
    IDENTIFIER = "identifier"
    RESOURCE_ID = "resource_id"
    POSTAL_CODE = "postal_code"
    COORDINATE = "coordinate"
    URL = "url"
    DATE = "date"
    """Any other full date of the source, inside a text."""


class Unsearched(StrEnum):
    """Why something of the source was not searched for, or something of the output not judged."""

    NAME_TOO_SHORT = "name_too_short"
    """Names and cities under four letters alone; they are searched as parts of full names."""
    NAME_IS_A_WORD = "name_is_a_word"
    """Names that a code's display of the source writes in small letters; searched in full names."""
    FACILITY_OF_ONE_WORD = "facility_of_one_word"
    IDENTIFIER_TOO_SHORT = "identifier_too_short"
    """Under five letters and digits, or letters alone and under eight."""
    ID_WHERE_IDS_STAND = "id_where_ids_stand"
    """Resource ids under eight marks or without a digit: searched in ids and references alone."""
    POSTAL_CODE_TOO_SHORT = "postal_code_too_short"
    DATE_MAY_BE_MOVED = "date_may_be_moved"
    """Days of the source that whole dates of the output fall on: a moved date does so by chance. Birth dates
    are searched where birth is told, and every date within a text."""
    LINE_UNREADABLE = "line_unreadable"
    """Lines of the source that are no JSON; of these, only ids, dates and identifiers are searched."""


@dataclass(frozen=True)
class LeakHit:
    """One place where an identifier of the source stands: file, line from 1, element path, class.

    Line 0 is the file's own name, which is then told as a number.
    """

    file: Label
    line: int
    path: Label
    leak: LeakClass


@dataclass(frozen=True)
class ScanReport:
    """The outcome of a scan. ``hits`` holds the first thousand places; ``hits_by_class`` counts them all.

    ``identifiers`` are distinct identifiers searched for, ``not_searched`` what was left out and why.
    ``files_not_searched`` are no text. All others were read to their end, or there is no report.
    """

    files: int
    files_not_searched: int
    bytes_searched: int
    identifiers: Mapping[LeakClass, int]
    not_searched: Mapping[Unsearched, int]
    hits: tuple[LeakHit, ...]
    hits_by_class: Mapping[LeakClass, int]

    @property
    def hit_count(self) -> int:
        """How many places hold an identifier, counted once for each class."""
        return sum(self.hits_by_class.values())

    @property
    def clean(self) -> bool:
        """Whether no place holds an identifier."""
        return not self.hit_count

    def facts(self) -> dict[str, JSON]:
        """Counts alone, the same for the same inputs."""
        return {
            "files": self.files,
            "files_not_searched": self.files_not_searched,
            "bytes_searched": self.bytes_searched,
            "identifiers": {leak.value: count for leak, count in sorted(self.identifiers.items())},
            "not_searched": {why.value: count for why, count in sorted(self.not_searched.items())},
            "hits": self.hit_count,
            "hits_by_class": {leak.value: count for leak, count in sorted(self.hits_by_class.items())},
        }

    def as_json(self) -> dict[str, JSON]:
        """The counts and the first places, for whoever must find the leak."""
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
                hits=self.hit_count,
                file=first.file,
                line=first.line,
                element=first.path,
                leak=first.leak,
            )


__all__ = ["LeakClass", "LeakHit", "ScanReport", "Unsearched"]
