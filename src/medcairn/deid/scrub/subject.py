"""What identifies one subject, and the forms in which a note may hold it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

import yaml

from medcairn.core.identifiers import IdentifierClass as Class

_WORD = re.compile(r"[^\W\d_]+|[0-9]+")
_SHORTEST_NUMBER = 5
_UNITS = frozenset({"apt", "apartment", "unit", "suite", "ste", "floor", "room"})
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip


@dataclass(frozen=True)
class _Words:
    """The content of ``words.yaml``."""

    names: frozenset[str]
    address: tuple[tuple[str, str], ...]


@cache
def _known_words() -> _Words:
    text = resources.files("medcairn.deid.scrub").joinpath("words.yaml").read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (plain text for every scalar)
    return _Words(frozenset(content["names_that_are_words"]), tuple(content["address_words"].items()))


@dataclass(frozen=True)
class PersonName:
    """A person's name: given names in order, and the family name."""

    given: tuple[str, ...]
    family: str

    def parts(self) -> Iterator[str]:
        """Each name by itself, and each half of a double name."""
        for whole in (*self.given, self.family):
            yield whole
            yield from re.split(r"[\s-]+", whole)

    def orders(self) -> Iterator[str]:
        """The name as it may be written: both orders, with all given names, one, or initials."""
        initials = [name[:1] for name in self.given]
        spoken = [
            " ".join(self.given),
            *self.given[:1],
            " ".join([*self.given[:1], *initials[1:]]),
            " ".join(initials),
            *initials[:1],
        ]
        for given in spoken:
            if given and self.family:
                yield f"{given} {self.family}"
                yield f"{self.family} {given}"
        if len(self.given) > 1:
            yield " ".join(self.given)


@dataclass(frozen=True)
class SubjectIdentifiers:
    """All that identifies one subject: their own data and those of relatives, visits and clinicians.

    ``numbers`` are record numbers, licences, visit numbers and the like; ``dates`` the days that are theirs.
    Of ``clinicians`` only whole names are looked for, of ``names`` each part too.
    """

    names: tuple[PersonName, ...] = ()
    streets: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    postal_codes: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    dates: tuple[date, ...] = ()
    facilities: tuple[str, ...] = ()
    clinicians: tuple[PersonName, ...] = ()

    def keys(self) -> dict[str, Key]:
        """Every form of every identifier, squeezed to its letters and digits, with what it is."""
        found: dict[str, Key] = {}
        for key, kind, capital in self._keys():
            known = found.get(key)
            if len(key) > 1 and (known is None or known.needs_capital):
                found[key] = Key(kind, capital)
        return found

    def _keys(self) -> Iterator[tuple[str, Class, bool]]:
        for name in self.names:
            for text in name.orders():
                yield squeeze(text), Class.NAME, False
            for part in name.parts():
                key = squeeze(part)
                yield key, Class.NAME, len(key) < 4 or key in _known_words().names
        for kind, forms in self._plain_forms():
            for key in forms:
                yield key, kind, False
        for name in self.clinicians:
            if name.given and name.family:
                for text in name.orders():
                    yield squeeze(text), Class.NAME, True
        for city in self.cities:
            yield squeeze(city), Class.CITY, True

    def _plain_forms(self) -> Iterator[tuple[Class, Iterable[str]]]:
        yield Class.ADDRESS, (key for street in self.streets for key in _street_forms(street))
        yield Class.POSTAL_CODE, (key for code in self.postal_codes for key in _postal_forms(code))
        yield Class.PHONE, (key for phone in self.phones for key in _phone_forms(phone))
        yield Class.EMAIL, map(squeeze, self.emails)
        yield Class.IDENTIFIER, (key for number in self.numbers for key in _number_forms(number))
        yield Class.DATE, (key for day in self.dates for key in _date_forms(day))
        yield Class.FACILITY, (squeeze(name) for name in self.facilities if len(words(name)) > 1)


@dataclass(frozen=True)
class Key:
    """What a squeezed text is, and whether it counts only where it begins with a capital letter."""

    identifier_class: Class
    needs_capital: bool = False


def fold(text: str) -> str:
    """Text without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(mark for mark in plain if not unicodedata.combining(mark)).casefold()


def words(text: str) -> list[str]:
    """The words and numbers of folded text."""
    return _WORD.findall(fold(text))


def squeeze(text: str) -> str:
    """The letters and digits of folded text."""
    return "".join(words(text))


def _street_forms(street: str) -> Iterator[str]:
    """The line as it is, and with its words in full or shortened; each also without its number or unit."""
    whole = words(street)
    bare = whole[1:] if whole and whole[0].isdigit() else whole
    for parts in (whole, bare):
        unit = next((place for place, word in enumerate(parts) if word in _UNITS), len(parts))
        for some in (parts, parts[:unit]):
            if len(some) > 1:
                yield "".join(some)
                for long, short in _known_words().address:
                    yield "".join(short if word == long else word for word in some)
                    yield "".join(long if word == short else word for word in some)
                yield "".join(dict(_known_words().address).get(word, word) for word in some)


def _postal_forms(code: str) -> Iterator[str]:
    key = squeeze(code)
    if len(key) >= 5:
        yield key
        yield key[:5]


def _phone_forms(phone: str) -> Iterator[str]:
    digits = "".join(mark for mark in phone if "0" <= mark <= "9")
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) >= 7:
        yield from (digits, f"1{digits}", f"001{digits}")
    if len(digits) == 10:
        yield digits[3:]


def _number_forms(number: str) -> Iterator[str]:
    """The whole value; its digits alone, with and without leading zeros, where they are many."""
    key = squeeze(number)
    if len(key) >= _SHORTEST_NUMBER and any(mark.isdigit() for mark in key):
        yield key
    digits = "".join(mark for mark in key if mark.isdigit())
    for some in (digits, digits.lstrip("0")):
        if len(some) > _SHORTEST_NUMBER:
            yield some


def _date_forms(day: date) -> Iterator[str]:
    """Forms of a day in which its letters or eight digits tell that it is one."""
    yield day.strftime("%Y%m%d")
    yield day.strftime("%m%d%Y")
    yield day.strftime("%d%m%Y")
    month = _MONTHS[day.month - 1]
    for name in (month, month[:3]):
        for year in (str(day.year), f"{day.year % 100:02}"):
            for number in (str(day.day), f"{day.day:02}"):
                yield f"{number}{name}{year}"
                yield f"{name}{number}{year}"


def prefixes(keys: Mapping[str, Key]) -> frozenset[str]:
    """Every beginning of every key."""
    return frozenset(key[:length] for key in keys for length in range(1, len(key) + 1))


__all__ = ["Key", "PersonName", "SubjectIdentifiers", "fold", "prefixes", "squeeze", "words"]
