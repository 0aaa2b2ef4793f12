"""JSON as a whole, NDJSON line by line."""

from __future__ import annotations

from typing import BinaryIO

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused
from medcairn.phi.artifacts.texts import characters
from medcairn.phi.readings import parsed_json


def look_in_json(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at one JSON document. It is read as a whole."""
    pieces: list[str] = []
    size = 0
    for piece in characters(stream):
        size += len(piece)
        if size > looking.limits.largest_document:
            raise refused(Reason.TOO_LARGE, "json")
        pieces.append(piece)
    looking.add(looking.detector.find_in_json(_parsed("".join(pieces)), location=location))


def look_in_ndjson(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at JSON documents, one a line."""
    number, held = 0, ""
    for piece in characters(stream):
        held += piece
        lines = held.split("\n")
        held = lines.pop()
        if len(held) > looking.limits.largest_document:
            raise refused(Reason.TOO_LARGE, "ndjson")
        for line in lines:
            number += 1
            _look_in_line(line, looking, location, number)
        if looking.enough:
            return
    _look_in_line(held, looking, location, number + 1)


def _look_in_line(line: str, looking: Looking, location: Label, number: int) -> None:
    if line.strip():
        place = below(location, f".lines[{number}]")
        looking.add(looking.detector.find_in_json(_parsed(line), location=place))


def _parsed(text: str) -> JSON:
    value: JSON = None
    unreadable = False
    try:
        value = parsed_json(text)
    except (ValueError, RecursionError):
        unreadable = True
    if unreadable:
        raise refused(Reason.UNREADABLE, "json")
    return value


__all__ = ["look_in_json", "look_in_ndjson"]
