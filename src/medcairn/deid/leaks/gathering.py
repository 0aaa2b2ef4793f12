"""What a source yields: identifiers by class, short ids, and counts of what is not searched for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from medcairn.deid.leaks import forms
from medcairn.deid.leaks.folding import fold, spellings, words
from medcairn.deid.leaks.hashing import LONGEST_ROW
from medcairn.deid.leaks.report import LeakClass, Unsearched
from medcairn.deid.leaks.table import ANY_LENGTH, PRIMARY, Collector, Entries, merged, rows_of

CLASSES = tuple(LeakClass)
REASONS = tuple(Unsearched)
_CODE = {leak: number for number, leak in enumerate(CLASSES)}
_WHY = {why: number for number, why in enumerate(REASONS)}
_ALONE = rows_of(1)
_URN = re.compile(r"(?i)\s*urn:[a-z]+:")
_SCHEME = re.compile(r"(?i)\s*[a-z][a-z0-9+.-]*://")
_SMALL_WORD = re.compile(r"(?<![^\W_])[a-z]{4,}(?![^\W_])")


@dataclass(frozen=True)
class Gathered:
    """The harvest of a part of the source, small enough to travel between processes."""

    searched: Entries
    ids: Entries
    left_out: Entries
    display_words: Entries
    """Words in small letters of displays."""
    person_words: Entries
    """Those of displays that are names of persons."""
    days: Mapping[int, LeakClass]
    """Ordinals of all full dates."""

    @staticmethod
    def united(parts: list[Gathered]) -> Gathered:
        """Several harvests as one."""
        return Gathered(
            merged([part.searched for part in parts]),
            merged([part.ids for part in parts]),
            merged([part.left_out for part in parts]),
            merged([part.display_words for part in parts]),
            merged([part.person_words for part in parts]),
            _first_class(parts),
        )

    def settled(self) -> Gathered:
        """Names that are words of the language, by the source's own displays, stand back as single words."""
        single = (self.searched.rows & _ALONE) != 0
        names = (self.searched.classes == _CODE[LeakClass.NAME]) | (
            self.searched.classes == _CODE[LeakClass.CITY]
        )
        spoken = np.setdiff1d(self.display_words.hashes, self.person_words.hashes)
        common = names & single & np.isin(self.searched.hashes, spoken)
        rows = self.searched.rows.copy()
        rows[common] &= ~np.uint16(_ALONE | PRIMARY)
        stay = (rows & ANY_LENGTH) != 0
        kept = Entries(self.searched.hashes[stay], self.searched.classes[stay], rows[stay])
        words_only = Entries(
            self.searched.hashes[common],
            np.full(int(common.sum()), _WHY[Unsearched.NAME_IS_A_WORD], np.uint8),
            np.full(int(common.sum()), PRIMARY | _ALONE, np.uint16),
        )
        return Gathered(
            kept, self.ids, merged([self.left_out, words_only]), Entries.none(), Entries.none(), self.days
        )

    def identifiers(self) -> dict[LeakClass, int]:
        """How many identifiers of each class are searched for."""
        counts = dict(zip(CLASSES, self.searched.counts(len(CLASSES)), strict=True))
        counts[LeakClass.RESOURCE_ID] += len(self.ids)
        for leak in self.days.values():
            counts[leak] += 1
        return {leak: count for leak, count in counts.items() if count}

    def not_searched(self) -> dict[Unsearched, int]:
        """How many of the source's texts are not searched for, by reason."""
        counts = dict(zip(REASONS, self.left_out.counts(len(REASONS)), strict=True))
        counts[Unsearched.ID_WHERE_IDS_STAND] += len(self.ids)
        return {why: count for why, count in counts.items() if count}


class Gatherer:
    """Takes a source's identifiers in, each in all its forms."""

    def __init__(self) -> None:
        self._searched, self._ids, self._left_out = Collector(), Collector(), Collector()
        self._display_words, self._person_words = Collector(), Collector()
        self._days: dict[int, LeakClass] = {}

    def gathered(self) -> Gathered:
        """Everything taken in."""
        return Gathered(
            self._searched.entries(),
            self._ids.entries(),
            self._left_out.entries(),
            self._display_words.entries(),
            self._person_words.entries(),
            self._days,
        )

    def name(self, text: str, leak: LeakClass = LeakClass.NAME) -> None:
        """One part of a name, or a city: each of its words by itself, and all of them written as one."""
        for spelling in spellings(text):
            parts = words(spelling)
            for word in parts:
                if forms.long_enough(word):
                    self._add(word, leak, _ALONE)
                elif word.isalpha():
                    self._leave_out(word, Unsearched.NAME_TOO_SHORT)
            if len(parts) > 1 and forms.long_enough("".join(parts)):
                self._add("".join(parts), leak, rows_of(1, len(parts)), primary=False)

    def full_name(self, given: list[str], family: list[str], text: str | None = None) -> None:
        """A person's name, from its parts or from a text alone."""
        if text is not None:
            bare = forms.without_titles(text)
            self.phrase(" ".join(bare))
            if not family and len(bare) > 1:
                given, family = bare[:-1], bare[-1:]
        for part in given + family:
            self.name(part)
        for whole in forms.full_names(given, family):
            self.phrase(whole)

    def phrase(self, text: str) -> None:
        """Several words in a row, such as a street line or a full name."""
        for spelling in spellings(text):
            parts = words(spelling)
            row = "".join(parts[:LONGEST_ROW])
            if len(parts) < 2 or not forms.long_enough_row(row):
                self._leave_out(row, Unsearched.NAME_TOO_SHORT, when=len(parts) > 1)
                continue
            solid = len(row) >= forms.SHORTEST_PHRASE_AS_A_WORD
            self._add(row, LeakClass.PHRASE, rows_of(len(parts), *([1] if solid else [])))

    def facility(self, name: str) -> None:
        """The name of an organisation or a place."""
        if len(words(fold(name))) < 2:
            self._leave_out(fold(name), Unsearched.FACILITY_OF_ONE_WORD)
        self.phrase(name)

    def street(self, line: str) -> None:
        """A line of an address."""
        self.phrase(line)
        start = forms.street_starts(line)
        if start is not None:
            self.phrase(start)

    def city(self, text: str) -> None:
        """A city, district or county."""
        if len(words(fold(text))) > 1:
            self.phrase(text)
        else:
            self.name(text, LeakClass.CITY)

    def postal_code(self, text: str) -> None:
        """A ZIP code of five digits, also one that lost its zero and one of nine; or another country's."""
        first = text.strip().split("-")[0]
        if first.isdigit() and len(first) in (4, 5, 9):
            self._add(first[:5] if len(first) == 9 else first.zfill(5), LeakClass.POSTAL_CODE, _ALONE)
        elif any(map(str.isalpha, text)) and len("".join(words(fold(text)))) >= forms.SHORTEST_IDENTIFIER:
            parts = words(fold(text))
            self._add("".join(parts), LeakClass.PHRASE, rows_of(1, len(parts)))
        else:
            self._leave_out(fold(text), Unsearched.POSTAL_CODE_TOO_SHORT)

    def phone(self, text: str) -> None:
        """A telephone or fax number in all its formats."""
        numbers, local = forms.phone_numbers(text)
        for place, number in enumerate(numbers):
            self._add(number, LeakClass.PHONE, ANY_LENGTH, primary=place == 0)
        if local is not None:
            self._add(local, LeakClass.PHONE, rows_of(2), primary=False)
        if not numbers:
            self._leave_out(fold(text), Unsearched.IDENTIFIER_TOO_SHORT)

    def email(self, text: str) -> None:
        """An e-mail address."""
        self._add(forms.squeeze(text), LeakClass.EMAIL, ANY_LENGTH)

    def url(self, text: str) -> None:
        """A web address of the source, but for its scheme."""
        parts = words(fold(_SCHEME.sub("", text)))
        if len(parts) > 1:
            self._add("".join(parts[:LONGEST_ROW]), LeakClass.URL, rows_of(len(parts)))

    def identifier(self, text: str) -> None:
        """A medical record number, licence, serial number, UID; as written and by its digits."""
        bare = _URN.sub("", text).rsplit("|", 1)[-1]
        if "@" in bare:
            self.email(bare)
            return
        parts = words(fold(bare))[:LONGEST_ROW]
        squeezed = "".join(parts)
        shortest = forms.SHORTEST_FREE_ID if squeezed.isalpha() else forms.SHORTEST_IDENTIFIER
        if len(squeezed) < shortest:
            self._leave_out(squeezed, Unsearched.IDENTIFIER_TOO_SHORT)
            return
        brief = squeezed.isdigit() and len(squeezed) < forms.SHORTEST_NUMBER
        rows = rows_of(1, len(parts)) if brief or squeezed.isalpha() else ANY_LENGTH
        for place, form in enumerate(forms.identifier_forms(squeezed)):
            self._add(form, LeakClass.IDENTIFIER, rows, primary=place == 0)

    def resource_id(self, text: str) -> None:
        """A resource id. Short ones, and plain words, are searched only where ids stand."""
        squeezed = forms.squeeze(text)
        if forms.is_short_id(squeezed):
            self._ids.add(squeezed, _CODE[LeakClass.RESOURCE_ID], ANY_LENGTH | PRIMARY)
        elif squeezed:
            self._add(squeezed, LeakClass.RESOURCE_ID, ANY_LENGTH)

    def coordinate(self, written: str) -> None:
        """A latitude or longitude, in decimal digits."""
        for place, form in enumerate(forms.coordinate_forms(written)):
            self._add(form, LeakClass.COORDINATE, rows_of(2), primary=place == 0)

    def day(self, text: str, leak: LeakClass = LeakClass.DATE) -> None:
        """A full date, ``YYYY-MM-DD`` and perhaps a time after it."""
        try:
            day = date.fromisoformat(text[:10]).toordinal()
        except ValueError:
            return
        self._days[day] = min(leak, self._days.get(day, leak), key=CLASSES.index)

    def display(self, text: str) -> None:
        """What a code is called: its words in small letters are words of the language."""
        for word in _SMALL_WORD.findall(text):
            self._display_words.add(word, 0, _ALONE)

    def person_shown(self, text: str) -> None:
        """A person's name as a reference shows it: none of its words is one of the language by that."""
        self.full_name([], [], text)
        for word in _SMALL_WORD.findall(text):
            self._person_words.add(word, 0, _ALONE)

    def unreadable(self, line: bytes) -> None:
        """A line of the source that is no JSON, though it may hold a person."""
        self._leave_out(line.decode("latin-1"), Unsearched.LINE_UNREADABLE)

    def _add(self, squeezed: str, leak: LeakClass, rows: int, *, primary: bool = True) -> None:
        self._searched.add(squeezed, _CODE[leak], rows | (PRIMARY if primary else 0))

    def _leave_out(self, text: str, why: Unsearched, *, when: bool = True) -> None:
        if when:
            self._left_out.add(f"{why}{text}", _WHY[why], PRIMARY | _ALONE)


def _first_class(parts: list[Gathered]) -> dict[int, LeakClass]:
    days: dict[int, LeakClass] = {}
    for part in parts:
        for day, leak in part.days.items():
            days[day] = min(leak, days.get(day, leak), key=CLASSES.index)
    return days


__all__ = ["CLASSES", "Gathered", "Gatherer"]
