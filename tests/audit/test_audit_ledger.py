"""The ledger: durable appends, group commit, checkpoints, and every attack named and located."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medcairn.audit import Checkpoint, EventType, Ledger, SealKey, read_events, verify_ledger, witness_file
from medcairn.core.clock import FixedClock, RandomIds, SystemClock
from medcairn.core.errors import DataError, IntegrityError, MedcairnError, UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    key = path.parent / "keys" / "seal.key"
    with Ledger.create(path, key, origin="test/ledger", clock=SystemClock(), ids=RandomIds()) as made:
        yield made


def fill(ledger: Ledger, count: int = 9) -> None:
    for number in range(count):
        ledger.append(EventType.RUN_STARTED, actor="pipeline", record={"number": number})


def test_events_come_back_in_order(ledger: Ledger, path: Path) -> None:
    fill(ledger, 3)
    numbers = [stored.event.record["number"] for stored in ledger.events(EventType.RUN_STARTED)]
    assert numbers == [0, 1, 2]
    assert [stored.index for stored in read_events(path)] == [0, 1, 2, 3]


def test_threads_share_commits_and_none_is_lost(ledger: Ledger, path: Path) -> None:
    threads = [threading.Thread(target=fill, args=(ledger, 25)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(ledger.events(EventType.RUN_STARTED))) == 200
    assert verify_ledger(path).findings == ()


def test_two_processes_append_to_one_tree(ledger: Ledger, path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from medcairn.audit import EventType, Ledger
        from medcairn.core.clock import RandomIds, SystemClock
        path = Path(sys.argv[1])
        key = path.parent / "keys" / "seal.key"
        with Ledger.open(path, key, clock=SystemClock(), ids=RandomIds()) as ledger:
            for number in range(40):
                ledger.append(EventType.RUN_FINISHED, actor="pipeline", record={"number": number})
        """
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(2)]
    fill(ledger, 40)
    assert [other.wait(30) for other in others] == [0, 0]
    check = verify_ledger(path)
    assert (check.tree_size, check.findings) == (121, ())


def test_what_was_acknowledged_survives_kill_9(ledger: Ledger, path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from medcairn.audit import EventType, Ledger
        from medcairn.core.clock import RandomIds, SystemClock
        path = Path(sys.argv[1])
        ledger = Ledger.open(path, path.parent / "keys" / "seal.key", clock=SystemClock(), ids=RandomIds())
        while True:
            print(ledger.append(EventType.PREDICTION_MADE, actor="service:test").index, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(20):
        last = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    for line in process.stdout:
        last = int(line) if line.endswith("\n") else last
    process.wait()
    process.stdout.close()
    check = verify_ledger(path)
    assert check.findings == ()
    assert check.tree_size > last


def test_a_record_that_cannot_be_canonical_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    with pytest.raises(DataError):
        ledger.append(EventType.RUN_STARTED, actor="pipeline", record={"share": float("nan")})
    assert list(ledger.events(EventType.RUN_STARTED)) == []


def test_the_tables_refuse_update_and_delete(ledger: Ledger, path: Path) -> None:
    fill(ledger, 2)
    db = sqlite3.connect(path, isolation_level=None)
    for statement in ("UPDATE entry SET leaf = x'00'", "DELETE FROM entry", "DELETE FROM node"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


def test_a_checkpoint_is_a_signed_note_that_another_key_does_not_open(tmp_path: Path) -> None:
    key, other = SealKey.create(tmp_path / "a" / "key"), SealKey.create(tmp_path / "b" / "key")
    checkpoint = Checkpoint("test/ledger", 7, b"\x01" * 32)
    note = checkpoint.sealed(key)
    assert note.split("\n")[:2] == ["test/ledger", "7"]
    assert Checkpoint.opened(note, key.public) == checkpoint
    for forged, public in (
        (note, other.public),
        (note.replace("\n7\n", "\n8\n"), key.public),
        ("", key.public),
    ):
        with pytest.raises(IntegrityError):
            Checkpoint.opened(forged, public)


def test_a_seal_key_that_others_can_read_is_refused(ledger: Ledger, path: Path) -> None:
    key = path.parent / "keys" / "seal.key"
    key.chmod(0o644)
    with pytest.raises(UsageError, match="readable by others"):
        SealKey.open(key)


# ── attacks ──────────────────────────────────────────────────────────────────────────────────────────


def freed(db: sqlite3.Connection) -> sqlite3.Connection:
    """An administrator can drop the triggers; they are a guard against accidents and not against malice."""
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    return db


def edit(db: sqlite3.Connection) -> None:
    (leaf,) = db.execute("SELECT leaf FROM entry WHERE position = 5").fetchone()
    db.execute("UPDATE entry SET leaf = ? WHERE position = 5", (leaf.replace(b"pipeline", b"pipelime"),))


def edit_with_leaf_hash(db: sqlite3.Connection) -> None:
    from medcairn.audit.merkle import leaf_hash

    (leaf,) = db.execute("SELECT leaf FROM entry WHERE position = 5").fetchone()
    forged = leaf.replace(b'"number":4', b'"number":6')
    db.execute("UPDATE entry SET leaf = ?, leaf_hash = ? WHERE position = 5", (forged, leaf_hash(forged)))


def rewrite_all(db: sqlite3.Connection) -> None:
    from medcairn.audit import merkle

    edit_with_leaf_hash(db)
    hashes = [row[0] for row in db.execute("SELECT leaf_hash FROM entry ORDER BY position")]
    level = 0
    while len(hashes) > 1:
        level += 1
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        hashes = [merkle.node_hash(left, right) for left, right in pairs]
        for index, node in enumerate(hashes):
            db.execute("UPDATE node SET hash = ? WHERE level = ? AND position = ?", (node, level, index))


def delete(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM entry WHERE position = 5")


def reorder(db: sqlite3.Connection) -> None:
    db.execute("UPDATE entry SET position = 100 WHERE position = 5")
    db.execute("UPDATE entry SET position = 5 WHERE position = 6")
    db.execute("UPDATE entry SET position = 6 WHERE position = 100")


def truncate(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM entry WHERE position >= 8")
    db.execute("DELETE FROM node WHERE ((position + 1) << level) > 8")
    db.execute("DELETE FROM checkpoint")


def refile(db: sqlite3.Connection) -> None:
    db.execute("UPDATE entry SET type = 'run.finished' WHERE position = 5")


ATTACKS: list[tuple[Callable[[sqlite3.Connection], None], str, str]] = [
    (edit, "An entry was edited", "entry 5"),
    (edit_with_leaf_hash, "The stored tree does not follow from the entries", "entries 4 to 5"),
    (rewrite_all, "The entries were rewritten after a checkpoint sealed them", "entries 0 to 9"),
    (delete, "An entry is missing", "entry 5"),
    (reorder, "The stored tree does not follow from the entries", "entries 4 to 5"),
    (truncate, "The ledger was cut: a checkpoint knows more entries than there are", "entries 8 to 9"),
    (refile, "An entry is filed under another type", "entry 5"),
]


@pytest.mark.parametrize(
    ("attack", "what", "where"), ATTACKS, ids=lambda value: getattr(value, "__name__", None)
)
def test_an_attack_is_named_and_located(
    ledger: Ledger, path: Path, attack: Callable[[sqlite3.Connection], None], what: str, where: str
) -> None:
    fill(ledger)
    ledger.checkpoint()
    ledger.close()
    db = freed(sqlite3.connect(path))
    attack(db)
    db.commit()
    db.close()
    assert (what, where) in [(finding.what, finding.where) for finding in verify_ledger(path).findings]


def test_a_swapped_key_and_a_forged_witness_are_found(ledger: Ledger, path: Path) -> None:
    fill(ledger)
    ledger.checkpoint()
    other = SealKey.create(path.parent / "other" / "key")
    assert "another seal key" in verify_ledger(path, public_key=other.public).findings[0].what
    forged = Checkpoint("test/ledger", 3, b"\x00" * 32).sealed(other)
    with witness_file(path).open("a", encoding="utf-8") as stream:
        stream.write(forged)
    assert "not sealed by this ledger's key" in verify_ledger(path).findings[0].what


def test_time_that_runs_backwards_is_found(path: Path) -> None:
    key = path.parent / "keys" / "seal.key"
    with Ledger.create(path, key, origin="test/ledger", clock=SystemClock(), ids=RandomIds()):
        pass
    earlier = FixedClock(datetime.now(UTC) - timedelta(days=2))
    with Ledger.open(path, key, clock=earlier, ids=RandomIds()) as ledger:
        fill(ledger, 1)
    assert [finding.where for finding in verify_ledger(path).findings] == ["entry 1"]


def test_a_flipped_byte_anywhere_is_found_or_changes_nothing(ledger: Ledger, path: Path) -> None:
    fill(ledger, 30)
    ledger.checkpoint()
    before = [stored.event for stored in read_events(path)]
    ledger.close()
    whole = path.read_bytes()
    found = 0
    for place in range(100, len(whole), 397):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        try:
            check = verify_ledger(path)
        except MedcairnError:
            found += 1
            continue
        if check.findings:
            found += 1
        else:
            assert [stored.event for stored in read_events(path)] == before
    assert found > 20
