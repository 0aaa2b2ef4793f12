"""Check digits and ranges: what tells an identifier from a number that only looks like one.

Each check takes the match of a detector's pattern.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date

Check = Callable[[re.Match[str]], bool]

_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VERHOEFF_PRODUCT = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_SHIFT = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415",
    "7046913258",
)  # fmt: skip
_ID_PART = re.compile(r"[0-9]{5,}|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-")
_ID_QUERY = re.compile(
    r"[?&;](?:[\w.-]*(?:id|mrn|ssn|name|patient|user|token|email|dob|phone)[\w.-]*)=[^&#;]", re.IGNORECASE
)


def luhn(digits: str) -> bool:
    """The Luhn check (ISO/IEC 7812-1 annex B) over a number with its check digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff's check, as SNOMED CT identifiers carry it."""
    state = 0
    for place, digit in enumerate(reversed(digits)):
        state = int(_VERHOEFF_PRODUCT[state][int(_VERHOEFF_SHIFT[place % 8][int(digit)])])
    return state == 0


def npi(digits: str) -> bool:
    """A National Provider Identifier: ten digits, Luhn over them with the prefix 80840 (45 CFR 162.406)."""
    return len(digits) == 10 and digits[0] in "12" and luhn("80840" + digits)


def dea(text: str) -> bool:
    """A DEA registration number: two letters, six digits and the last digit of their weighted sum."""
    digits = [int(digit) for digit in text[2:]]
    return (sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6]


def vin(text: str) -> bool:
    """A North American vehicle identification number (49 CFR 565.15): position 9 checks the others."""
    if len(set(text)) < 5:
        return False
    total = sum(
        (int(mark) if mark.isdigit() else _VIN_VALUES[mark]) * weight
        for mark, weight in zip(text, _VIN_WEIGHTS, strict=True)
    )
    return text[8] == "0123456789X"[total % 11]


def ssn(digits: str) -> bool:
    """A social security number that can have been issued, or an individual taxpayer number (from 900)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and group != "00" and serial != "0000"


def _date(match: re.Match[str]) -> bool:
    """A day of the calendar. Where day and month can be exchanged, either reading will do."""
    found = {name: value for name, value in match.groupdict().items() if value}
    if "y1" in found:
        return _is_day(found["y1"], found["m1"], found["d1"])
    if "y2" in found:
        first, second, year = found["a2"], found["b2"], found["y2"]
        return _is_day(year, first, second) or _is_day(year, second, first)
    return 1 <= int(found.get("d3") or found.get("d4") or 0) <= 31


def _is_day(year: str, month: str, day: str) -> bool:
    century = 0 if len(year) == 4 else 2000
    try:
        date(century + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _day(match: re.Match[str]) -> bool:
    return 1 <= int(match["d1"] or match["d2"]) <= 31


def _ip(match: re.Match[str]) -> bool:
    """An address that may be a machine's: not the loopback, not the unspecified one."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _mac(match: re.Match[str]) -> bool:
    return set(_squeezed(match).casefold()) not in ({"0"}, {"f"})


def _url_id(match: re.Match[str]) -> bool:
    """Whether an address holds something that may single a person out: a long number, a UUID, a user."""
    _, _, rest = match[0].partition("://")
    host, _, path = rest.partition("/")
    return "@" in host or _ID_PART.search(path) is not None or _ID_QUERY.search(path) is not None


def _loinc(match: re.Match[str]) -> bool:
    """LOINC's last digit is the Luhn check digit of the others."""
    return luhn(_digits(match))


def _squeezed(match: re.Match[str]) -> str:
    return "".join(mark for mark in value_of(match)[0] if mark.isalnum())


def _digits(match: re.Match[str]) -> str:
    return "".join(mark for mark in value_of(match)[0] if "0" <= mark <= "9")


def value_of(match: re.Match[str]) -> tuple[str, int, int]:
    """The identifier within a match, with its start and end: the group named value, or all of it."""
    for name in ("value", "value2", "value3"):
        if name in match.re.groupindex and match[name] is not None:
            return match[name], match.start(name), match.end(name)
    return match[0], match.start(), match.end()


CHECKS: Mapping[str, Check] = {
    "date": _date,
    "day": _day,
    "dea": lambda match: dea(_squeezed(match)),
    "ip": _ip,
    "loinc": _loinc,
    "mac": _mac,
    "npi": lambda match: npi(_digits(match)),
    "phone_length": lambda match: 8 <= len(_digits(match)) <= 15,
    "several_digits": lambda match: len(_digits(match)) >= 4,
    "ssn": lambda match: ssn(_digits(match)),
    "url_id": _url_id,
    "verhoeff": lambda match: verhoeff(_digits(match)),
    "vin": lambda match: vin(match[0]),
}
"""The checks that ``detectors.yaml`` may name."""


__all__ = ["CHECKS", "Check", "dea", "luhn", "npi", "ssn", "value_of", "verhoeff", "vin"]
