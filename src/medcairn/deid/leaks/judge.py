"""Which classes of identifiers a text holds, decided on the words of everything that can be read in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from medcairn.deid.leaks.dates import days_in
from medcairn.deid.leaks.encodings import readings
from medcairn.deid.leaks.folding import fold
from medcairn.deid.leaks.forms import is_short_id, squeeze
from medcairn.deid.leaks.gathering import CLASSES, Gathered
from medcairn.deid.leaks.hashing import LONGEST_ROW, PART, Words, hash_all
from medcairn.deid.leaks.report import LeakClass
from medcairn.deid.leaks.table import Table

Classes = tuple[LeakClass, ...]

_ONE_LINE = str.maketrans({"\n": " "})
_POSTAL = re.compile(r"(?<![\w./+-])[0-9]{5}(?:-[0-9]{4})?(?![\w/+-]|\.[0-9])")
_TWO_GROUPS = re.compile(r"(?<![0-9.])[0-9]{3}[ -]+[0-9]{4}(?![0-9])|[0-9]{5}")
_MOST_SHORT_IDS = 50_000
_BATCH_BYTES = 1 << 20


class Judge:
    """Looks texts up in the identifiers of a source."""

    def __init__(self, gathered: Gathered) -> None:
        self._table = Table(gathered.searched)
        self._ids = Table(gathered.ids)
        self._days: Mapping[int, LeakClass] = gathered.days
        self._short: dict[str, bool] = {}
        self.has_short_ids = len(gathered.ids) > 0

    def plain(self, pieces: Sequence[bytes]) -> list[bool]:
        """Whether each of ``pieces`` may hold an identifier in plain sight; a False is certain."""
        found = [False] * len(pieces)
        for text, _, _ in self._rows(pieces):
            found[text] = True
        return found

    def classes(self, texts: Sequence[str]) -> list[Classes]:
        """The classes that each of ``texts`` holds, in any of its readings, in the order of the classes."""
        found: list[set[LeakClass]] = [set() for _ in texts]
        folded: list[str] = []
        owners: list[int] = []
        size = 0
        for owner, text in enumerate(texts):
            for reading in readings(text):
                folded.append(fold(reading.translate(_ONE_LINE)))
                owners.append(owner)
                size += len(folded[-1])
            if size > _BATCH_BYTES or owner == len(texts) - 1:
                for place, leak in self._stand(folded):
                    found[owners[place]].add(leak)
                folded, owners, size = [], [], 0
        return [tuple(leak for leak in CLASSES if leak in some) for some in found]

    def short_id(self, text: str) -> bool:
        """Whether a text, which stands where an id does, is one of those that are searched only there."""
        if not self.has_short_ids:
            return False
        squeezed = squeeze(_last_part(text))
        if not is_short_id(squeezed):
            return False
        known = self._short.get(squeezed)
        if known is None:
            places, _ = self._ids.find(hash_all([squeezed]), 1)
            if len(self._short) >= _MOST_SHORT_IDS:
                self._short.clear()
            known = self._short[squeezed] = len(places) > 0
        return known

    def birth_day(self, ordinal: int) -> bool:
        """Whether somebody of the source was born on that day."""
        return self._days.get(ordinal) is LeakClass.BIRTH_DATE

    def is_day(self, ordinal: int) -> bool:
        """Whether the source holds that day."""
        return ordinal in self._days

    def _stand(self, folded: list[str]) -> Iterator[tuple[int, LeakClass]]:
        encoded = [text.encode("utf-8", "replace") for text in folded]
        for place, leak, length in self._rows(encoded):
            if _can_stand(folded[place], leak, length):
                yield place, leak
        for place, text in enumerate(folded):
            for day in days_in(text):
                if day in self._days:
                    yield place, self._days[day]

    def _rows(self, pieces: Sequence[bytes]) -> Iterator[tuple[int, LeakClass, int]]:
        """(text, class, number of words) of every row of words that is an identifier."""
        words = Words(PART.join(pieces))
        among = words.all()
        for length in range(1, LONGEST_ROW + 1):
            among, hashes = words.rows(length, among)
            if not len(among):
                return
            places, leaks = self._table.find(hashes, length)
            texts = words.text[among[places]]
            for text, leak in zip(texts.tolist(), leaks.tolist(), strict=True):
                yield text, CLASSES[leak], length


def _last_part(text: str) -> str:
    """``p1`` of ``Patient/p1``, ``https://…/Patient/p1/_history/2`` or ``urn:uuid:p1``."""
    return text.split("/_history/")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _can_stand(folded: str, leak: LeakClass, length: int) -> bool:
    """Whether an identifier of that class and number of words can stand in the text as it does there.

    Five digits are a ZIP code only by themselves, not within ``48642-3`` or ``1.05101``; three digits and
    four are a telephone number only with a space or hyphen between them, not as ``436.4287``.
    """
    if leak is LeakClass.POSTAL_CODE:
        return _POSTAL.search(folded) is not None
    if leak is LeakClass.PHONE and length == 2:
        return _TWO_GROUPS.search(folded) is not None
    return True


__all__ = ["Classes", "Judge"]
