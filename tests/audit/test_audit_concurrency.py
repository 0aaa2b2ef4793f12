"""Many writers, one tree; and nothing that was acknowledged is lost, however the writer ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from medcairn.audit import Evidence, PostgresAddress, read_events
from medcairn.core.clock import SystemClock

from .books import Book, new_book

WRITER = Path(__file__).with_name("writer_process.py")
PROCESSES, EACH = 10, 30


def started(book: Book, name: str, *, count: int, threads: int = 1) -> subprocess.Popen[str]:
    place = (
        {"dsn": book.address.dsn, "schema": book.address.schema}
        if isinstance(book.address, PostgresAddress)
        else {"path": str(book.address)}
    )
    spec = {**place, "key": str(book.key_file), "count": count, "threads": threads, "name": name}
    command = [sys.executable, str(WRITER), json.dumps(spec)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str]) -> dict[int, str]:
    """Entry → event id of each whole line; a line that was cut by the kill was not read by anyone."""
    out, _ = process.communicate(timeout=120)
    lines = out.split("\n")[:-1]
    return {int(entry): event for entry, event in (line.split(" ") for line in lines)}


def begun(book: Book) -> Book:
    book.clock = SystemClock()  # type: ignore[assignment]  # as the processes have
    book.create().close()
    return book


def test_ten_processes_append_at_once_to_one_consistent_tree(book: Book) -> None:
    begun(book)
    processes = [started(book, str(number), count=EACH) for number in range(PROCESSES)]
    told = [acknowledged(process) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    events = {stored.index: stored.event for stored in read_events(book.address)}
    assert len(events) == PROCESSES * EACH + 1
    for one in told:
        assert len(one) == EACH
        assert all(events[entry].id == event for entry, event in one.items())
    by = Counter(str(event.record.get("by")) for event in events.values())
    assert sorted(by.values()) == [1] + [EACH] * PROCESSES
    check = book.verify(Evidence())
    assert (check.tree_size, check.findings) == (PROCESSES * EACH + 1, ())
    assert check.checkpoints >= 1


@pytest.mark.part11("11.10(c)")
@pytest.mark.parametrize("kills", range(2))
def test_what_was_acknowledged_survives_kill_9(book: Book, kills: int) -> None:
    begun(book)
    process = started(book, "killed", count=0, threads=16)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.2 + 0.3 * kills)
    process.send_signal(signal.SIGKILL)
    told = acknowledged(process)
    entry, event_id = first.split()
    told[int(entry)] = event_id
    assert process.returncode == -signal.SIGKILL and len(told) > 20
    events = {stored.index: stored.event.id for stored in read_events(book.address)}
    assert all(events[entry] == event for entry, event in told.items())
    assert book.verify().findings == ()
    with book.open() as ledger:  # and the next one goes on from there
        assert ledger.checkpoint().tree_size == len(events)
    assert book.verify().findings == ()


def test_two_processes_that_sign_get_an_entry_each_and_both_receipts_hold(book: Book) -> None:
    """That both may sign is the gate's to say; the ledger gives one order and loses neither."""
    begun(book)
    processes = [started(book, name, count=1) for name in ("ada", "bo")]
    told = [acknowledged(process) for process in processes]
    entries = sorted(entry for one in told for entry in one)
    assert entries == [1, 2]
    with book.open() as ledger:
        receipts = [(str(entry), ledger.receipt(entry)) for entry in entries]
    assert book.verify(Evidence(receipts=receipts)).findings == ()


def test_the_file_of_a_killed_writer_is_whole_at_any_moment(tmp_path: Path) -> None:
    """Reading beside a writer never shows half of a commit."""
    book = begun(new_book(tmp_path, None))
    process = started(book, "busy", count=0, threads=8)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        sizes = []
        for _ in range(8):
            check = book.verify()
            assert check.findings == ()
            sizes.append(check.tree_size)
    finally:
        process.kill()
        acknowledged(process)
    assert sizes == sorted(sizes) and sizes[-1] > sizes[0]
