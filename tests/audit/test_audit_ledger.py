"""The ledger: durable appends, group commit, checkpoints; nothing seals a second history."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medcairn.audit import (
    Attack,
    Checkpoint,
    Event,
    EventType,
    Ledger,
    SealKey,
    read_events,
    verify_ledger,
    witness_file,
)
from medcairn.audit.leaf import LeafParts
from medcairn.audit.seals import SignedNote, split_notes
from medcairn.core.clock import FixedClock, RandomIds, SystemClock
from medcairn.core.errors import DataError, IntegrityError, MedcairnError, UsageError

from .books import model


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


@pytest.mark.part11("11.10(b)")
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


def test_a_record_that_cannot_be_canonical_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    with pytest.raises(DataError):
        ledger.append(EventType.RUN_STARTED, actor="pipeline", record={"share": float("nan")})
    assert list(ledger.events(EventType.RUN_STARTED)) == []


def test_a_leaf_put_together_is_the_events_canonical_json() -> None:
    event = Event(
        "id-1", EventType.RECORD_SIGNED, "2026-01-01T00:00:00.000000Z", "person:ü\\", "run", None,
        (model(),), (model("other"), model()), {"b": 0.1, "a": [1, None, "é"], "😀": 1, "\ufb33": 2},
    )  # fmt: skip
    parts = LeafParts.of(
        event.type, actor=event.actor, run_id=event.run_id, stage=event.stage,
        inputs=event.inputs, outputs=event.outputs, record=event.record,
    )  # fmt: skip
    assert parts.leaf(event.id, event.recorded_at) == event.as_leaf()
    assert Event.from_leaf(event.as_leaf()) == event


def test_a_ledger_that_was_set_back_is_not_sealed_a_second_time(ledger: Ledger, path: Path) -> None:
    fill(ledger, 3)
    ledger.close()
    older = path.read_bytes()
    with Ledger.open(path, path.parent / "keys" / "seal.key", clock=SystemClock(), ids=RandomIds()) as late:
        fill(late, 3)
        late.checkpoint()
    path.write_bytes(older)
    for count in (0, 5):  # shorter than what was sealed, then longer and different
        with Ledger.open(
            path, path.parent / "keys" / "seal.key", clock=SystemClock(), ids=RandomIds()
        ) as now:
            fill(now, count)
            with pytest.raises(IntegrityError, match="does not continue its last checkpoint"):
                now.checkpoint()


def test_a_new_ledger_is_not_put_beside_the_checkpoints_of_another(ledger: Ledger, path: Path) -> None:
    ledger.checkpoint()
    ledger.close()
    path.unlink()
    key = path.parent / "new" / "key"
    with pytest.raises(UsageError, match="Checkpoints of another ledger"):
        Ledger.create(path, key, origin="test/ledger", clock=SystemClock(), ids=RandomIds())
    assert not path.exists() and not key.exists()


def test_what_another_wrote_into_the_witness_file_does_not_stop_the_seal(ledger: Ledger, path: Path) -> None:
    fill(ledger, 3)
    forged = Checkpoint("test/ledger", 99, b"\x00" * 32).sealed(SealKey.create(path.parent / "other" / "key"))
    for text in ("no note at all\n", forged):
        witness_file(path).write_text(text)
        assert ledger.checkpoint().tree_size == 4


def test_notes_carry_extension_lines_and_other_signatures(tmp_path: Path) -> None:
    key, other = SealKey.create(tmp_path / "a" / "key"), SealKey.create(tmp_path / "b" / "key")
    note = Checkpoint("test/ledger", 7, b"\x01" * 32).sealed(key, "one more line")
    cosigned = note + Checkpoint("witness", 1, b"\x02" * 32).sealed(other).rpartition("\n\n")[2]
    assert Checkpoint.opened(cosigned, key.public).tree_size == 7
    assert len(SignedNote.parsed(cosigned).signatures) == 2
    assert split_notes(f"{note}\n{cosigned}\n\n{note}") == [note, cosigned, note]
    for broken in (note.replace("one more", "two more"), note.replace("7\n", "07\n"), "a\nb\n", note[:-9]):
        with pytest.raises(IntegrityError):
            Checkpoint.opened(broken, key.public)


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


@pytest.mark.part11("11.10(e)")
def test_time_that_runs_backwards_is_found(path: Path) -> None:
    key = path.parent / "keys" / "seal.key"
    with Ledger.create(path, key, origin="test/ledger", clock=SystemClock(), ids=RandomIds()):
        pass
    earlier = FixedClock(datetime.now(UTC) - timedelta(days=2))
    with Ledger.open(path, key, clock=earlier, ids=RandomIds()) as ledger:
        fill(ledger, 1)
    check = verify_ledger(path)
    assert (check.attack, check.first_bad_entry) == (Attack.CLOCK_ROLLBACK, 1)


@pytest.mark.part11("11.10(e)")
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
