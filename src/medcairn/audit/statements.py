"""What was said about the ledger under its seal: checkpoints, rotations of the key, receipts.

Each is checked for the seal of the key that sealed trees of its size. What holds is believed, whoever
kept it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from medcairn.audit.events import EventType
from medcairn.audit.findings import Attack, Finding
from medcairn.audit.keys import KeyHistory, Rotation
from medcairn.audit.reading import rotation_in
from medcairn.audit.receipts import Receipt
from medcairn.audit.seals import Seal, SignedNote
from medcairn.audit.snapshot import Snapshot
from medcairn.core.errors import IntegrityError


@dataclass(frozen=True)
class Sealed:
    """A tree that the ledger's key sealed."""

    tree_size: int
    root_hash: bytes


@dataclass
class Judged:
    """The sealed trees that may be believed, and what is wrong with the rest."""

    keys: KeyHistory
    sealed: list[Sealed] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Statements:
    """Collects statements about one ledger, then judges them."""

    def __init__(self, snapshot: Snapshot, first_key: bytes) -> None:
        self._snapshot, self._first_key = snapshot, first_key
        self._noted: dict[str, str] = {}
        self._wrong: list[Finding] = []
        self.notes = 0

    def add_notes(self, where: str, notes: Iterable[str]) -> None:
        """Signed notes that were found in a place; one that is known already is judged once."""
        for note in notes:
            self.notes += 1
            self._noted.setdefault(note, where)

    def add_receipt(self, name: str, receipt: Receipt | None) -> None:
        """A receipt, by the name of its file; None for one that cannot be read."""
        if receipt is None:
            self._wrong.append(Finding("A receipt cannot be read", name))
        elif not receipt.holds():
            self._wrong.append(Finding("A receipt's proof does not lead to its checkpoint", name))
        else:
            self._noted.setdefault(receipt.checkpoint, f"checkpoint in receipt {name}")

    def judged(self) -> Judged:
        """Everything, held against the keys."""
        parsed: dict[str, SignedNote] = {}
        unread = [*self._wrong]
        for note, where in self._noted.items():
            with suppress(IntegrityError):
                parsed[note] = SignedNote.parsed(note)
            if note not in parsed:
                unread.append(Finding("A checkpoint cannot be read", where, Attack.EDIT))
        judged = Judged(self._keys(parsed.values()), findings=unread)
        judged.findings += self._check_rotations(judged)
        for note, signed in parsed.items():
            self._judge(signed, self._noted[note], judged)
        return judged

    def _keys(self, notes: Iterable[SignedNote]) -> KeyHistory:
        """By the rotations in the entries and, where entries were cut, in what witnesses hold."""
        found = [rotation for _, rotation in self._recorded() if rotation is not None]
        found += [rotation for note in notes if (rotation := Rotation.of(note)) is not None]
        return KeyHistory.of(
            self._first_key, [one for one in found if one.note.checkpoint.origin == self._snapshot.origin]
        )

    def _recorded(self) -> Iterator[tuple[int, Rotation | None]]:
        for stored in self._snapshot.marked:
            if stored.event.type is EventType.KEY_ROTATED:
                yield stored.index, rotation_in(stored.event.record)

    def _check_rotations(self, judged: Judged) -> Iterator[Finding]:
        """Every rotation in the entries must be one that the key before it sealed."""
        accepted = {(start, key) for start, key in judged.keys.periods}
        for entry, rotation in self._recorded():
            if rotation is None or (rotation.tree_size + 1, rotation.new) not in accepted:
                what = "A new seal key is not signed by the one before it"
                yield Finding.at(Attack.KEY_SWAP, entry, what)
            else:
                # Its tree is judged with the other notes: it need not be among the checkpoints.
                judged.sealed.append(_sealed(rotation.note))

    def _judge(self, signed: SignedNote, where: str, judged: Judged) -> None:
        if signed.checkpoint.origin != self._snapshot.origin:
            judged.findings.append(Finding("A checkpoint is of another ledger", where))
            return
        size, keys = signed.checkpoint.tree_size, judged.keys
        if signed.seal_of(keys.at(size)) is Seal.HOLDS:
            judged.sealed.append(_sealed(signed))
            return
        seals = [signed.seal_of(key) for key in keys.keys]
        if Seal.HOLDS in seals:
            start = max(start for start, _ in keys.periods if start <= size)
            what = "A checkpoint is sealed by a key that was not the ledger's at that size"
            judged.findings.append(Finding(what, where, Attack.KEY_SWAP, start))
        elif Seal.BROKEN in seals:
            judged.findings.append(Finding("A checkpoint was edited", where, Attack.EDIT))
        else:
            what = "A checkpoint is not sealed by this ledger's key"
            judged.findings.append(Finding(what, where, Attack.KEY_SWAP, 0))


def _sealed(signed: SignedNote) -> Sealed:
    return Sealed(signed.checkpoint.tree_size, signed.checkpoint.root_hash)


__all__ = ["Judged", "Sealed", "Statements"]
