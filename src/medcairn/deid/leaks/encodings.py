"""The texts that a text may hold in another form: escaped, percent-encoded, HTML, base64 or hexadecimal."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

NESTING = 2
"""How many encodings may lie within each other."""

_ESCAPED_QUOTE = re.compile(rb'(?<!\\)((?:\\\\)*)\\"')
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL)
_SURROGATES = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")
_TAG = re.compile(r"<[^<>]*>")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_ORDINARY = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+|[0-9]+)(?:[-/_](?:[A-Z]?[a-z]+|[A-Z]+|[0-9]+))*")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_-]+(?:\s+[A-Za-z0-9+/_-]+)+={0,2}\s*")
_APART = re.compile(r"[/_-]")
_UUID = re.compile(r"(?:[A-Z][A-Za-z]+/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"(?<![0-9A-Za-z])[2-7c-eC-E][0-9a-fA-F](?:[0-9a-fA-F]{2}){3,}(?![0-9A-Za-z])")
_STANDARD = str.maketrans("-_", "+/")
_READABLE_RUN = re.compile(rb"[\x20-\x7e]{6,}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SHORTEST_BASE64 = 6
_MOSTLY = 0.9


def readings(text: str) -> list[str]:
    """``text`` itself, and every text that it holds in encodings, one within another, at most two deep."""
    found = [text]
    newest = [text]
    for _ in range(NESTING):
        newest = [inner for outer in newest for inner in _decoded(outer)]
        found += newest
    return found


def hide_quotes(block: bytes) -> bytes:
    """JSON in which every quotation mark begins or ends a string; those within strings become ``\\u0022``."""
    return _ESCAPED_QUOTE.sub(rb"\1\\u0022", block) if b"\\" in block else block


def unescape(text: str) -> str:
    """JSON's (and most languages') backslash escapes resolved, whether or not the rest is JSON."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _mark(match[2]), text)
    return _SURROGATES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), plain)


def _mark(mark: str) -> str:
    return " " if mark in "bfnrt" else mark


def _decoded(text: str) -> Iterator[str]:
    for other in (
        unescape(text),
        unquote(text) if "%" in text else text,
        html.unescape(text) if "&" in text else text,
        _TAG.sub(" ", text) if "<" in text else text,
    ):
        if other != text:
            yield other
    yield from _in_base64(text)
    for match in _HEX.finditer(text):
        plain = _whole_text(bytes.fromhex(match[0]))
        if plain is not None:
            yield plain


def _in_base64(text: str) -> Iterator[str]:
    """Runs in base64 of either alphabet. Ordinary words and UUIDs are such runs too, and are passed over."""
    if _WRAPPED.fullmatch(text):
        yield from _readable("".join(text.split()))
    for match in _RUN.finditer(text):
        run = match[0]
        if _ORDINARY.fullmatch(run) or _UUID.fullmatch(run):
            continue
        yield from _readable(run)
        pieces = _APART.split(run)
        if len(pieces) > 1:
            for piece in pieces:
                if len(piece) >= _SHORTEST_BASE64 and not _ORDINARY.fullmatch(piece):
                    yield from _readable(piece)


def _readable(run: str) -> Iterator[str]:
    """What can be read of a run of base64; a picture holds readable pieces too."""
    data = b""
    try:
        bare = run.rstrip("=").translate(_STANDARD)
        data = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return
    plain = _whole_text(data)
    if plain is None:
        plain = "\x00".join(piece.decode("ascii") for piece in _READABLE_RUN.findall(data))
    if plain:
        yield plain


def _whole_text(data: bytes) -> str | None:
    """Bytes as text when they are text, in UTF-8, UTF-16 or a Western code page."""
    text = None
    with contextlib.suppress(UnicodeDecodeError):
        text = data.decode("utf-8")
    if text is not None and not _CONTROL.search(text):
        return text
    wide = len(data) >= 8 and len(data) % 2 == 0
    for places, encoding in ((data[1::2], "utf-16-le"), (data[::2], "utf-16-be")):
        if wide and places.count(0) >= _MOSTLY * len(places):
            return data.decode(encoding, "replace")
    printable = sum(map(len, _READABLE_RUN.findall(data)))
    return data.decode("cp1252", "replace") if printable >= _MOSTLY * max(1, len(data)) else None


__all__ = ["NESTING", "hide_quotes", "readings", "unescape"]
