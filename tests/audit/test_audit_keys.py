"""Rotation of the seal key: signed by the old one, taken up by everyone, and no way in for another key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.audit import Attack, Checkpoint, EventType, Evidence, Ledger, SealKey, read_receipt
from medcairn.audit.seals import SignedNote
from medcairn.core.clock import RandomIds
from medcairn.core.errors import IntegrityError, UsageError

from .attacks import forged
from .books import KEYS, ORIGIN, Book, fill, run
from .standalone import export, findings_in_process


def rotated(book: Book, times: int = 1) -> list[bytes]:
    """The history, then rotations with an entry after each; the public keys, oldest first."""
    with book.create() as ledger:
        keys = [SealKey.open(book.key_file).public]
        fill(ledger, book.clock)
        for number in range(times):
            ledger.rotate_key(actor="person:ada")
            keys.append(SealKey.open(book.key_file).public)
            run(ledger, number)
        ledger.checkpoint()
    return keys


def test_checkpoints_carry_the_key_of_their_time(book: Book, tmp_path: Path) -> None:
    keys = rotated(book, times=2)
    assert len(set(keys)) == 3
    notes = [SignedNote.parsed(note) for note in book.elsewhere.attestation().notes]
    signers = [next(n for n, key in enumerate(keys) if note.seal_of(key).value == "holds") for note in notes]
    assert [note.checkpoint.tree_size for note in notes] == [10, 12, 13, 14, 15, 16]
    assert signers == [0, 0, 1, 1, 2, 2]
    evidence = Evidence(public_key=keys[0], witnesses=[book.elsewhere.attestation()], people=KEYS)
    assert book.verify(evidence).findings == ()
    export(book.address, tmp_path / "export", evidence)
    assert findings_in_process(tmp_path / "export", keys[0]) == []
    assert book.verify(Evidence(public_key=keys[2])).attack is Attack.KEY_SWAP


def test_an_open_ledger_takes_up_the_key_that_another_process_made(book: Book) -> None:
    book.create().close()
    with book.open() as first, book.open() as second:
        first.rotate_key(actor="person:ada")
        second.rotate_key(actor="person:ada")
        first.checkpoint()
    assert book.verify().findings == ()


def test_the_old_key_no_longer_opens_the_ledger(book: Book) -> None:
    book.create().close()
    old = book.key_file.read_bytes()
    with book.open() as ledger:
        ledger.rotate_key(actor="person:ada")
    book.key_file.write_bytes(old)
    with pytest.raises(IntegrityError, match="not the one that this ledger is sealed with"):
        book.open()


def test_a_rotation_that_died_after_its_commit_is_completed(book: Book) -> None:
    book.create().close()
    old = book.key_file.read_bytes()
    with book.open() as ledger:
        ledger.rotate_key(actor="person:ada")
    book.key_file.rename(book.key_file.with_name("seal.key.next"))
    book.key_file.write_bytes(old)
    book.key_file.chmod(0o600)
    with book.open() as ledger:
        assert ledger.checkpoint().tree_size == 2
    assert not book.key_file.with_name("seal.key.next").exists()


def test_a_key_that_is_in_no_file_is_not_replaced(book: Book) -> None:
    book.create().close()
    key = SealKey.open(book.key_file)
    with Ledger(book.address, key, clock=book.clock, ids=RandomIds()) as ledger, pytest.raises(UsageError):
        ledger.rotate_key(actor="person:ada")


def test_a_rotation_that_the_old_key_did_not_sign_is_a_key_swap(book: Book, tmp_path: Path) -> None:
    with book.create() as ledger:
        fill(ledger, book.clock)
    attacker = SealKey.create(tmp_path / "attacker" / "key")
    with book.admin() as admin:
        root = bytes.fromhex(book.verify().root_hash.hex())
        note = Checkpoint(ORIGIN, 12, root).sealed(attacker, f"next-key {attacker.public.hex()}")
        record = {"old_public_key": "", "new_public_key": attacker.public.hex(), "note": note}
        admin.append("key.rotated", forged(dict(record), kind=EventType.KEY_ROTATED, seconds=60))
    check = book.verify()
    assert (check.attack, check.first_bad_entry) == (Attack.KEY_SWAP, 12)


def test_a_cut_before_a_rotation_is_a_cut_and_not_a_key_swap(book: Book, tmp_path: Path) -> None:
    rotated(book)
    evidence = Evidence(
        witnesses=[book.elsewhere.attestation()], receipts=[("r", read_receipt(book.address, 13))]
    )
    with book.admin() as admin:
        admin.replace(admin.entries()[:11])
        admin.run("DELETE FROM checkpoint")
    check = book.verify(evidence)
    assert (check.attack, check.first_bad_entry) == (Attack.TRUNCATION, 11)
    export(book.address, tmp_path / "export", evidence)
    assert findings_in_process(tmp_path / "export") == [("truncation", 11)]


def test_a_retired_key_seals_nothing_that_came_after_it(book: Book) -> None:
    book.create().close()
    old = SealKey.open(book.key_file)
    with book.open() as ledger:
        ledger.rotate_key(actor="person:ada")
        run(ledger, 1)
    late = Checkpoint(ORIGIN, 3, book.verify().root_hash).sealed(old)
    check = book.verify(Evidence(since=late))
    assert (check.attack, check.first_bad_entry) == (Attack.KEY_SWAP, 2)
    assert json.dumps(check.as_json())
