"""What must hold, besides its pattern, before something counts as an identifier in a machine's text.

Each check takes the match of a detector's pattern and may look at what stands around it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from medcairn.core.identifiers.checks import CHECKS, Check, ssn, value_of
from medcairn.phi.words import vocabulary

_BEFORE_IN_A_LIST = re.compile(r"[0-9\[(][ \t]{0,8}\Z")
_AFTER_IN_A_LIST = re.compile(r"[ \t]{0,8}\]|[ \t]{1,8}[0-9]")
_DECIMAL_IN_GROUPS = re.compile(r"[0-9]\.[0-9]+ [0-9]|[0-9] [0-9]+\.[0-9]")
_NUMBERS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[^\W\d_][^\W\d_’'-]*(?:[’'-][^\W\d_]+)*")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}\Z")
_PERSON_SEGMENT = re.compile(
    r"(?i:patients?|person|persons|relatedperson|member|members|mrn|ssn|encounters?|coverage|claim)\Z"
)
_PERSON_QUERY = re.compile(
    r"(?i:(?:\A|[&;?])(?:mrn|ssn|dob|birth[_-]?date|patient(?:[_.-]?(?:id|name|mrn))?|pat[_-]?id|pid|subject|member(?:[_-]?id)?|"
    r"(?:first|last|family|given|full)[_-]?name|name|email|phone|identifier)=[^&;]{2,80})"
)
_DIGEST = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\Z")
_LINKING = frozenset(
    {
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "if",
        "in",
        "is",
        "not",
        "of",
        "on",
        "or",
        "the",
        "to",
        "was",
        "with",
    }
)
_SIZE_STEPS = (32, 50)
_WINDOW_BEFORE, _WINDOW_AFTER = 90, 50


def _sizes(text: str) -> bool:
    """Whether all numbers are those of layers and batches (512-256-1024), as no real number is but by chance.

    Of the telephone and social security numbers that can be, about one in eight thousand looks like this.
    """
    numbers = [int(number) for number in _NUMBERS.findall(text)]
    return len(numbers) > 2 and all(any(number % step == 0 for step in _SIZE_STEPS) for number in numbers)


def _in_a_list(match: re.Match[str]) -> bool:
    """Whether groups of digits with blanks or dots between them are members of a longer row of numbers."""
    text, (start, end) = match.string, match.span()
    return bool(
        _BEFORE_IN_A_LIST.search(text, max(0, start - 9), start)
        or _AFTER_IN_A_LIST.match(text, end, end + 10)
    )


def _ssn_alone(match: re.Match[str]) -> bool:
    digits = "".join(_NUMBERS.findall(match[0]))
    loose = match["s"] in (" ", ".")
    return ssn(digits) and not _sizes(match[0]) and not (loose and _in_a_list(match))


def _phone_alone(match: re.Match[str]) -> bool:
    spaced = all(mark.isdigit() or mark in " ." for mark in match[0])
    decimal = _DECIMAL_IN_GROUPS.search(match[0]) is not None
    return not decimal and not _sizes(match[0]) and not (spaced and _in_a_list(match))


def _phone_under_cue(match: re.Match[str]) -> bool:
    return not _sizes(match["value"])


def _phone_abroad(match: re.Match[str]) -> bool:
    digits = "".join(_NUMBERS.findall(match[0]))
    decimal = re.fullmatch(r"\+[0-9]+\.[0-9]+", match[0]) is not None
    return 9 <= len(digits) <= 15 and not decimal and not _in_a_list(match)


def _record_number(match: re.Match[str]) -> bool:
    value = match["value"]
    digits = sum(mark.isdigit() for mark in value)
    return digits >= 4 and not _YEAR.match(value) and not re.fullmatch(r"[0-9]+\.[0-9]+", value)


def _ip_under_cue(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.ip_address(match["value"])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _ip_by_its_look(match: re.Match[str]) -> bool:
    """Without a cue: numbers as addresses have them; four small ones are a version (4.8.1.60)."""
    if not CHECKS["ip"](match):
        return False
    parts = [int(part) for part in match[0].split(".")]
    return parts[0] >= 64 or sum(part >= 10 for part in parts) >= 3


def _ip_of_six(match: re.Match[str]) -> bool:
    """An address of version 6 with enough of it: ``x[1::2]`` takes every second item."""
    groups = [group for group in match[0].split(":") if group]
    telling = len(groups) > 2 or (
        len(groups) == 2 and len(groups[0]) > 2 and not match[0].replace(":", "").isalpha()
    )
    return telling and CHECKS["ip"](match)


def _url_of_person(match: re.Match[str]) -> bool:
    """A path that names a person's resource and then something with a digit or a hyphen; or such a query."""
    try:
        parts = urlsplit(match[0])
    except ValueError:
        return True  # what cannot be taken apart is not let pass
    query = unquote(parts.query + "&" + parts.fragment.rpartition("?")[2])
    if _PERSON_QUERY.search(query):
        return True
    segments = [unquote(segment) for segment in (parts.path + "/" + parts.fragment).split("/") if segment]
    return any(
        _PERSON_SEGMENT.match(segment) and _names_one(follower) for segment, follower in pairwise(segments)
    )


def _names_one(segment: str) -> bool:
    """Whether a path's segment can be the id of one resource: not a digest, a year, a page or a word."""
    if _DIGEST.match(segment) or _YEAR.match(segment) or "." in segment:
        return False
    return any(mark.isdigit() for mark in segment) or "-" in segment


def _reference(match: re.Match[str]) -> bool:
    value = match["id"]
    digits = sum(mark.isdigit() for mark in value)
    return digits >= 3 and _names_one(value)


def _date_near_a_person(match: re.Match[str]) -> bool:
    """A day of the calendar with a person's mention around it, that is not the border of a cohort."""
    if not CHECKS["date"](match):
        return False
    text, (start, end) = match.string, match.span()
    before = text[max(0, start - _WINDOW_BEFORE) : start].casefold()
    near = vocabulary().near
    if near.border.search(before):
        return False
    return bool(near.person.search(before) or near.person.search(text[end : end + _WINDOW_AFTER].casefold()))


def _road(match: re.Match[str]) -> bool:
    """Whether no word of the road is a technical one: ``2 Random Forest Row`` is nobody's address."""
    return not any(word in vocabulary().no_roads for word in _words(match["road"]))


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _person(match: re.Match[str]) -> bool:
    """Words that can be a name: the first is no technical word, and one is longer than an initial."""
    words = _words(value_of(match)[0])
    known = vocabulary()
    if not words or max(map(len, words)) < 2 or not _LINKING.isdisjoint(words):
        return False
    first = next(word for word in words if len(word) > 1)
    if first in known.no_names and first not in known.given:
        return False
    return not all(word in known.no_names for word in words)


def _whole_person(match: re.Match[str]) -> bool:
    """Words of which none is a technical one."""
    words = _words(value_of(match)[0])
    return _person(match) and not any(word in vocabulary().no_names for word in words)


def _frequent_names(match: re.Match[str]) -> bool:
    """A frequent given name and a frequent family name, in either order."""
    words, known = _words(value_of(match)[0]), vocabulary()
    return len(words) == 2 and any(
        given in known.given and family in known.family for given, family in (words, reversed(words))
    )


def _known_person(match: re.Match[str]) -> bool:
    """A given or family name that is frequent, and no technical word beside it.

    After a title one such name will do; after ``name:`` and the like two words are asked for, one of them a
    given name, because methods are called after people too (Cox, Nelson and Aalen).
    """
    words = _words(value_of(match)[0])
    known = vocabulary()
    if any(word in known.no_names and word not in known.given for word in words):
        return False
    if match[0].lstrip()[:2].casefold() in ("mr", "ms", "dr", "pr"):
        return any(word in known.given or word in known.family for word in words)
    if len(words) < 2 or (words[-1] in known.no_names):
        return False
    return any(word in known.given for word in words) and any(len(word) > 1 for word in words[1:])


PHI_CHECKS: Mapping[str, Check] = {
    **CHECKS,
    "date_near_a_person": _date_near_a_person,
    "frequent_names": _frequent_names,
    "ip_by_its_look": _ip_by_its_look,
    "ip_under_cue": _ip_under_cue,
    "ip_of_six": _ip_of_six,
    "known_person": _known_person,
    "person": _person,
    "phone_abroad": _phone_abroad,
    "phone_alone": _phone_alone,
    "phone_under_cue": _phone_under_cue,
    "record_number": _record_number,
    "reference": _reference,
    "road": _road,
    "ssn_alone": _ssn_alone,
    "url_of_person": _url_of_person,
    "whole_person": _whole_person,
}
"""The checks that ``rules.yaml`` may name."""


__all__ = ["PHI_CHECKS"]
