"""The ways in which a text can be read: as it stands, folded, and out of the encodings that it may be in.

A reading that equals its text is not given. Each undoes one encoding; the detector reads what it gets again,
some levels deep, so that a base64 text within JSON within a percent-encoded URL is reached.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from medcairn.core.canonical import JSON

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([nrt\"'/\\]))")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,2}(?![A-Za-z0-9+/_=-])")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{60})\r?\n(?=[A-Za-z0-9+/=])")
_URL_SAFE = str.maketrans("-_", "+/")
_NAMED_ESCAPES = {"n": "\n", "r": "\n", "t": "\t"}
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣-"), "-")
_SHORTEST_BASE64 = 12
_PART, _OVERLAP = 2048, 160
_FEWEST_DECODED = 8
_FEWEST_DIGITS = 4


def folded(text: str) -> str:
    """A text without disguise: compatibility forms (NFKC), no invisible marks, plain digits and dashes.

    ASCII texts are given back as they are.
    """
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_DASHES)
    if plain.isascii():
        return plain
    return _NOT_ASCII.sub(_plain, plain)


def _plain(match: re.Match[str]) -> str:
    mark = match[0]
    if mark.isdigit():
        return str(unicodedata.digit(mark))
    return "" if unicodedata.category(mark) == "Cf" else mark


def decoded(text: str) -> Iterator[str]:
    """The other readings of a text: with backslash escapes, HTML entities and percent-encoding undone, and
    the texts that base64 words of it hold."""
    plain = text
    if "\\" in plain:
        plain = _ESCAPED.sub(_unescaped, plain)
    if "&" in plain and _ENTITY.search(plain):
        plain = html.unescape(plain)
    if "%" in plain and _PERCENT.search(plain):
        plain = unquote(plain if " " in plain else plain.replace("+", " "))
    if plain != text:
        yield plain
    if len(text) >= _SHORTEST_BASE64:
        yield from _from_base64(text)


def cut(text: str) -> Iterator[str]:
    """A long text in parts, between lines where there are any.

    Each part begins with the end of the one before, so that what stands across the cut is read whole.
    """
    start = 0
    while len(text) - start > _PART:
        line = text.rfind("\n", start + _PART // 2, start + _PART)
        end = line + 1 if line > 0 else start + _PART
        yield text[max(0, start - _OVERLAP) : end]
        start = end
    yield text[max(0, start - _OVERLAP) :]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code is not None:
        return chr(int(code, 16))
    return _NAMED_ESCAPES.get(match[3], match[3])


def _from_base64(text: str) -> Iterator[str]:
    """The texts that base64 words of a text hold (RFC 4648, both alphabets, padded or not)."""
    if "\n" in text:
        text = _WRAPPED.sub("", text)
    for match in _BASE64.finditer(text):
        word = match[0]
        if word.islower() or word.isdigit() or (word.isalpha() and word.isupper()):
            continue  # a name, a number; base64 of text has both cases
        plain = _printable(word)
        if plain is not None:
            yield plain


def _printable(word: str) -> str | None:
    body = word.rstrip("=").translate(_URL_SAFE)
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    shown = sum(mark.isprintable() or mark in "\r\n\t" for mark in text)
    return text if len(text) >= _FEWEST_DECODED and shown == len(text) else None


def json_in(text: str) -> JSON:
    """The JSON value that a text is, when it is an object, an array or a string; else ``None``.

    Of a name that an object has twice both values are kept: readers differ on which one counts.
    """
    start = text.lstrip()[:1]
    if not start or start not in '{["':
        return None
    try:
        return parsed_json(text)
    except (ValueError, RecursionError):
        return None


def parsed_json(text: str) -> JSON:
    """The JSON value of a text. Fractions are ``None`` (they identify nobody), integers as they are written.

    Raises ``ValueError`` or ``RecursionError``, with a text that may quote data.
    """
    value: JSON = json.loads(text, object_pairs_hook=_members, parse_int=_integer, parse_float=_nothing)
    return value


def _integer(digits: str) -> str | None:
    return digits if len(digits) >= _FEWEST_DIGITS else None


def _nothing(_: str) -> None:
    return None


def _members(pairs: list[tuple[str, JSON]]) -> JSON:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    return [{name: value} for name, value in pairs]


__all__ = ["cut", "decoded", "folded", "json_in", "parsed_json"]
