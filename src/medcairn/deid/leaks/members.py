"""Lines of JSON in pieces that recur: its members first, then the strings of a member.

Few members of a file are distinct, and few of those are new from block to block, so most work is that of a
set. A member runs from one ``,"`` to the next, which in JSON stand only between members (or at the end of a
string that ends with a comma, which does no harm); so an element's name and its text are in one member.
"""

from __future__ import annotations

from collections.abc import Iterable

from medcairn.deid.leaks.encodings import hide_quotes

_BETWEEN = b',"'
_LIMIT = 250_000
_LONGEST_BYTES = 300


def members(lines: bytes) -> list[bytes]:
    """The members of some lines, none over a line's end. No quotation mark in them is part of a text."""
    return hide_quotes(lines).replace(b"\n", _BETWEEN).split(_BETWEEN)


def strings(some: Iterable[bytes]) -> list[bytes]:
    """What stands between the quotation marks of members, and in them."""
    return b'"'.join(some).split(b'"')


class Known:
    """Pieces that were seen before: short ones, as many as memory is given for."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def new(self, pieces: set[bytes]) -> set[bytes]:
        """Those of ``pieces`` that were not added."""
        return pieces - self._seen

    def old(self, pieces: set[bytes]) -> set[bytes]:
        """Those of ``pieces`` that were added."""
        return pieces & self._seen

    def add(self, pieces: set[bytes]) -> None:
        """Take ``pieces`` as seen; all earlier ones may be forgotten."""
        if len(self._seen) > _LIMIT:
            self._seen.clear()
        self._seen.update(piece for piece in pieces if len(piece) <= _LONGEST_BYTES)


__all__ = ["Known", "members", "strings"]
