"""Receipts and consistency proofs: what a signer and an auditor can check without the ledger."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from medcairn.audit import Attack, Evidence, Receipt, SealKey, read_consistency, read_receipt, read_receipts
from medcairn.audit.receipts import ConsistencyProof
from medcairn.audit.seals import SignedNote
from medcairn.core.errors import IntegrityError, UsageError

from .attacks import sql
from .books import SIZE, Book, fill, run


@pytest.fixture
def filled(book: Book) -> Book:
    with book.create() as ledger:
        fill(ledger, book.clock)
    return book


def test_every_entry_gets_a_receipt_that_holds_without_the_ledger(filled: Book, tmp_path: Path) -> None:
    public = SealKey.open(filled.key_file).public
    with filled.open() as ledger:
        receipts = [ledger.receipt(entry) for entry in range(SIZE)]
        with pytest.raises(UsageError, match="No checkpoint seals this entry"):
            ledger.receipt(SIZE)
    for entry, receipt in enumerate(receipts):
        receipt.write(tmp_path / "receipts")
        assert receipt.entry == entry and receipt.check(public).tree_size > entry
        assert Receipt.from_json(json.loads(json.dumps(receipt.as_json()))) == receipt
    assert [receipt for _, receipt in read_receipts(tmp_path / "receipts")] == receipts
    assert filled.verify(Evidence(receipts=list(read_receipts(tmp_path / "receipts")))).findings == ()


def test_a_receipt_is_of_the_smallest_checkpoint_that_holds_the_entry(filled: Book) -> None:
    sizes = [SignedNote.parsed(read_receipt(filled.address, 3).checkpoint).checkpoint.tree_size]
    with pytest.raises(UsageError, match="Seal one"):
        read_receipt(filled.address, SIZE - 1)
    with filled.open() as ledger:
        sizes.append(SignedNote.parsed(ledger.receipt(SIZE - 1).checkpoint).checkpoint.tree_size)
    sizes.append(SignedNote.parsed(read_receipt(filled.address, 3).checkpoint).checkpoint.tree_size)
    assert sizes == [10, SIZE, 10]


def test_a_forged_receipt_does_not_hold(filled: Book, tmp_path: Path) -> None:
    receipt, public = read_receipt(filled.address, 4), SealKey.open(filled.key_file).public
    forged = [
        dataclasses.replace(receipt, leaf_hash=bytes(32)),
        dataclasses.replace(receipt, entry=5),
        dataclasses.replace(receipt, entry=-1),
        dataclasses.replace(receipt, proof=receipt.proof[:-1]),
        dataclasses.replace(receipt, checkpoint=receipt.checkpoint.replace("\n10\n", "\n11\n")),
    ]
    for one in forged:
        with pytest.raises(IntegrityError):
            one.check(public)
        assert filled.verify(Evidence(receipts=[("forged.json", one)])).findings != ()
    with pytest.raises(IntegrityError):
        receipt.check(SealKey.create(tmp_path / "other" / "key").public)
    (tmp_path / "broken.json").write_text("{")
    assert list(read_receipts(tmp_path)) == [("broken.json", None)]
    broken = filled.verify(Evidence(receipts=[("broken.json", None)]))
    assert [finding.what for finding in broken.findings] == ["A receipt cannot be read"]


@pytest.mark.parametrize("attack", [Attack.TRUNCATION, Attack.RECHAINED_REWRITE, Attack.KEY_SWAP])
def test_a_receipt_alone_shows_what_was_done_to_the_ledger(filled: Book, attack: Attack) -> None:
    receipt = read_receipt(filled.address, 8)
    sql(filled, attack)
    for left in filled.folder.glob("ledger.*s"):
        left.unlink()
    assert filled.verify().attack in (None, Attack.EDIT)
    check = filled.verify(Evidence(receipts=[("entry-8", receipt)]))
    assert check.attack is attack


def test_a_consistency_proof_connects_two_checkpoints(filled: Book) -> None:
    with filled.open() as ledger:
        (held,) = filled.elsewhere.attestation().notes
        for number in range(9):
            run(ledger, number)
        ledger.checkpoint()
        proof = read_consistency(filled.address, held)
    assert proof.holds()
    assert proof.as_json()["first"] == held
    forged = [
        ConsistencyProof(proof.second, proof.second, proof.proof),
        ConsistencyProof(proof.first, proof.second, proof.proof[:-1]),
        ConsistencyProof(proof.second, proof.first, proof.proof),
    ]
    assert [one.holds() for one in forged] == [False, False, False]
    assert filled.verify(Evidence(since=held)).findings == ()


def test_no_consistency_proof_holds_for_a_second_history(filled: Book) -> None:
    (held,) = filled.elsewhere.attestation().notes
    sql(filled, Attack.RECHAINED_REWRITE)
    for left in filled.folder.glob("ledger.*s"):
        left.unlink()
    with filled.open() as ledger:
        ledger.checkpoint()
    assert not read_consistency(filled.address, held).holds()
    assert filled.verify(Evidence(since=held)).attack is Attack.FORK
