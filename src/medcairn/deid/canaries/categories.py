"""The 18 categories of 45 CFR 164.514(b)(2)(i) as canaries: values that look real and are like no other."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

AS_OF = date(2025, 6, 30)
"""The day on which the ages of canaries are reckoned: born in 1900 to 1929, all of them are over 89."""

_FIRST_DAY = date(1930, 1, 2)
_ON_HIDDEN_GROUND = 3
_DAYS = 28_400
"""Canary dates lie in 1930 to 2007, before the specimens' own, so that none of those is moved onto one."""


class Category(StrEnum):
    """The categories in the regulation's order, (A) to (R)."""

    NAME = "name"
    GEOGRAPHIC = "geographic"
    DATE = "date"
    TELEPHONE = "telephone"
    FAX = "fax"
    EMAIL = "email"
    SOCIAL_SECURITY = "social_security"
    MEDICAL_RECORD = "medical_record"
    HEALTH_PLAN = "health_plan"
    ACCOUNT = "account"
    LICENCE = "licence"
    VEHICLE = "vehicle"
    DEVICE = "device"
    URL = "url"
    IP_ADDRESS = "ip_address"
    BIOMETRIC = "biometric"
    PHOTOGRAPH = "photograph"
    OTHER = "other"


class Ground(StrEnum):
    """What a place can take."""

    TEXT = "text"
    """Every category."""

    HIDDEN = "hidden"
    """A few categories in turn: there are many such places, and all take any text."""

    AGE = "age"
    """A number of years above 89."""

    BIRTH = "birth"
    """A date of birth more than 89 years before ``as_of``."""


@dataclass(frozen=True)
class Canary:
    """A planted value. It leaked when one of ``needles`` (folded) occurs in what left."""

    category: Category
    text: str
    needles: tuple[str, ...]


def canary(category: Category, number: int) -> Canary:
    """The canary of a category with that number, 0 to 9,999,999; numbers repeat among dates alone."""
    text, needles = _FORMS[category](number)
    return Canary(category, text, tuple(needle.casefold() for needle in needles))


def canaries(ground: Ground, number: int) -> list[Canary]:
    """What is planted on a place of that kind, numbered from ``number``."""
    if ground is Ground.AGE:
        years = f"{90 + number / 10_000_000:.7f}"
        return [Canary(Category.DATE, years, (years,))]
    if ground is Ground.BIRTH:
        year = 1900 + number % 30
        return [Canary(Category.DATE, f"{year}-05-17", (f'"{year}"', f'"{year}-'))]
    every = tuple(Category)
    chosen = len(every) if ground is Ground.TEXT else _ON_HIDDEN_GROUND
    return [canary(every[n % len(every)], n) for n in range(number, number + chosen)]


def _word(number: int) -> str:
    """A made-up word of nine letters that no other number has."""
    letters = ""
    for _ in range(6):
        number, rest = divmod(number, 26)
        letters = chr(ord("a") + rest) + letters
    return f"Zq{letters}v"


_Form = tuple[str, tuple[str, ...]]


def _name(number: int) -> _Form:
    word = _word(number)
    return f"{word} Quorvath", (word, "quorvath")


def _geographic(number: int) -> _Form:
    word = _word(number)
    # A ZIP code alone is five digits, which a pseudonym may hold by chance: it is sought as a value's start.
    return f"1478 {word} Street, Springfield, 01103", (word, '"01103', "springfield")


def _date(number: int) -> _Form:
    day = _FIRST_DAY + timedelta(days=(number * 7919) % _DAYS)
    if (day.month, day.day) == (1, 1):
        day += timedelta(days=1)  # where a first record is moved to
    return day.isoformat(), (day.isoformat(), f"{day:%Y%m%d}", f"{day:%m/%d/%Y}")


def _telephone(number: int) -> _Form:
    digits = f"617{number:07d}"
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}", (digits,)


def _fax(number: int) -> _Form:
    digits = f"413{number:07d}"
    return f"+1-{digits[:3]}-{digits[3:6]}-{digits[6:]}", (digits,)


def _email(number: int) -> _Form:
    word = _word(number)
    return f"{word.lower()}@quorvath.example.org", (word, "quorvath")


def _social_security(number: int) -> _Form:
    digits = f"{900_000_000 - 13 * number:09d}"
    return f"{digits[:3]}-{digits[3:5]}-{digits[5:]}", (digits,)


def _medical_record(number: int) -> _Form:
    text = f"{number:07d}53"  # never the form of a SNOMED CT concept id: such a number is a code to anyone
    return text, (text,)


def _health_plan(number: int) -> _Form:
    return f"1EG4-TE5-{number:07d}", (f"te5{number:07d}",)


def _account(number: int) -> _Form:
    text = f"410{number:07d}53"
    return text, (text,)


def _licence(number: int) -> _Form:
    return f"S{990_000_000 - number:09d}", (f"{990_000_000 - number:09d}",)


def _vehicle(number: int) -> _Form:
    word = _word(number).upper()
    return f"1HG{word}7A1234", (word,)


def _device(number: int) -> _Form:
    word = _word(number).upper()
    return f"(01)00844588003288(17)141120(21){word}", (word, "00844588003288")


def _url(number: int) -> _Form:
    word = _word(number).lower()
    return f"https://quorvath.example.org/people/{word}", (word, "quorvath")


def _ip_address(number: int) -> _Form:
    text = ".".join(str(101 + (number // 95**place) % 95) for place in (3, 2, 1, 0))
    return text, (text, text.replace(".", ""))


def _biometric(number: int) -> _Form:
    word = _word(number)
    text = base64.b64encode(f"voiceprint {word}".encode()).decode()
    return text, (text, word)


def _photograph(number: int) -> _Form:
    word = _word(number)
    text = base64.b64encode(b"\xff\xd8\xff\xe0\x00\x10JFIF" + word.encode()).decode()
    return text, (text, word)


def _other(number: int) -> _Form:
    text = f"7c1f3b2a-90de-4c55-8a6e-{number:012d}"
    return text, (text, f"8a6e{number:012d}")


_FORMS: Mapping[Category, Callable[[int], _Form]] = {
    Category.NAME: _name,
    Category.GEOGRAPHIC: _geographic,
    Category.DATE: _date,
    Category.TELEPHONE: _telephone,
    Category.FAX: _fax,
    Category.EMAIL: _email,
    Category.SOCIAL_SECURITY: _social_security,
    Category.MEDICAL_RECORD: _medical_record,
    Category.HEALTH_PLAN: _health_plan,
    Category.ACCOUNT: _account,
    Category.LICENCE: _licence,
    Category.VEHICLE: _vehicle,
    Category.DEVICE: _device,
    Category.URL: _url,
    Category.IP_ADDRESS: _ip_address,
    Category.BIOMETRIC: _biometric,
    Category.PHOTOGRAPH: _photograph,
    Category.OTHER: _other,
}

__all__ = ["AS_OF", "Canary", "Category", "Ground", "canaries", "canary"]
