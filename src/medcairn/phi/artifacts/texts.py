"""Texts: read as UTF-8 (or UTF-16 with its mark), block by block; HTML, XML and SVG without their tags."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused
from medcairn.phi.findings import PhiFinding

_READ_BYTES = 1 << 16
_BLOCK_CHARACTERS = 1 << 15
_OVERLAP = 256
_TAG = re.compile(r"</?(?P<name>[A-Za-z!?][\w:.-]{0,40})(?P<rest>[^<>]*)>")
_WITHIN_A_LINE = frozenset({"a", "b", "em", "i", "mark", "small", "strong", "sub", "sup", "tspan", "u"})


def look_in_text(stream: BinaryIO, looking: Looking, location: Label, *, code: bool = False) -> None:
    """Plain text, Markdown, logs, YAML, TOML and code. Findings are told by line.

    Comments of ``code`` are prose of any length; notes are told in them by their phrases alone.
    """
    longest = sys.maxsize if code else looking.limits.longest_paragraph
    line = 1
    for block in blocks(characters(stream)):
        _look_in_block(block, looking, location, line, longest)
        line += block.count("\n")
        if looking.enough:
            return


def look_in_html(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """What stands between the tags of HTML, XML or SVG, and after it what stands in them."""
    size = 0
    pieces: list[str] = []
    for piece in characters(stream):
        size += len(piece)
        if size > looking.limits.largest_document:
            raise refused(Reason.TOO_LARGE, "html")
        pieces.append(piece)
    text = without_tags("".join(pieces))
    for block in blocks(text[at : at + _READ_BYTES] for at in range(0, len(text), _READ_BYTES)):
        looking.add(_in_block(block, looking, location, looking.limits.longest_paragraph))


def without_tags(page: str) -> str:
    """The text of a page, its blocks apart; what stands in tags (attributes, comments) comes last.

    It reads what is no page as well, in time that grows with the length: parsers may take its square.
    """
    parts: list[str] = []
    tags: list[str] = []
    done = 0
    for match in _TAG.finditer(page):
        name = match["name"].casefold()
        parts += [page[done : match.start()], "" if name in _WITHIN_A_LINE else "\n\n"]
        if match["rest"].strip(" /"):
            tags.append(match["rest"])
        done = match.end()
    return "".join([*parts, page[done:], "\n\n", "\n\n".join(tags)])


def characters(stream: BinaryIO) -> Iterator[str]:
    """The text of a stream in pieces.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` when it is neither UTF-8 nor UTF-16 with a
    byte order mark, or holds NUL.
    """
    head = stream.read(4)
    stream.seek(0)
    name = "utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(name)()
    unreadable = False
    while not unreadable:
        data = stream.read(_READ_BYTES)
        piece = ""
        try:
            piece = decoder.decode(data, final=not data)
        except UnicodeError:
            unreadable = True
        if unreadable or "\0" in piece:
            break
        yield piece
        if not data:
            return
    raise refused(Reason.UNREADABLE, "text")


def blocks(pieces: Iterator[str]) -> Iterator[str]:
    """Pieces of text joined and cut anew: between paragraphs or lines where there are any.

    A line that is longer than a block is cut with an overlap, so that nothing falls between two blocks.
    """
    held = ""
    for piece in pieces:
        held += piece
        while len(held) > _BLOCK_CHARACTERS:
            cut = _cut(held)
            yield held[:cut]
            held = held[cut:] if held[cut - 1] == "\n" else held[cut - _OVERLAP :]
    if held:
        yield held


def _cut(text: str) -> int:
    for mark in ("\n\n", "\n"):
        place = text.rfind(mark, _BLOCK_CHARACTERS // 2, _BLOCK_CHARACTERS)
        if place > 0:
            return place + len(mark)
    return _BLOCK_CHARACTERS


def _look_in_block(block: str, looking: Looking, location: Label, first_line: int, longest: int) -> None:
    found = _in_block(block, looking, below(location, f".lines[{first_line}]"), longest)
    if not found:
        return
    told = set()
    for number, line in enumerate(block.split("\n"), start=first_line):
        for finding in _in_block(line, looking, below(location, f".lines[{number}]"), longest):
            told.add((finding.phi_class, finding.keyed_hash))
            looking.add([finding])
    looking.add(finding for finding in found if (finding.phi_class, finding.keyed_hash) not in told)


def _in_block(block: str, looking: Looking, location: Label, longest: int) -> list[PhiFinding]:
    return looking.detector.find_in_document(block, location=location, longest_paragraph=longest)


__all__ = ["blocks", "characters", "look_in_html", "look_in_text", "without_tags"]
