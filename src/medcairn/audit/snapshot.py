"""A ledger read once from end to end, as verification needs it: every leaf hashed and its form checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec

from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.findings import Attack, Finding
from medcairn.audit.merkle import HASH_BYTES
from medcairn.audit.reading import read_event
from medcairn.audit.stores import Store
from medcairn.core.errors import IntegrityError

CLOCK_TOLERANCE = timedelta(seconds=5)
"""A clock that is stepped by its time service goes back by fractions of a second; more is a finding."""

MARKED: Final = frozenset(
    {
        EventType.LEDGER_CREATED,
        EventType.KEY_ROTATED,
        EventType.RECORD_SIGNED,
        EventType.ARTIFACT_MADE,
        EventType.STAGE_FINISHED,
    }
)
"""The events that verification looks into."""

_NOTE: Final = EventType.NOTE_RECORDED
"""Marked as well where it made something; there may be as many notes as predictions."""

_DAMAGED = "The ledger database is damaged"
_Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:/@+=<>\[\]%()-]{0,199}\Z")]


class _Ref(msgspec.Struct, forbid_unknown_fields=True):
    digest: _Digest
    kind: _Name
    name: _Name
    path: str
    seal: _Digest
    zone: Literal["phi", "deidentified", "aggregate"]


class _Leaf(msgspec.Struct, forbid_unknown_fields=True):
    """A leaf's form, checked at the speed of the decoder; what is marked is read in full besides."""

    actor: str
    format: Literal[1]
    id: str
    inputs: list[_Ref]
    outputs: list[_Ref]
    record: msgspec.Raw
    recorded_at: str
    run_id: str | None
    stage: str | None
    type: EventType


@dataclass
class Snapshot:
    """What was read. ``leaf_hashes`` are of the entries as they stand, ``level0`` what the tree stored."""

    origin: str
    stated_key: bytes
    leaf_hashes: bytearray = field(default_factory=bytearray)
    level0: bytes = b""
    checkpoints: list[str] = field(default_factory=list)
    marked: list[StoredEvent] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    clock: list[Finding] = field(default_factory=list)
    gap: int | None = None

    @property
    def size(self) -> int:
        return len(self.leaf_hashes) // HASH_BYTES


class ClockRule:
    """Time does not run backwards, and agrees with the stamps of a time-stamping service.

    ``stamps`` are (tree size, time): an entry under that size was there at that time, a later one was not.
    """

    def __init__(self, stamps: Sequence[tuple[int, datetime]] = ()) -> None:
        self._coming = sorted(stamps, reverse=True)
        self._least: datetime | None = None

    def check(self, entry: int, moment: datetime) -> Finding | None:
        """The finding about an entry recorded at ``moment``; entries come in order."""
        while self._coming and self._coming[-1][0] <= entry:
            stamped = self._coming.pop()[1]
            self._least = max(self._least or stamped, stamped)
        if self._coming and moment > min(stamp for _, stamp in self._coming) + CLOCK_TOLERANCE:
            return Finding.at(
                Attack.CLOCK_ROLLBACK, entry, "An entry is dated after the stamp that covers it"
            )
        if self._least is not None and moment < self._least - CLOCK_TOLERANCE:
            self._least = moment
            return Finding.at(
                Attack.CLOCK_ROLLBACK,
                entry,
                "Time runs backwards: the clock was set back, or an entry was dated back",
            )
        self._least = moment if self._least is None else max(self._least, moment)
        return None


def take_snapshot(store: Store, stamps: Sequence[tuple[int, datetime]] = ()) -> Snapshot:
    """Read everything, in one moment of the store.

    What cannot be read is a finding; only a store that cannot say what it is raises
    :class:`IntegrityError`.
    """
    with store.snapshot():
        found = Snapshot(store.about("origin"), _key(store.about("public_key")))
        try:
            counts = _read_entries(store, found, ClockRule(stamps))
            found.level0 = _read_level(store, 0)
            found.checkpoints = store.checkpoints()
            if store.counts() != counts:
                found.findings.append(
                    Finding("Looking entries up by type does not find them all", "the index", Attack.EDIT)
                )
        except IntegrityError:
            found.findings.append(Finding.at(Attack.EDIT, found.size, _DAMAGED))
    return found


def stored_tree_difference(store: Store, levels: Sequence[bytes]) -> Finding | None:
    """Where the stored tree first departs from ``levels``, which follow from the entries."""
    with store.snapshot():
        try:
            for level, expected in enumerate(levels):
                stored = _read_level(store, level)[: len(expected)]
                if stored != expected:
                    index = _first(stored, expected)
                    what = "The stored tree does not follow from the entries"
                    return Finding.between(Attack.EDIT, index << level, (index + 1) << level, what)
        except IntegrityError:
            return Finding(_DAMAGED, "the stored tree", Attack.EDIT)
    return None


def _first(stored: bytes, expected: bytes) -> int:
    places = range(0, len(expected), HASH_BYTES)
    differing = (at for at in places if stored[at : at + HASH_BYTES] != expected[at : at + HASH_BYTES])
    return next(differing) // HASH_BYTES


def _key(text: str) -> bytes:
    key = b""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    return key


def _read_level(store: Store, level: int) -> bytes:
    """A level's hashes up to the first that is missing or has another length."""
    hashes: list[bytes] = []
    for index, digest in store.level(level):
        if index != len(hashes) or not isinstance(digest, bytes) or len(digest) != HASH_BYTES:
            break
        hashes.append(digest)
    return b"".join(hashes)


def _read_entries(store: Store, found: Snapshot, rule: ClockRule) -> Counter[str]:
    decode = msgspec.json.Decoder(_Leaf).decode
    sha256, hashes, marked = hashlib.sha256, found.leaf_hashes, MARKED
    counts: Counter[str] = Counter()
    for entry, (position, kind, leaf) in enumerate(store.entries()):
        if position != entry and found.gap is None:
            found.gap = entry
        counts[kind] += 1
        hashes += sha256(b"\x00" + leaf).digest()
        read: _Leaf | None = None
        moment: datetime | None = None
        try:
            read = decode(leaf)
            moment = datetime.fromisoformat(read.recorded_at)
        except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
            moment = None
        if read is None or moment is None or moment.tzinfo is None or not _holds_record(read, leaf):
            _unreadable(found, entry)
            continue
        if read.type != kind:
            found.findings.append(Finding.at(Attack.EDIT, entry, "An entry is filed under another type"))
        if back := rule.check(entry, moment):
            found.clock.append(back)
        if read.type in marked or (read.outputs and read.type == _NOTE):
            _mark(found, entry, leaf)
    return counts


def _holds_record(read: _Leaf, leaf: bytes) -> bool:
    """Canonical JSON has no line break, and a record is an object."""
    return b"\n" not in leaf and bytes(memoryview(read.record)[:1]) == b"{"


def _mark(found: Snapshot, entry: int, leaf: bytes) -> None:
    try:
        found.marked.append(StoredEvent(entry, read_event(leaf, entry)))
    except IntegrityError:
        _unreadable(found, entry)


def _unreadable(found: Snapshot, entry: int) -> None:
    found.findings.append(Finding.at(Attack.EDIT, entry, "An entry of the ledger cannot be read"))


__all__ = [
    "CLOCK_TOLERANCE",
    "MARKED",
    "ClockRule",
    "Snapshot",
    "stored_tree_difference",
    "take_snapshot",
]
