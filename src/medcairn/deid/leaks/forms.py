"""The forms in which an identifier is searched for: names in both orders, numbers as digits."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator

from medcairn.deid.leaks.folding import fold, has_ideographs, words
from medcairn.deid.leaks.hashing import LONGEST_ROW

SHORTEST_NAME = 4
SHORTEST_IDENTIFIER = 5
SHORTEST_NUMBER = 7
SHORTEST_PHRASE_AS_A_WORD = 8
SHORTEST_FREE_ID = 8
SHORTEST_IDEOGRAPHS = 3

_MONTHS = frozenset(month.lower() for month in calendar.month_name)
_TITLES = re.compile(
    r"(?:mr|mrs|ms|miss|mx|dr|prof|sir|dame|rev|fr|sra?|srta|herr|frau|mme|mlle|"
    r"md|do|dds|phd|rn|np|pa|jr|i{2,3}|iv|esq)"
)
_LETTERS_THEN_NUMBER = re.compile(r"[a-z]{1,6}([0-9]{7,})\Z")
_COUNTRY_CODES = (1, 2, 3)


def full_names(given: list[str], family: list[str]) -> Iterator[str]:
    """Full names in both orders, with the first name alone and with all of them."""
    every = " ".join(given)
    for last in family:
        for first in dict.fromkeys((*given, every)):
            if first:
                yield f"{first} {last}"
                yield f"{last} {first}"


def without_titles(name: str) -> list[str]:
    """The words of a name as written, but for ``Mrs.``, ``MD`` and the like."""
    bare = name.replace(",", " ").split()
    return [word for word in bare if not _TITLES.fullmatch(fold(word).strip(" ."))]


def long_enough(word: str) -> bool:
    """Whether a folded name is searched by itself: four letters, or three ideographs."""
    if has_ideographs(word):
        return len(word) >= SHORTEST_IDEOGRAPHS
    return len(word) >= SHORTEST_NAME and not word.isdigit()


def long_enough_row(row: str) -> bool:
    """Whether a name of several words is searched: four letters in all, or three ideographs."""
    return len(row) >= (SHORTEST_IDEOGRAPHS if has_ideographs(row) else SHORTEST_NAME)


def street_starts(line: str) -> str | None:
    """The house number and the street's name of ``297 Birchmere Road``: what is written after varies."""
    parts = words(fold(line))
    if len(parts) < 3 or not parts[0].isdigit() or len(parts[1]) <= SHORTEST_NAME or parts[1] in _MONTHS:
        return None
    return f"{parts[0]} {parts[1]}"


def phone_numbers(text: str) -> tuple[list[str], str | None]:
    """The digits of a telephone number with and without country code and extension; and the local number.

    A number of ten digits, or of eleven that begin with 1, is taken for a North American one.
    """
    main = re.split(r"(?i)(?:x|ext|;)", text)[0]
    whole, digits = _digits(text), _digits(main)
    abroad = main.strip().startswith(("+", "00"))
    digits = digits.removeprefix("00") if abroad else digits
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    found = [whole, digits]
    if len(digits) == 10:
        found.append("1" + digits)
    if abroad and len(digits) > SHORTEST_NUMBER + 2:
        found += [prefix + digits[code:] for code in _COUNTRY_CODES for prefix in ("", "0")]
        found += ["00" + digits, "011" + digits]
    local = digits[3:] if len(digits) == 10 and not abroad else None
    return [number for number in dict.fromkeys(found) if len(number) >= SHORTEST_NUMBER], local


def identifier_forms(squeezed: str) -> Iterator[str]:
    """A squeezed identifier, its digits without the letters before them, and without leading zeros."""
    yield squeezed
    match = _LETTERS_THEN_NUMBER.match(squeezed)
    number = match[1] if match else squeezed
    if number.isdigit():
        bare = number.lstrip("0")
        yield from (form for form in (number, bare) if form != squeezed and len(form) >= SHORTEST_NUMBER)


def coordinate_forms(written: str) -> Iterator[str]:
    """A latitude or longitude as written, as a program prints it again, and with six decimals."""
    plain = written.lstrip("+-")
    if len(plain) < SHORTEST_NUMBER or "." not in plain:
        return
    number = abs(float(plain))
    cut = plain[: plain.index(".") + 7]
    for form in dict.fromkeys((plain, repr(number), f"{number:.6f}", cut)):
        if len(form) >= SHORTEST_NUMBER and "e" not in form:
            yield form.replace(".", "")


def squeeze(text: str) -> str:
    """The words of a text, folded, without what stands between them; no more words than a row may have."""
    bare = text.lower().replace("-", "")
    if bare.isascii() and bare.isalnum() and "t" not in bare and text.count("-") < LONGEST_ROW:
        return bare  # what the line below gives, sooner, for most ids
    return "".join(words(fold(text))[:LONGEST_ROW])


def is_short_id(squeezed: str) -> bool:
    """Whether a resource id is too short, or too like a word, to be searched anywhere but where ids stand."""
    return bool(squeezed) and (len(squeezed) < SHORTEST_FREE_ID or squeezed.isalpha())


def _digits(text: str) -> str:
    return "".join(mark for mark in text if "0" <= mark <= "9")


__all__ = [
    "SHORTEST_FREE_ID",
    "SHORTEST_IDENTIFIER",
    "SHORTEST_NUMBER",
    "SHORTEST_PHRASE_AS_A_WORD",
    "coordinate_forms",
    "full_names",
    "identifier_forms",
    "is_short_id",
    "long_enough",
    "long_enough_row",
    "phone_numbers",
    "squeeze",
    "street_starts",
    "without_titles",
]
