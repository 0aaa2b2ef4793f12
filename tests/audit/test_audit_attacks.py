"""The twelve attacks on both stores, through the database and on the files: each named, and located."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from medcairn.audit import Attack, Evidence, Ledger, read_receipt
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.clock import RandomIds

from .attacks import FIRST_BAD, Backup, back_up, raw, sql
from .books import KEYS, Book, fill_first, fill_rest, model, run
from .standalone import export, findings_in_process

SWAPPED = "sha256:" + "0" * 64


def prepared(book: Book, attack: Attack, level: str) -> Backup | None:
    """The history, and for work on the files a copy of them from before the last entries."""
    with book.create() as ledger:
        fill_first(ledger, book.clock)
        if level == "sql":
            fill_rest(ledger, book.clock)
            return None
    older = attack in (Attack.TRUNCATION, Attack.FORK)
    backup = back_up(book) if older else Backup(book.folder)
    with book.open() as ledger:
        fill_rest(ledger, book.clock)
    return backup


def evidence_of(book: Book, attack: Attack | None = None) -> Evidence:
    """What the reader holds: a witness elsewhere, two receipts, the people's keys, the artifacts."""
    receipts = [(f"entry-{entry}", read_receipt(book.address, entry)) for entry in (4, 7)]

    def artifacts(ref: ArtifactRef) -> Iterable[tuple[str, str]]:
        swapped = attack is Attack.SWAPPED_ARTIFACT
        return [("An artifact's manifest is not the one recorded", ref.path)] if swapped else []

    return Evidence(
        receipts=receipts, witnesses=[book.elsewhere.attestation()], people=KEYS, artifacts=artifacts
    )


def carry_out(book: Book, attack: Attack, level: str, backup: Backup | None) -> None:
    if backup is None:
        sql(book, attack)
    else:
        raw(book, attack, backup)
    if attack is Attack.FORK:  # the unsuspecting software goes on from the older state
        for left in book.folder.glob("ledger.*s"):
            if left.suffix in (".checkpoints", ".leaves"):
                left.unlink()
        with Ledger.open(book.address, book.key_file, clock=book.clock, ids=RandomIds()) as ledger:
            for number in range(20):
                run(ledger, number)
            ledger.checkpoint()


@pytest.mark.part11("11.10(a)", "11.10(e)")
@pytest.mark.parametrize("level", ["sql", "raw"])
@pytest.mark.parametrize("attack", Attack)
def test_an_attack_is_named_and_located(book: Book, attack: Attack, level: str, tmp_path: Path) -> None:
    backup = prepared(book, attack, level)
    evidence = evidence_of(book, attack)
    assert book.verify(evidence_of(book)).findings == ()
    carry_out(book, attack, level, backup)
    check = book.verify(evidence)
    expected = (attack, FIRST_BAD[level, attack])
    assert (check.attack, check.first_bad_entry) == expected, check.findings
    seal = SWAPPED if attack is Attack.SWAPPED_ARTIFACT else model().seal
    export(book.address, tmp_path / "export", evidence, {model().path: seal})
    alone = findings_in_process(tmp_path / "export")
    assert alone[0] == (expected[0].value, expected[1])
    platform = [(one.attack.value if one.attack else None, one.entry) for one in check.findings]
    assert sorted(alone, key=str) == sorted(platform, key=str)
