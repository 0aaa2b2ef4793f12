"""The service's ledger is sealed while it runs: after so many entries, after so long, and when it stops."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit.books import Book, new_book
from medcairn.audit import Attack, EventType, Ledger, read_events
from medcairn.audit.reading import read_receipt
from medcairn.audit.seals import SignedNote
from medcairn.audit.witness import FolderWitness
from medcairn.core.clock import RandomIds
from medcairn.core.errors import ExternalError, UsageError
from medcairn.serving import SealedSink

FOREVER = 3600.0
SERVICE = """
import os, sys, threading
from pathlib import Path
from medcairn.audit import EventType, Ledger
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.serving import SealedSink

folder = Path(sys.argv[1])
clock, ids, place, key = SystemClock(), RandomIds(), folder / "ledger.db", folder / "keys" / "k"
ledger = Ledger.create(place, key, origin="test", clock=clock, ids=ids)
sink = SealedSink(ledger, ledger.checkpoint, every_entries=50, every_seconds=3600.0)


def work():
    while True:
        done = sink.append(EventType.PREDICTION_MADE, actor="service:x", record={"prediction_id": ids.new()})
        os.write(1, f"{done.index} {done.event.record['prediction_id']}\\n".encode())


for _ in range(4):
    threading.Thread(target=work).start()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Book:
    server = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    return new_book(tmp_path, server)


class Calls:
    """A seal that counts, fails when told to, and waits while ``slow`` is not set."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.fails = False
        self.slow = threading.Event()
        self.slow.set()

    def __call__(self) -> None:
        self.times.append(time.monotonic())
        self.slow.wait(10)
        if self.fails:
            raise ExternalError("away")


class Sink:
    """Takes events and keeps nothing."""

    def append(self, event_type: EventType, **about: object) -> object:
        return event_type

    def check_ready(self) -> None:
        return


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls()
    yield made
    made.slow.set()


def add(sink: SealedSink, count: int) -> None:
    for _ in range(count):
        sink.append(EventType.PREDICTION_MADE, actor="service:x")


def until(condition: Callable[[], bool]) -> None:
    patience = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.005)


def test_it_is_sealed_after_so_many_entries_and_the_rest_when_it_stops(calls: Calls) -> None:
    with SealedSink(Sink(), calls, every_entries=10, every_seconds=FOREVER) as sink:
        add(sink, 9)
        time.sleep(0.05)
        assert len(calls.times) == 0
        add(sink, 1)
        until(lambda: len(calls.times) == 1)
        add(sink, 3)
    assert len(calls.times) == 2


def test_it_is_sealed_after_so_long_from_the_first_entry_on(calls: Calls) -> None:
    with SealedSink(Sink(), calls, every_entries=1000, every_seconds=0.1) as sink:
        time.sleep(0.25)
        assert calls.times == []  # nothing is new
        began = time.monotonic()
        add(sink, 1)
        until(lambda: len(calls.times) == 1)
        assert calls.times[0] - began >= 0.1
        time.sleep(0.25)
    assert len(calls.times) == 1  # nor was anything new at the end


def test_no_answer_waits_for_a_seal_that_is_slow(calls: Calls) -> None:
    calls.slow.clear()
    with SealedSink(Sink(), calls, every_entries=1, every_seconds=FOREVER) as sink:
        add(sink, 1)
        until(lambda: len(calls.times) == 1)
        began = time.monotonic()
        add(sink, 1000)
        assert time.monotonic() - began < 5 and len(calls.times) == 1
        calls.slow.set()
    assert len(calls.times) >= 2


def test_a_seal_that_fails_is_logged_and_tried_again_in_time(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    calls.fails = True
    with (
        caplog.at_level(logging.ERROR),
        SealedSink(Sink(), calls, every_entries=2, every_seconds=0.2) as sink,
    ):
        add(sink, 2)
        until(lambda: len(calls.times) == 1)
        add(sink, 500)  # a witness that is away is not asked at every entry
        until(lambda: len(calls.times) == 2)
        assert calls.times[1] - calls.times[0] >= 0.2
        calls.fails = False
        until(lambda: len(calls.times) == 3)
        time.sleep(0.3)
    assert len(calls.times) == 3
    assert [record.message for record in caplog.records] == [
        '{"event": "checkpoint_failed", "code": "external"}'
    ] * 2


def test_both_stores_are_sealed_beside_their_writer(book: Book) -> None:
    with (
        book.create() as ledger,
        SealedSink(ledger, ledger.checkpoint, every_entries=20, every_seconds=FOREVER) as sink,
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda _: add(sink, 25), range(4)))
    sizes = [SignedNote.parsed(note).checkpoint.tree_size for note in book.elsewhere.attestation().notes]
    assert sizes[-1] == 101 and len(sizes) >= 2
    assert book.verify().findings == ()


def test_a_witness_that_hangs_holds_up_no_answer(tmp_path: Path) -> None:
    book, hangs = new_book(tmp_path, None), threading.Event()

    class Hanging(FolderWitness):
        def publish(self, note: str, tree_size: int, leaf_hashes: object) -> None:
            hangs.wait(20)

    book.create().close()
    slow = Hanging(tmp_path, "x")
    with (
        Ledger.open(
            book.address, book.key_file, clock=book.clock, ids=RandomIds(), witnesses=[slow]
        ) as ledger,
        SealedSink(ledger, ledger.checkpoint, every_entries=1, every_seconds=FOREVER) as sink,
    ):
        add(sink, 1)
        until(lambda: book.folder.joinpath("ledger.checkpoints").is_file())
        began = time.monotonic()
        add(sink, 20)
        assert time.monotonic() - began < 10
        hangs.set()


def test_after_kill_9_only_what_came_after_the_last_seal_is_unsealed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(600)]
    process.send_signal(signal.SIGKILL)
    lines += process.communicate()[0].splitlines(keepends=True)
    acknowledged = dict(line.split() for line in lines if line.endswith("\n"))
    place = tmp_path / "ledger.db"
    stored = {str(one.index): one.event.record.get("prediction_id") for one in read_events(place)}
    assert acknowledged.items() <= stored.items()

    notes = FolderWitness.beside(place).attestation().notes
    sealed = SignedNote.parsed(notes[-1]).checkpoint.tree_size
    assert 600 - 300 < sealed <= len(stored)
    assert read_receipt(place, sealed - 1).holds()
    if sealed < len(stored):
        with pytest.raises(UsageError, match="No checkpoint seals"):
            read_receipt(place, sealed)
    book = Book(place, tmp_path, None)
    assert book.verify().findings == ()
    with book.admin() as admin:
        admin.replace(admin.entries()[: sealed - 1])
    assert book.verify().attack is Attack.TRUNCATION
