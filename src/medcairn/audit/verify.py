"""Verification of a ledger: which attack, and the first bad entry.

The leaves are hashed anew and held against everything that was said about them: the stored tree, the
ledger's own checkpoints, those of witnesses with the leaf hashes that they took, a checkpoint that the reader
kept, receipts. Only what the ledger's seal key signed is believed; the rest helps to say where to look.

What this cannot find: entries cut or changed after the last checkpoint that a witness or a receipt holds,
when the stored tree and the checkpoints were cut or changed along; and a second history by someone who has
the seal key and every copy of the first. Keep copies elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from medcairn.audit import merkle
from medcairn.audit.acts import ArtifactCheck, People, check_acts
from medcairn.audit.diagnosis import Change, Difference, difference
from medcairn.audit.events import EventType
from medcairn.audit.findings import Attack, Finding, LedgerCheck, in_order
from medcairn.audit.receipts import Receipt
from medcairn.audit.snapshot import Snapshot, stored_tree_difference, take_snapshot
from medcairn.audit.statements import Judged, Sealed, Statements
from medcairn.audit.stores import LedgerAddress, open_store
from medcairn.audit.witness import Attestation, FolderWitness
from medcairn.core.errors import IntegrityError

_NAMES = {
    Change.CUT: (Attack.TRUNCATION, "The ledger was cut: it held more entries than there are"),
    Change.REMOVED: (Attack.DELETE, "An entry was deleted"),
    Change.ADDED: (Attack.BACK_DATED_INSERT, "An entry was put between older ones"),
    Change.MOVED: (Attack.REORDER, "Entries were put in another order"),
    Change.REPLACED: (Attack.EDIT, "An entry was edited"),
}
_REWRITTEN = "Entries were rewritten, and the stored tree with them"
_FORKED = "The seal key sealed two histories that part here"


@dataclass(frozen=True)
class Evidence:
    """What a ledger is held against, besides itself. Nothing of it is needed; each part finds more.

    ``public_key`` is the first seal key as the reader knows it from elsewhere: without it a ledger that was
    replaced as a whole, key included, shows only where a witness or a receipt remembers. ``since`` is a
    checkpoint that the reader kept; ``receipts`` are (name, receipt), None for one that cannot be read.
    """

    public_key: bytes | None = None
    since: str | None = None
    receipts: Sequence[tuple[str, Receipt | None]] = ()
    witnesses: Sequence[Attestation] = ()
    people: People | None = None
    artifacts: ArtifactCheck | None = None


def verify_ledger(
    address: LedgerAddress, *, public_key: bytes | None = None, evidence: Evidence | None = None
) -> LedgerCheck:
    """Check the ledger at ``address`` against itself, the witness beside it, and ``evidence``.

    ``public_key`` goes before the one in ``evidence``.
    """
    evidence = evidence or Evidence()
    evidence = evidence if public_key is None else replace(evidence, public_key=public_key)
    # The witness is read first: what it holds was in the store before.
    beside = [FolderWitness.beside(address).attestation()] if isinstance(address, Path) else []
    attestations = [*beside, *evidence.witnesses]
    with closing(open_store(address, read_only=True)) as store:
        try:
            snapshot = take_snapshot(store, [stamp for one in attestations for stamp in one.stamped])
        except IntegrityError as failure:
            found = Finding(failure.message, _name(address), Attack.EDIT, 0)
            return LedgerCheck(0, merkle.EMPTY_ROOT, 0, (found,))
        tree = merkle.Tree(snapshot.leaf_hashes)
        check = check_snapshot(snapshot, tree, attestations, evidence, _name(address))
        if not any(finding.attack for finding in check.findings):
            wrong = stored_tree_difference(store, tree.levels)
            findings = (*check.findings, wrong) if wrong else check.findings
            check = LedgerCheck(check.tree_size, check.root_hash, check.checkpoints, findings, check.receipts)
    return check


def check_snapshot(
    snapshot: Snapshot, tree: merkle.Tree, attestations: Sequence[Attestation], evidence: Evidence, place: str
) -> LedgerCheck:
    """Judge what was read; ``place`` names the ledger in findings."""
    statements = Statements(snapshot, evidence.public_key or snapshot.stated_key)
    statements.add_notes(f"checkpoint in {place}", snapshot.checkpoints)
    for attestation in attestations:
        statements.add_notes(f"checkpoint in {attestation.place}", attestation.notes)
    if evidence.since is not None:
        statements.add_notes("the checkpoint given", [evidence.since])
    for name, receipt in evidence.receipts:
        statements.add_receipt(name, receipt)
    judged = statements.judged()
    findings = [*snapshot.findings, *judged.findings, *_check_first_key(snapshot, evidence.public_key)]
    findings += [
        Finding("A witness does not hold what it should", name) for one in attestations for name in one.broken
    ]
    change = _check_leaves(snapshot, tree, judged, [one.leaf_hashes for one in attestations])
    findings += [change] if change else []
    # What time shows after a place where entries were changed is a consequence of that.
    first = change.entry if change and change.entry is not None else snapshot.size
    findings += [finding for finding in snapshot.clock if finding.entry is None or finding.entry < first]
    findings += check_acts(snapshot.marked, evidence.people, evidence.artifacts)
    root = tree.root_hash(tree.size)
    return LedgerCheck(tree.size, root, statements.notes, in_order(findings), len(evidence.receipts))


def _name(address: LedgerAddress) -> str:
    return address.name if isinstance(address, Path) else address.schema


def _check_first_key(snapshot: Snapshot, known: bytes | None) -> list[Finding]:
    found = []
    if known is not None and known != snapshot.stated_key:
        what = "The ledger names another seal key than the one given"
        found.append(Finding(what, "about", Attack.KEY_SWAP, 0))
    first = snapshot.marked[0] if snapshot.marked else None
    if first is None or first.index != 0 or first.event.type is not EventType.LEDGER_CREATED:
        if snapshot.size == 0:
            found.append(Finding.at(Attack.TRUNCATION, 0, "The ledger has no entries"))
        return found  # what stands there instead is told by the tree
    if first.event.record.get("public_key") != snapshot.stated_key.hex():
        found.append(Finding.at(Attack.KEY_SWAP, 0, "The first entry names another seal key"))
    return found


def _check_leaves(
    snapshot: Snapshot, tree: merkle.Tree, judged: Judged, witnessed: Sequence[bytes]
) -> Finding | None:
    """The first change of the leaves: by a list of hashes that a checkpoint seals, else by checkpoints."""
    present = snapshot.leaf_hashes
    holding = [sealed.tree_size for sealed in judged.sealed if _holds(tree, sealed)]
    known = [_sealed_part(one, present, judged.sealed, holding) for one in (*witnessed, snapshot.level0)]
    changes = [change for part in known if (change := difference(present, part)) is not None]
    if changes:
        earliest = min(changes, key=lambda change: change.first)
        return _named(earliest, snapshot, forked=max(holding, default=0) > earliest.first)
    # As far as a checkpoint holds the entries are as they were, whatever the stored tree says.
    start = max(holding, default=0)
    skipped = start * merkle.HASH_BYTES
    found = difference(present[skipped:], snapshot.level0[skipped:])
    if found is not None:
        found = Difference(found.change, found.first + start)
    doubt = _doubt(tree, judged, holding)
    if doubt is not None and (found is None or not doubt.first <= found.first < doubt.end):
        return Finding.between(doubt.attack, doubt.first, doubt.end, doubt.what)
    if found is not None:
        return _named(found, snapshot, forked=False)
    return None if snapshot.gap is None else Finding.at(Attack.DELETE, snapshot.gap, "An entry is missing")


def _holds(tree: merkle.Tree, sealed: Sealed) -> bool:
    return sealed.tree_size <= tree.size and tree.root_hash(sealed.tree_size) == sealed.root_hash


def _sealed_part(
    hashes: bytes, present: bytearray, sealed: Sequence[Sealed], holding: Sequence[int]
) -> bytes:
    """A list of leaf hashes as far as it has a sealed root."""
    if present.startswith(hashes):
        sizes = [size for size in holding if size * merkle.HASH_BYTES <= len(hashes)]
    else:
        tree = merkle.Tree(hashes)
        sizes = [one.tree_size for one in sealed if _holds(tree, one)]
    return hashes[: max(sizes, default=0) * merkle.HASH_BYTES]


def _named(found: Difference, snapshot: Snapshot, *, forked: bool) -> Finding:
    if forked:
        return Finding.at(Attack.FORK, found.first, _FORKED)
    if found.change is Change.REPLACED and snapshot.level0 == snapshot.leaf_hashes:
        return Finding.at(Attack.RECHAINED_REWRITE, found.first, _REWRITTEN)
    attack, what = _NAMES[found.change]
    return Finding.at(attack, found.first, what)


@dataclass(frozen=True)
class _Doubt:
    """A sealed tree is not this one's beginning: something from ``first`` to before ``end`` differs."""

    attack: Attack
    what: str
    first: int
    end: int


def _doubt(tree: merkle.Tree, judged: Judged, holding: Sequence[int]) -> _Doubt | None:
    """What sealed trees alone tell: between which sizes the first change lies."""
    failing = [one.tree_size for one in judged.sealed if one.tree_size <= tree.size and not _holds(tree, one)]
    if failing:
        end = min(failing)
        first = max((size for size in holding if size < end), default=0)
        if max(holding, default=0) >= end:
            return _Doubt(Attack.FORK, _FORKED, first, end)
        return _Doubt(Attack.RECHAINED_REWRITE, _REWRITTEN, first, end)
    beyond = max((one.tree_size for one in judged.sealed), default=0)
    return None if beyond <= tree.size else _Doubt(*_NAMES[Change.CUT], tree.size, beyond)


__all__ = ["Evidence", "verify_ledger"]
