"""The Merkle tree of RFC 9162, section 2.1 (the same tree as RFC 6962's), with SHA-256.

A tree over n leaves is stored as the roots of its complete subtrees: node (level, i) covers the leaves
i·2^level … (i+1)·2^level − 1. They never change once written, so appending costs O(1) amortised.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

HASH_BYTES = 32
"""The length of a SHA-256 hash."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""MTH of the empty list (RFC 9162, 2.1.1)."""


class Nodes(Protocol):
    """Where complete subtrees are stored."""

    def node(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree; level 0 are the leaves. Raises ``KeyError`` when absent."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """HASH(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """HASH(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: the roots of its largest complete subtrees. All that an append needs."""

    def __init__(self, nodes: Nodes, size: int) -> None:
        """The edge of the first ``size`` leaves: one stored node is read for each bit that is set in it."""
        self.size = size
        self._roots: list[bytes] = []
        start = 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                self._roots.append(nodes.node(level, start >> level))
                start += 1 << level

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash; the nodes (level, index, hash) that are complete now, the leaf first."""
        index, level, present = self.size, 0, leaf
        complete = [(0, index, leaf)]
        while index & 1:
            present = node_hash(self._roots.pop(), present)
            level, index = level + 1, index >> 1
            complete.append((level, index, present))
        self._roots.append(present)
        self.size += 1
        return complete

    def root_hash(self) -> bytes:
        """The Merkle tree hash of all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        present = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            present = node_hash(left, present)
        return present


class Tree:
    """A whole tree in memory, built from the leaves' hashes alone: 64 bytes a leaf."""

    def __init__(self, leaf_hashes: bytes | bytearray) -> None:
        """``leaf_hashes``: 32 bytes a leaf, one after another."""
        self.size = len(leaf_hashes) // HASH_BYTES
        self.levels = [bytes(leaf_hashes)]
        while len(self.levels[-1]) >= 2 * HASH_BYTES:
            self.levels.append(_level_above(self.levels[-1]))

    def node(self, level: int, index: int) -> bytes:
        """Hash of a complete subtree. Raises ``KeyError`` when absent."""
        found = self.levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES]
        if len(found) != HASH_BYTES:
            raise KeyError(index)
        return found

    def root_hash(self, size: int) -> bytes:
        """The Merkle tree hash of the first ``size`` leaves."""
        return root_hash(self, size)


def _level_above(below: bytes) -> bytes:
    pair, sha256 = 2 * HASH_BYTES, hashlib.sha256
    whole = len(below) // pair * pair
    return b"".join([sha256(b"\x01" + below[at : at + pair]).digest() for at in range(0, whole, pair)])


def root_hash(nodes: Nodes, size: int) -> bytes:
    """The Merkle tree hash of the first ``size`` leaves."""
    return _range_hash(nodes, 0, size)


def _range_hash(nodes: Nodes, start: int, end: int) -> bytes:
    """MTH of leaves start … end−1, where the range is one that RFC 9162 splits off."""
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes.node(level, start >> level)
    split = start + _largest_power_below(size)
    return node_hash(_range_hash(nodes, start, split), _range_hash(nodes, split, end))


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """PATH(index, first ``size`` leaves), RFC 9162, 2.1.3.1. Raises ``ValueError`` outside the tree."""
    if not 0 <= index < size:
        raise ValueError("the leaf lies outside the tree")
    return _path(nodes, index, 0, size)


def _path(nodes: Nodes, index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    split = start + _largest_power_below(end - start)
    if index < split:
        return [*_path(nodes, index, start, split), _range_hash(nodes, split, end)]
    return [*_path(nodes, index, split, end), _range_hash(nodes, start, split)]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that ``proof`` leads to, by RFC 9162, 2.1.3.2; None when the proof has a wrong length."""
    if not 0 <= index < size:
        return None
    position, last, present = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            present = node_hash(step, present)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            present = node_hash(present, step)
        position, last = position >> 1, last >> 1
    return present if last == 0 else None


def consistency_proof(nodes: Nodes, first: int, second: int) -> list[bytes]:
    """PROOF(first, first ``second`` leaves), RFC 9162, 2.1.4.1.

    Raises ``ValueError`` unless 0 < first ≤ second.
    """
    if not 0 < first <= second:
        raise ValueError("the first tree must be a non-empty beginning of the second")
    return _subproof(nodes, first, 0, second, whole=True)


def _subproof(nodes: Nodes, first: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    if first == end - start:
        return [] if whole else [_range_hash(nodes, start, end)]
    split = _largest_power_below(end - start)
    middle = start + split
    if first <= split:
        return [*_subproof(nodes, first, start, middle, whole=whole), _range_hash(nodes, middle, end)]
    rest = _subproof(nodes, first - split, middle, end, whole=False)
    return [*rest, _range_hash(nodes, start, middle)]


def is_consistent(first: int, first_root: bytes, second: int, second_root: bytes, proof: list[bytes]) -> bool:
    """Whether ``proof`` shows that the first tree is a beginning of the second (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    left = right = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            left, right = node_hash(step, left), node_hash(step, right)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            right = node_hash(right, step)
        position, last = position >> 1, last >> 1
    return last == 0 and left == first_root and right == second_root


def _largest_power_below(size: int) -> int:
    """The largest power of two smaller than ``size`` (size ≥ 2)."""
    return 1 << ((size - 1).bit_length() - 1)


__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "Frontier",
    "Nodes",
    "Tree",
    "consistency_proof",
    "inclusion_proof",
    "is_consistent",
    "leaf_hash",
    "node_hash",
    "root_from_inclusion",
    "root_hash",
]
