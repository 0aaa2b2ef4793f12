"""Random honest histories: no verification may find anything in them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from medcairn.audit import EventType, Evidence, Ledger, SealKey, read_receipt
from medcairn.core.errors import UsageError

from .books import KEYS, Book, StepClock, digest, model, new_book, run, sign


@dataclass
class JitterClock(StepClock):
    """A clock that its time service steps: mostly on, sometimes back by up to two seconds."""

    source: random.Random = field(default_factory=random.Random)

    def now(self) -> datetime:
        self.moment += timedelta(seconds=self.source.choice((0.0, 0.001, 1.0, 60.0, 90_000.0)))
        return self.moment - timedelta(seconds=self.source.choice((0.0, 0.0, 0.5, 2.0)))


def honest(folder: Path, seed: int, *, longest: int = 40) -> tuple[Book, Evidence]:
    """A ledger that nobody attacked, and everything that its reader may hold it against."""
    chance = random.Random(seed)
    book = new_book(folder, None)
    book.clock = JitterClock(source=chance)
    with book.create() as ledger:
        first = SealKey.open(book.key_file).public
        for step in range(chance.randrange(longest)):
            _act(ledger, book, chance, step)
    if chance.random() < 0.3:
        with book.open() as ledger:
            run(ledger, seed)
            ledger.checkpoint()
    receipts = []
    for entry in range(chance.randrange(4)):
        try:
            receipts.append((f"{entry}.json", read_receipt(book.address, entry)))
        except UsageError:
            continue
    held = book.elsewhere.attestation()
    evidence = Evidence(
        public_key=chance.choice((first, None)),
        since=chance.choice((*held.notes, None)),
        receipts=receipts,
        witnesses=[held] if chance.random() < 0.7 else [],
        people=KEYS,
        artifacts=lambda ref: [],
    )
    return book, evidence


def _act(ledger: Ledger, book: Book, chance: random.Random, step: int) -> None:
    what = chance.random()
    if what < 0.5:
        ledger.append(
            chance.choice((EventType.RUN_STARTED, EventType.RUN_FINISHED, EventType.GATE_REFUSED)),
            actor=chance.choice(("pipeline", "person:ada", "service:x")),
            run_id=chance.choice((None, "run-1")),
            inputs=[model(f"model {step}")] * chance.randrange(3),
            record={"number": chance.randrange(-5, 5), "share": chance.random(), "text": 'é😀\n\\"\x01'},
        )
    elif what < 0.6:
        ledger.append(EventType.ARTIFACT_MADE, actor="pipeline", outputs=[model(f"m{chance.randrange(3)}")])
    elif what < 0.75:
        sign(ledger, book.clock, chance.choice(("ada", "bo")), f"record {step}")
    elif what < 0.95:
        ledger.checkpoint()
    elif what < 0.97:
        ledger.rotate_key(actor="person:ada")
    else:
        ledger.append(
            EventType.STAGE_FINISHED, actor="pipeline", stage="package",
            inputs=[model()], record={"approval_digest": digest("unknown")},
        )  # fmt: skip


__all__ = ["honest"]
