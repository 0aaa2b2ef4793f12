"""Pickles, where they are allowed: the texts among their opcodes. Nothing is ever loaded."""

from __future__ import annotations

import pickletools
from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.images import printable_texts
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, refused


def look_in_pickle(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at each text and each byte string of a pickle, opcode by opcode.

    What a pickle computes when it is loaded is not known. Raises
    :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` when bytes follow its end or it is compressed.
    """
    content = stream.read(looking.limits.largest_document + 1)
    if len(content) > looking.limits.largest_document:
        raise refused(Reason.TOO_LARGE, "pickle")
    end = 0
    for opcode, argument, place in pickletools.genops(content):
        end = (place or 0) + 1
        if isinstance(argument, str) and opcode.name not in ("GLOBAL", "INST"):
            looking.texts([argument], location)
        elif isinstance(argument, (bytes, bytearray)):
            looking.texts(_texts(bytes(argument)), location)
        if looking.enough:
            return
    if end != len(content):
        raise refused(Reason.UNREADABLE, "pickle")


def _texts(data: bytes) -> list[str]:
    """The texts of a byte string; an array of texts has four bytes a character."""
    narrow = data[::4] if len(data) % 4 == 0 and not any(data[3 : len(data) : 4]) else b""
    return [*printable_texts(data), *printable_texts(narrow)]


__all__ = ["look_in_pickle"]
