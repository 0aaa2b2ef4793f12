"""The form in which texts are compared: small letters without accents, words of letters and digits.

Source and output are folded alike, so what matters is only that the forms in which people and programs
write one name fold to one text.
"""

from __future__ import annotations

import re
import unicodedata

_CLOCK = re.compile(r"(?<=[0-9])t(?=[0-9])")
_WORD = re.compile(r"[^\W_]+")
_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n"}
)
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def fold(text: str) -> str:
    """``text`` in small letters, without accents; whatever is no letter or digit may become a space.

    The T between date and time becomes a space, so that a date ends there. An ideograph is a word.
    """
    if text.isascii():
        return _CLOCK.sub(" ", text.lower())
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold().translate(_LETTERS)
    return _CLOCK.sub(" ", "".join(map(_mark, plain)))


def words(folded: str) -> list[str]:
    """The words of a folded text."""
    return _WORD.findall(folded)


def spellings(text: str) -> list[str]:
    """``text`` folded; also with German and Nordic letters as two, as in passports (``ue`` for ``ü``)."""
    if text.isascii():
        return [fold(text)]
    long = unicodedata.normalize("NFC", text.casefold()).translate(_UMLAUTS)
    return list(dict.fromkeys((fold(text), fold(long))))


def has_ideographs(text: str) -> bool:
    """Whether a text holds characters that are words by themselves, since their script sets no spaces."""
    return not text.isascii() and _IDEOGRAPH.search(text) is not None


def _mark(mark: str) -> str:
    if mark.isascii():
        return mark
    if mark.isalnum():
        return f" {mark} " if _IDEOGRAPH.match(mark) else mark
    return "" if unicodedata.category(mark) in ("Mn", "Me", "Cf") else " "


__all__ = ["fold", "has_ideographs", "spellings", "words"]
