"""Images by their metadata. What is drawn in the pixels is not read."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused

_PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff\t\r\n]{4,}")
_PIXELS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"pHYs",
        b"tIME",
        b"bKGD",
        b"sBIT",
        b"tRNS",
    }
    | {b"hIST", b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"cLLI"}
)
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"sPLT"})
_MOST_METADATA = 1 << 20
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def look_in_png(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at the textual chunks of a PNG (ISO/IEC 15948), EXIF and colour profile among them.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` for a chunk that nobody knows and for bytes
    after the last one.
    """
    stream.seek(8)
    name = b""
    while name != b"IEND":
        head = stream.read(8)
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or name not in _PIXELS | _TEXTS or (name in _TEXTS and size > _MOST_METADATA):
            raise refused(Reason.UNREADABLE, "png")
        data = _exactly(stream, size) if name in _TEXTS else _skipped(stream, size)
        if len(stream.read(4)) < 4:
            raise refused(Reason.UNREADABLE, "png")
        looking.texts(_chunk_texts(name, data), below(location, ".metadata"))
    if stream.read(1):
        raise refused(Reason.UNREADABLE, "png")


def look_in_jpeg(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at the comments and application segments of a JPEG (ITU-T T.81): EXIF, XMP, IPTC, profiles.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` for what is no sequence of segments and for
    bytes after its end.
    """
    content = stream.read(looking.limits.largest_document + 1)
    if len(content) > looking.limits.largest_document:
        raise refused(Reason.TOO_LARGE, "jpeg")
    place = 2
    while True:
        place, mark = _marker(content, place)
        if mark == 0xD9:
            break
        if mark in _NO_LENGTH:
            continue
        size = int.from_bytes(content[place : place + 2], "big")
        if size < 2 or place + size > len(content):
            raise refused(Reason.UNREADABLE, "jpeg")
        if mark == 0xFE or 0xE0 <= mark <= 0xEF:
            looking.texts(printable_texts(content[place + 2 : place + size]), below(location, ".metadata"))
        place += size
        if mark == 0xDA:
            place = _after_scan(content, place)
    if place != len(content):
        raise refused(Reason.UNREADABLE, "jpeg")


def printable_texts(data: bytes) -> Iterator[str]:
    """The printable texts in binary data: in one byte a character, in UTF-8, and in UTF-16."""
    for match in _PRINTABLE.finditer(data):
        yield match[0].decode("utf-8", "replace")
    for name in ("utf-16-le", "utf-16-be"):
        for match in re.finditer(
            rb"(?:[\x20-\x7e]\0){4,}" if name[-2] == "l" else rb"(?:\0[\x20-\x7e]){4,}", data
        ):
            yield match[0].decode(name)


def _chunk_texts(name: bytes, data: bytes) -> Iterator[str]:
    if name in (b"zTXt", b"iCCP"):
        keyword, _, packed = data.partition(b"\0")
        yield keyword.decode("latin-1")
        yield from _joined(name, keyword, _inflated(packed[1:]))
    elif name == b"iTXt":
        keyword, _, rest = data.partition(b"\0")
        language, _, after = rest[2:].partition(b"\0")
        translated, _, text = after.partition(b"\0")
        plain = _inflated(text) if rest[:1] == b"\1" else text
        yield from _joined(name, keyword, b"\n".join((plain, language, translated)))
    elif name == b"tEXt":
        keyword, _, text = data.partition(b"\0")
        yield from _joined(name, keyword, text)
    elif name in _TEXTS:
        yield from printable_texts(data)


def _joined(name: bytes, keyword: bytes, text: bytes) -> Iterator[str]:
    if name == b"iCCP":
        yield from printable_texts(text)
    else:
        encoding = "utf-8" if name == b"iTXt" else "latin-1"
        yield f"{keyword.decode('latin-1')}: {text.decode(encoding, 'replace')}"


def _inflated(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(packed, _MOST_METADATA)
    if not unpacker.eof:
        raise refused(Reason.UNREADABLE, "png")
    return plain


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise refused(Reason.UNREADABLE, "png")
    return data


def _skipped(stream: BinaryIO, size: int) -> bytes:
    stream.seek(size, 1)
    return b""


def _marker(content: bytes, place: int) -> tuple[int, int]:
    """(place after the marker, the marker) at ``place``; fill bytes are passed over."""
    if content[place : place + 1] != b"\xff":
        raise refused(Reason.UNREADABLE, "jpeg")
    while content[place : place + 1] == b"\xff":
        place += 1
    if place >= len(content):
        raise refused(Reason.UNREADABLE, "jpeg")
    return place + 1, content[place]


def _after_scan(content: bytes, place: int) -> int:
    """Where the compressed pixels end: at the next marker that is none of theirs."""
    while True:
        place = content.find(b"\xff", place)
        if place < 0 or place + 1 >= len(content):
            raise refused(Reason.UNREADABLE, "jpeg")
        if content[place + 1] != 0 and not 0xD0 <= content[place + 1] <= 0xD7:
            return place
        place += 2


__all__ = ["look_in_jpeg", "look_in_png", "printable_texts"]
