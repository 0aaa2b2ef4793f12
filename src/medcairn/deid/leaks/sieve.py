"""Which lines of an output may hold an identifier, quickly: few of its pieces are new.

Of a block, the members that were not seen before are looked at, and of these the strings (and what stands
between them) that were not seen before. Lines with a suspect member go on to be parsed.
"""

from __future__ import annotations

import re
from datetime import date

from medcairn.deid.leaks.encodings import unescape
from medcairn.deid.leaks.judge import Judge
from medcairn.deid.leaks.members import Known, members, strings

_PLAIN = re.compile(
    rb"(?:[A-Z][A-Za-z]+/)?(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    rb"|[\s:,\[\]{}]*"
    rb"(?:(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?:\s*[:,\[\]{}][\s:,\[\]{}]*|\Z))*"
)
_HEXADECIMAL_TEXT = re.compile(rb"(?:[A-Z][A-Za-z]+/)?(?:[2-7][0-9a-f]){16}")
_MOMENT = re.compile(rb"[0-9]{4}(?:-[0-9]{2}){1,2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_ID = re.compile(rb'(?:[iI][dD]|reference|fullUrl|uri|url)"\s*:\s*"([^"]*)')
_BIRTH = re.compile(rb'(?:birth|dob)[^"]*"\s*:\s*"([0-9]{4}-[0-9]{2}-[0-9]{2})', re.IGNORECASE)
_CELL = re.compile(
    r"(?:^|(?<=[,;|\t\"])) *[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)? *(?=[,;|\t\"\r\n]|$)"
)


class Sieve:
    """Sorts out the lines of files of one kind: JSON; or other text, whose first line may tell of births.

    ``days`` are the source's days among the whole dates that were seen.
    """

    def __init__(
        self, judge: Judge, public: frozenset[str], *, is_json: bool, tells_births: bool = False
    ) -> None:
        self._judge = judge
        self._is_json, self._tells_births = is_json, tells_births
        self._public = frozenset(word.encode() for word in public)
        self._harmless, self._suspect, self._cleared = Known(), Known(), Known()
        self.days: set[int] = set()

    def suspects(self, lines: list[bytes]) -> list[int]:
        """The places of lines to be parsed; no other holds an identifier."""
        found = set(members(b"".join(lines)))
        unknown = self._suspect.new(self._harmless.new(found))
        guilty = self._guilty(unknown)
        suspects = self._suspect.old(found) | guilty
        self._harmless.add(unknown - guilty)
        self._suspect.add(guilty)
        if not suspects:
            return []
        return [place for place, line in enumerate(lines) if not suspects.isdisjoint(members(line))]

    def _guilty(self, some: set[bytes]) -> set[bytes]:
        """The members that may hold an identifier."""
        pieces = self._cleared.new(set(strings(some)))
        guilty = self._guilty_strings(pieces)
        self._cleared.add(pieces - guilty)
        found = self._by_element(some) if self._is_json else set()
        if guilty:
            found |= {member for member in some if not guilty.isdisjoint(strings([member]))}
        return found

    def _guilty_strings(self, pieces: set[bytes]) -> set[bytes]:
        plain: list[bytes] = []
        others: list[bytes] = []
        for piece in pieces:
            if self._is_json and _MOMENT.fullmatch(piece):
                self._day(piece)
            elif _PLAIN.fullmatch(piece) and not _HEXADECIMAL_TEXT.fullmatch(piece):
                plain.append(piece)
            elif piece not in self._public:
                others.append(piece)
        texts = [_text(piece) for piece in others]
        if not self._is_json:
            texts = [without_dates(text, self._judge, self._tells_births) for text in texts]
        found = {piece for piece, held in zip(plain, self._judge.plain(plain), strict=True) if held}
        return found | {piece for piece, held in zip(others, self._judge.classes(texts), strict=True) if held}

    def _day(self, piece: bytes) -> None:
        ordinal = ordinal_of(piece[:10].decode())
        if ordinal is not None and self._judge.is_day(ordinal):
            self.days.add(ordinal)

    def _by_element(self, some: set[bytes]) -> set[bytes]:
        """Members with a short id where ids stand, or a birth date where birth is told."""
        found: set[bytes] = set()
        for member in some if self._judge.has_short_ids else ():
            if any(self._judge.short_id(_text(match[1])) for match in _ID.finditer(member)):
                found.add(member)
        every = b" ".join(some).lower()
        for member in some if b"birth" in every or b"dob" in every else ():
            for match in _BIRTH.finditer(member):
                ordinal = ordinal_of(match[1].decode())
                if ordinal is not None and self._judge.birth_day(ordinal):
                    found.add(member)
        return found


def _text(piece: bytes) -> str:
    return unescape(piece.decode("utf-8", "replace"))


def without_dates(text: str, judge: Judge, tells_births: bool) -> str:
    """A line of a table without the cells that are whole dates, which may be moved ones.

    Where the file's first line tells of births, the dates of births stay.
    """

    def judged(match: re.Match[str]) -> str:
        ordinal = ordinal_of(match[0].strip()[:10])
        born = tells_births and ordinal is not None and judge.birth_day(ordinal)
        return match[0] if born else ""

    return _CELL.sub(judged, text)


def ordinal_of(text: str) -> int | None:
    """The day number of ``YYYY-MM-DD``; None for anything else."""
    try:
        return date.fromisoformat(text).toordinal() if len(text) == 10 else None
    except ValueError:
        return None


__all__ = ["Sieve", "ordinal_of", "without_dates"]
