"""What a new password must not be.

Length counts, composition does not, and what is commonly chosen is refused (NIST SP 800-63B-4, 3.1.1.2).
Common choices are found by their making and not by a list of a million: a common word, digits and marks
around it, letters written as digits, walks over the keyboard, runs and repeats.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

from medcairn.access.policy import PasswordPolicy
from medcairn.core.errors import PolicyError

MAXIMUM_LENGTH = 1024
_LEAST_DIFFERENT = 5
_LEAST_LEFT = 8
"""So many characters must be left when the common parts are taken out."""
_RUN = 4
_LEET = str.maketrans("0134578@$!|+€", "oleastbasiite")
_WALKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv",
)


def check_new_password(
    password: str, *, name: str, printed_name: str = "", policy: PasswordPolicy | None = None
) -> None:
    """Pass when ``password`` may become the password of ``name``; raise :class:`PolicyError` otherwise."""
    policy = policy or PasswordPolicy()
    text = unicodedata.normalize("NFKC", password).casefold()
    if len(password) < policy.minimum_length:
        raise PolicyError("The password is too short", minimum_length=policy.minimum_length)
    if len(password) > MAXIMUM_LENGTH:
        raise PolicyError("The password is too long", maximum_length=MAXIMUM_LENGTH)
    if not password.isprintable():
        raise PolicyError("The password holds a character that cannot be typed")
    if any(part in text for part in _name_parts(name, printed_name)):
        raise PolicyError("The password holds the person's name")
    if len(set(text)) < _LEAST_DIFFERENT:
        raise PolicyError(
            "The password repeats too few different characters", minimum_different=_LEAST_DIFFERENT
        )
    if len(_uncommon(text, name)) < _LEAST_LEFT:
        raise PolicyError(
            "The password is one that many people choose",
            hint="Common words, runs such as 1234 and repeats count for nothing; try four unrelated words",
        )


def _name_parts(name: str, printed_name: str) -> list[str]:
    """The parts of the names that are long enough not to occur by chance."""
    parts = re.split(r"[\W_]+", f"{name} {printed_name}".casefold())
    return [part for part in parts if len(part) >= 4]


def _uncommon(text: str, name: str) -> str:
    """What is left of ``text`` when common words, the short name, runs, walks and repeats are taken out."""
    best = text
    for form in (text, text.translate(_LEET)):
        rest = form
        for word in (*_common_words(), name.casefold()):
            rest = rest.replace(word, "") if len(word) >= 3 else rest
        rest = _without_walks(rest)
        rest = re.sub(r"(.+?)\1+", r"\1", rest)
        best = min(best, rest, key=len)
    return best


def _without_walks(text: str) -> str:
    kept, start = [], 0
    while start < len(text):
        length = _walk_length(text, start)
        if length < _RUN:
            kept.append(text[start])
            length = 1
        start += length
    return "".join(kept)


def _walk_length(text: str, start: int) -> int:
    """How far the text at ``start`` follows a walk, forwards or backwards."""
    longest = 1
    for walk in (*_WALKS, *(walk[::-1] for walk in _WALKS)):
        place = walk.find(text[start])
        length = 0
        while (
            place >= 0
            and walk[place + length : place + length + 1] == text[start + length : start + length + 1] != ""
        ):
            length += 1
        longest = max(longest, length)
    return longest


@cache
def _common_words() -> tuple[str, ...]:
    """The words of ``common_words.txt``, the longest first."""
    text = resources.files(__package__).joinpath("common_words.txt").read_text("utf-8")
    words = {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


__all__ = ["MAXIMUM_LENGTH", "check_new_password"]
