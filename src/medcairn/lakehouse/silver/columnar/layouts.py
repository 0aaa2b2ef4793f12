"""Layouts that are known, as a trie: a text is led from its first letter to its layout and its own values.

Letters that recur are compared many at a time, and most of a text is letters that recur.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medcairn.core.compiled import compiled
from medcairn.lakehouse.silver.columnar.layout import Gap, Kind, Path, Piece

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_MOST_LETTERS = 1 << 24
"""Letters of all layouts, beyond which none is added; it bounds the memory."""
_UNREAD = -1


class _Then(IntEnum):
    """What comes behind a node's letters. ``target`` is then a row of the branches, a node, or a layout."""

    BRANCH, STRING, NUMBER, END = range(4)


_BRANCH, _STRING, _NUMBER, _END = (int(then) for then in _Then)
_QUOTE, _BACKSLASH, _MINUS, _POINT, _PLUS = 34, 92, 45, 46, 43
_ZERO, _NINE, _SMALL_E, _LARGE_E = 48, 57, 101, 69
_IN_STRING = np.zeros(256, np.bool_)
_IN_STRING[32:127] = True
_IN_STRING[[_QUOTE, _BACKSLASH]] = False
_BEGINS_NUMBER = [_MINUS, *range(_ZERO, _NINE + 1)]
_A_NUMBER = 256
"""The branch that begins with a number."""


@compiled
def _after_digits(data: Bytes, at: int, end: int) -> int:
    """The place behind one digit or more; 0 when there is none."""
    begin = at
    while at < end and _ZERO <= data[at] <= _NINE:
        at += 1
    return at if at > begin else 0


@compiled
def _after_number(data: Bytes, at: int, end: int) -> int:
    """The place behind a number (RFC 8259, section 6); 0 when it is none."""
    begin = at + 1 if at < end and data[at] == _MINUS else at
    at = _after_digits(data, begin, end)
    if at > begin + 1 and data[begin] == _ZERO:
        return 0
    if at and at < end and data[at] == _POINT:
        at = _after_digits(data, at + 1, end)
    if at and at < end and (data[at] == _SMALL_E or data[at] == _LARGE_E):
        at += 1
        if at < end and (data[at] == _PLUS or data[at] == _MINUS):
            at += 1
        at = _after_digits(data, at, end)
    return at


@compiled
def _match(
    data: Bytes,
    text_begins: Int64s,
    text_ends: Int64s,
    letters: Bytes,
    begins: Int64s,
    lengths: Int32s,
    then: Int32s,
    target: Int32s,
    slots: Int32s,
    branches: Int32s,
    found: Int32s,
    spans: Int64s,
) -> None:
    for row in range(len(text_begins)):
        found[row] = -1
        at, end = text_begins[row], text_ends[row]
        node = np.int64(0)
        while node >= 0:
            length = lengths[node]
            if at + length > end:
                break
            # Unsigned, so that the compiler need not think of places counted from the end: then it compares
            # many letters at a time.
            ours, theirs, differ = np.uint64(begins[node]), np.uint64(at), np.uint8(0)
            for place in range(np.uint64(length)):
                differ |= letters[ours + place] ^ data[theirs + place]
            if differ:
                break
            at += length
            if then[node] == _BRANCH:
                node = np.int64(branches[target[node], data[at]]) if at < end else np.int64(-1)
                continue
            if then[node] == _END:
                if at == end:
                    found[row] = target[node]
                break
            begin = at
            if then[node] == _STRING:
                while at < end and _IN_STRING[data[at]]:
                    at += 1
            else:
                at = _after_number(data, at, end)
                if at == 0:
                    break
            if slots[node] >= 0:
                spans[row, slots[node], 0], spans[row, slots[node], 1] = begin, at
            node = np.int64(target[node])


@dataclass
class _Node:
    letters: bytes
    gap: Gap | None = None
    below: _Node | None = None
    branches: dict[int, _Node] = field(default_factory=dict)
    layout: int | None = None

    def split(self, at: int) -> None:
        rest = _Node(self.letters[at:], self.gap, self.below, self.branches, self.layout)
        self.letters, self.gap, self.below, self.layout = self.letters[:at], None, None, None
        self.branches = {rest.letters[0]: rest}


class _Flat(NamedTuple):
    """The trie as arrays, an entry a node; node 0 is the root. See :func:`_match`."""

    letters: Bytes
    begins: Int64s
    lengths: Int32s
    then: Int32s
    target: Int32s
    slots: Int32s
    branches: Int32s

    @classmethod
    def of(cls, root: _Node, slots: Mapping[Path, int]) -> _Flat:
        nodes = [root]
        rows: list[tuple[int, int, int]] = []
        branches = [np.full(256, -1, np.int32)]
        for node in nodes:  # it grows
            if node.gap is not None:
                kind = _Then.STRING if node.gap.kind is Kind.STRING else _Then.NUMBER
                slot = _UNREAD if node.gap.path is None else slots[node.gap.path]
                rows.append((kind, len(nodes), slot))
                nodes += [node.below] if node.below is not None else []
            elif node.layout is not None:
                rows.append((_Then.END, node.layout, _UNREAD))
            else:
                rows.append((_Then.BRANCH, len(branches), _UNREAD))
                branch = np.full(256, -1, np.int32)
                for letter, below in node.branches.items():
                    branch[_BEGINS_NUMBER if letter == _A_NUMBER else letter] = len(nodes)
                    nodes.append(below)
                branches.append(branch)
        lengths = np.array([len(node.letters) for node in nodes], np.int32)
        begins = np.cumsum(lengths, dtype=np.int64) - lengths
        letters = np.frombuffer(b"".join(node.letters for node in nodes) + b" ", np.uint8).copy()
        then, target, told = np.array(rows, np.int32).T.copy()
        return cls(letters, begins, lengths, then, target, told, np.stack(branches))


class Layouts:
    """Layouts by number, from 0 on. Gaps with the paths in ``slots`` are told of, each in its slot."""

    def __init__(self, slots: Mapping[Path, int]) -> None:
        self._slots = slots
        self._width = 1 + max(slots.values())
        self._root: _Node | None = None
        self._letters = 0
        self._flat: _Flat | None = None
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether it is time to begin anew."""
        return self._letters > _MOST_LETTERS

    def add(self, pieces: Sequence[Piece]) -> int:
        """A number for a layout that is not known."""
        if self._root is None:
            self._root = _chain(pieces, self.count)
        else:
            _insert(self._root, pieces, self.count)
        self._letters += sum(len(piece) for piece in pieces if isinstance(piece, bytes))
        self._flat = None
        self.count += 1
        return self.count - 1

    def match(self, data: Bytes, begins: Int64s, ends: Int64s) -> tuple[Int32s, Int64s]:
        """The layout of each text (-1: unknown), and where its values begin and end (texts × slots × 2); 0
        and 0 where there is none. Of unknown ones nothing is said."""
        found = np.full(len(begins), -1, np.int32)
        spans = np.zeros((len(found), self._width, 2), np.int64)
        if self._root is not None:
            self._flat = self._flat or _Flat.of(self._root, self._slots)
            _match(data, begins, ends, *self._flat, found, spans)
        return found, spans


def _chain(pieces: Sequence[Piece], layout: int) -> _Node:
    node = _Node(_letters_of(pieces[0]))
    _open(node, pieces, layout)
    return node


def _open(node: _Node, pieces: Sequence[Piece], layout: int) -> None:
    """What comes behind the letters of a node behind which nothing comes yet, or other letters."""
    if len(pieces) == 1:
        node.layout = layout
        return
    gap = pieces[1]
    assert isinstance(gap, Gap)
    if gap.kind is Kind.NUMBER:
        node.branches[_A_NUMBER] = _Node(b"", gap, _chain(pieces[2:], layout))
    else:
        node.gap, node.below = gap, _chain(pieces[2:], layout)


def _insert(node: _Node, pieces: Sequence[Piece], layout: int) -> None:
    letters = _letters_of(pieces[0])
    shared = _shared(node.letters, letters)
    if shared < len(node.letters):
        node.split(shared)
    if shared < len(letters):
        rest = letters[shared:]
        child = node.branches.get(rest[0])
        if child is None:
            node.branches[rest[0]] = _chain([rest, *pieces[1:]], layout)
        else:
            _insert(child, [rest, *pieces[1:]], layout)
        return
    below, gap = node.below, pieces[1] if len(pieces) > 1 else None
    if isinstance(gap, Gap) and gap.kind is Kind.NUMBER and _A_NUMBER in node.branches:
        below = node.branches[_A_NUMBER].below
    if below is None:
        _open(node, pieces, layout)
    else:
        _insert(below, pieces[2:], layout)


def _shared(one: bytes, other: bytes) -> int:
    """How many letters are the same from the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _letters_of(piece: Piece) -> bytes:
    assert isinstance(piece, bytes)
    return piece


__all__ = ["Bytes", "Flags", "Int32s", "Int64s", "Layouts"]
