"""The identifiers that are searched for, as 64-bit hashes, and the forms in which text can hold them.

Only hashes are kept: a set of them is small, and a dump of the scanner's memory is no list of patients. The
hashes are Python's own (SipHash with a key per process), so an index lives in one process.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from medcairn.deid.leaks.report import LeakClass

_WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(r"[\w.+@%-]+")
_NUMBER_RUN = re.compile(r"\+?\(?[0-9][0-9 ().\-]{5,}[0-9]")
_ISO_DATE = re.compile(r"(?<![0-9])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
_US_DATE = re.compile(r"(?<![0-9])([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?![0-9])")
_POSTAL = re.compile(r"(?<![\w./+-])([0-9]{5})(?:-[0-9]{4})?(?![\w/+-])")
_SQUEEZE = re.compile(r"[\W_]+")

_DIGITS = re.compile(r"[0-9]+")

MOST_GROUPS = 6
SHORTEST_NAME = 4
SHORTEST_IDENTIFIER = 5
SHORTEST_NUMBER = 7
SHORTEST_FREE_ID = 8


def fold(text: str) -> str:
    """Case-folded text, the form in which words are compared."""
    return text.casefold()


def squeeze(text: str) -> str:
    """Text without anything but letters and digits."""
    if text.isalnum():
        return text
    plain = text.replace("-", "").replace(".", "")
    return plain if plain.isalnum() else _SQUEEZE.sub("", plain)


def words(text: str) -> list[str]:
    """The words of folded text."""
    return _WORD.findall(text)


class Index:
    """Identifiers of the source. ``add_*`` while harvesting, ``in_*`` while searching."""

    def __init__(self) -> None:
        self._words: dict[int, LeakClass] = {}
        self._phrases: dict[int, set[tuple[int, int]]] = {}
        self._runs: dict[int, LeakClass] = {}
        self._numbers: dict[int, LeakClass] = {}
        self._short_ids: set[int] = set()
        self._postal: set[int] = set()
        self._births: set[int] = set()
        self._coordinates: set[int] = set()

    def counts(self) -> dict[LeakClass, int]:
        """How many identifiers of each class are searched for."""
        found: Counter[LeakClass] = Counter()
        for table in (self._words, self._runs, self._numbers):
            found.update(table.values())
        found[LeakClass.PHRASE] += sum(len(phrases) for phrases in self._phrases.values())
        found[LeakClass.RESOURCE_ID] += len(self._short_ids)
        found[LeakClass.POSTAL_CODE] += len(self._postal)
        found[LeakClass.BIRTH_DATE] += len(self._births)
        found[LeakClass.COORDINATE] += len(self._coordinates)
        return {leak: count for leak, count in found.items() if count}

    def add_word(self, text: str, leak: LeakClass) -> None:
        """A name or city: each word of four letters or more by itself."""
        for word in words(fold(text)):
            if len(word) >= SHORTEST_NAME and not word.isdigit():
                self._words[hash(word)] = leak

    def add_phrase(self, text: str) -> None:
        """Several words in a row, such as a street line or a full name."""
        parts = words(fold(text))
        if len(parts) >= 2:
            start = hash((parts[0], parts[1]))
            self._phrases.setdefault(start, set()).add((len(parts), hash(tuple(parts))))

    def add_identifier(self, text: str) -> None:
        """A medical record number, licence, serial number, e-mail address: as written and squeezed."""
        folded = fold(text.strip())
        if "@" in folded:
            self._runs[hash(folded)] = LeakClass.EMAIL
            return
        squeezed = squeeze(folded)
        if len(squeezed) < SHORTEST_IDENTIFIER or not any(mark.isdigit() for mark in squeezed):
            return
        if squeezed.isdigit() and len(squeezed) >= SHORTEST_NUMBER:
            self._numbers.setdefault(hash(squeezed), LeakClass.IDENTIFIER)
        else:
            self._runs.setdefault(hash(squeezed), LeakClass.IDENTIFIER)

    def add_phone(self, text: str) -> None:
        """A telephone or fax number, by its digits, without the country code 1."""
        digits = "".join(mark for mark in text if "0" <= mark <= "9")
        if len(digits) == 11 and digits[0] == "1":
            digits = digits[1:]
        if len(digits) >= SHORTEST_NUMBER:
            self._numbers[hash(digits)] = LeakClass.PHONE

    def add_id(self, text: str) -> None:
        """A resource id. Short ones, and plain words, are searched only where ids stand."""
        folded = fold(text)
        squeezed = squeeze(folded)
        if len(squeezed) >= SHORTEST_FREE_ID and not squeezed.isalpha():
            self._runs.setdefault(hash(squeezed), LeakClass.RESOURCE_ID)
        else:
            self._short_ids.add(hash(folded))

    def add_postal_code(self, text: str) -> None:
        """A ZIP code of five digits."""
        if len(text) >= 5 and text[:5].isdigit():
            self._postal.add(hash(text[:5]))

    def add_birth_date(self, text: str) -> None:
        """A full date of birth, ``YYYY-MM-DD``."""
        if len(text) == 10:
            self._births.add(hash(text))

    def add_coordinate(self, text: str) -> None:
        """A latitude or longitude, in its digits."""
        if len(text) >= SHORTEST_NUMBER and "." in text:
            self._coordinates.add(hash(text))

    def in_text(self, text: str) -> Iterator[LeakClass]:
        """The classes of identifiers that free text or a code holds."""
        folded = fold(text)
        parts = words(folded)
        yield from self._in_words(parts)
        yield from self._in_runs(folded)
        yield from self._in_numbers(folded)
        for match in _ISO_DATE.finditer(folded):
            if hash("-".join(match.groups())) in self._births:
                yield LeakClass.BIRTH_DATE
        for match in _US_DATE.finditer(folded):
            if hash(f"{match[3]}-{match[1]:0>2}-{match[2]:0>2}") in self._births:
                yield LeakClass.BIRTH_DATE
        for match in _POSTAL.finditer(folded):
            if hash(match[1]) in self._postal:
                yield LeakClass.POSTAL_CODE

    def is_pseudonym_of_source(self, pseudonym: str) -> bool:
        """Whether 32 hex digits, the form of our pseudonyms, are an id of the source."""
        return hash(pseudonym) in self._runs

    def in_id(self, text: str) -> bool:
        """Whether the text of an id or the last part of a reference is an id of the source."""
        last = fold(text).rsplit("/", 1)[-1].rsplit(":", 1)[-1].lstrip("#")
        return hash(last) in self._short_ids or hash(squeeze(last)) in self._runs

    def is_birth_date(self, text: str) -> bool:
        """Whether a whole date is the birth date of a subject of the source."""
        return hash(text) in self._births

    def in_number(self, text: str) -> LeakClass | None:
        """The class of a JSON number: a coordinate, or an identifier that became a number."""
        if "." in text:
            return LeakClass.COORDINATE if hash(text.lstrip("-")) in self._coordinates else None
        return self._numbers.get(hash(text.lstrip("-"))) if len(text) >= SHORTEST_NUMBER else None

    def _in_words(self, parts: list[str]) -> Iterator[LeakClass]:
        for place, word in enumerate(parts):
            leak = self._words.get(hash(word))
            if leak is not None:
                yield leak
            phrases = self._phrases.get(hash((word, parts[place + 1]))) if place + 1 < len(parts) else None
            for length, whole in phrases or ():
                if hash(tuple(parts[place : place + length])) == whole:
                    yield LeakClass.PHRASE

    def _in_runs(self, folded: str) -> Iterator[LeakClass]:
        for run in _RUN.findall(folded):
            leak = self._runs.get(hash(run.strip(".,-"))) or self._runs.get(hash(squeeze(run)))
            if leak is not None:
                yield leak

    def _in_numbers(self, folded: str) -> Iterator[LeakClass]:
        """Each row of neighbouring groups of digits is tried, since other numbers may stand beside."""
        for run in _NUMBER_RUN.findall(folded):
            groups = _DIGITS.findall(run)
            for start in range(len(groups)):
                number = ""
                for group in groups[start : start + MOST_GROUPS]:
                    number += group
                    leak = self._numbers.get(hash(number))
                    if leak is None and len(number) == 11 and number[0] == "1":
                        leak = self._numbers.get(hash(number[1:]))
                    if leak is not None:
                        yield leak


__all__ = ["Index", "fold", "words"]
