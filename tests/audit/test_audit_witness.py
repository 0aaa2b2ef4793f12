"""Witnesses: what they take and tell, and what they catch when everything beside the ledger is gone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from medcairn.audit import Attack, Evidence, Ledger, WitnessFailed, read_events
from medcairn.audit.seals import SignedNote
from medcairn.audit.witness import Attestation, FolderWitness, ObjectWitness, TimestampWitness, Witness
from medcairn.core.clock import RandomIds
from medcairn.core.errors import ExternalError, MedcairnError, UsageError

from .attacks import FIRST_BAD, sql
from .books import SEALED, SIZE, Book, fill, fill_first, new_book, run
from .timestamp_authority import Authority


@pytest.fixture
def ours(tmp_path: Path) -> Book:
    return new_book(tmp_path, None)


def local_store(folder: Path) -> LocalStore:
    folder.mkdir(exist_ok=True)
    return LocalStore(folder)


MAKERS: dict[str, Callable[[Path], Witness]] = {
    "folder": lambda folder: FolderWitness(folder / "far", "medcairn/a study"),
    "object store in memory": lambda folder: ObjectWitness(MemoryStore(), "audit/study"),
    "object store on disk": lambda folder: ObjectWitness(local_store(folder / "objects"), ""),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_witness_takes_every_checkpoint_and_every_leaf_hash(kind: str, ours: Book, tmp_path: Path) -> None:
    witness = MAKERS[kind](tmp_path)
    assert witness.attestation().notes == ()
    with ours.create() as made:
        made.checkpoint()
    with Ledger.open(
        ours.address, ours.key_file, clock=ours.clock, ids=RandomIds(), witnesses=[witness]
    ) as ledger:
        for size in (3, 3, 9):
            while len(list(ledger.events())) < size:
                run(ledger, size)
            ledger.checkpoint()
    attestation = witness.attestation()
    sizes = [SignedNote.parsed(note).checkpoint.tree_size for note in attestation.notes]
    assert sizes == [3, 9]
    assert len(attestation.leaf_hashes) == 9 * 32
    assert ours.verify(Evidence(witnesses=[attestation])).findings == ()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("attack", [Attack.RECHAINED_REWRITE, Attack.TRUNCATION, Attack.REORDER])
def test_a_witness_elsewhere_is_enough(kind: str, attack: Attack, ours: Book, tmp_path: Path) -> None:
    witness = MAKERS[kind](tmp_path)
    ours.create().close()
    with Ledger.open(
        ours.address, ours.key_file, clock=ours.clock, ids=RandomIds(), witnesses=[witness]
    ) as ledger:
        fill(ledger, ours.clock)
    sql(ours, attack)
    for left in tmp_path.glob("ledger.*s"):
        left.unlink()
    check = ours.verify(Evidence(witnesses=[witness.attestation()]))
    assert (check.attack, check.first_bad_entry) == (attack, FIRST_BAD["sql", attack])


def test_an_object_that_is_there_is_never_written_again(ours: Book, tmp_path: Path) -> None:
    store = local_store(tmp_path / "objects")
    witness = ObjectWitness(store, "study")
    witness.publish("a note", 0, lambda first, end: b"")
    witness.publish("a note", 0, lambda first, end: b"")
    (kept,) = (tmp_path / "objects").rglob("checkpoints/*")
    kept.write_text("another")
    with pytest.raises(ExternalError, match="something else"):
        witness.publish("a note", 0, lambda first, end: b"")


def test_a_witness_that_was_away_is_brought_up_to_date(ours: Book, tmp_path: Path) -> None:
    class Away:
        def publish(self, note: str, tree_size: int, leaf_hashes: object) -> None:
            raise ExternalError("away")

        def attestation(self) -> Attestation:
            return Attestation("away", ())

    here = FolderWitness(tmp_path / "far", "x")
    ours.create().close()
    with Ledger.open(
        ours.address, ours.key_file, clock=ours.clock, ids=RandomIds(), witnesses=[Away(), here]
    ) as ledger:
        fill_first(ledger, ours.clock)
        with pytest.raises(WitnessFailed) as raised:
            ledger.checkpoint()
    assert raised.value.fields == {"witnesses": 1, "why": "external"}
    with ours.open() as ledger:
        run(ledger, 1)
        ledger.checkpoint()
    assert len(here.attestation().notes) == 1 and len(ours.elsewhere.attestation().leaf_hashes) == 6 * 32
    assert ours.verify().findings == ()


# ── what is left to say when witnesses hold less ─────────────────────────────────────────────────────

WHERE = {
    # attack → (name, first bad entry) with the checkpoint's note alone, without leaf hashes
    Attack.EDIT: (Attack.EDIT, 5),
    Attack.DELETE: (Attack.RECHAINED_REWRITE, 0),
    Attack.REORDER: (Attack.RECHAINED_REWRITE, 0),
    Attack.BACK_DATED_INSERT: (Attack.RECHAINED_REWRITE, 0),
    Attack.RECHAINED_REWRITE: (Attack.RECHAINED_REWRITE, 0),
    Attack.TRUNCATION: (Attack.TRUNCATION, 8),
}


@pytest.mark.parametrize("attack", WHERE)
def test_without_leaf_hashes_the_place_is_told_between_checkpoints(ours: Book, attack: Attack) -> None:
    with ours.create() as ledger:
        fill(ledger, ours.clock)
    sql(ours, attack)
    for left in ours.folder.glob("ledger.*s"):
        left.unlink()
    notes = Attestation("a letter", ours.elsewhere.attestation().notes)
    check = ours.verify(Evidence(witnesses=[notes]))
    assert (check.attack, check.first_bad_entry) == WHERE[attack]


def test_what_nobody_sealed_and_nobody_holds_cannot_be_seen(ours: Book) -> None:
    """The limit that the README states."""
    with ours.create() as ledger:
        fill(ledger, ours.clock)
    with ours.admin() as admin:
        admin.replace(admin.entries()[: SIZE - 1])
    assert ours.verify(Evidence(witnesses=[ours.elsewhere.attestation()])).findings == ()
    with ours.admin() as admin:
        admin.replace(admin.entries()[: SEALED - 1])
    assert ours.verify(Evidence(witnesses=[ours.elsewhere.attestation()])).attack is Attack.TRUNCATION


def test_damaged_leaf_hashes_of_a_witness_raise_no_false_alarm_about_the_entries(ours: Book) -> None:
    with ours.create() as ledger:
        fill(ledger, ours.clock)
    leaves = FolderWitness.beside(ours.folder / "ledger.db").leaves
    data = bytearray(leaves.read_bytes())
    data[40] ^= 1
    leaves.write_bytes(data)
    assert [finding.entry for finding in ours.verify().findings] == []


# ── RFC 3161 ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    pytest.importorskip("rfc3161_client", reason="rfc3161-client is not installed")
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


def test_a_time_stamping_service_witnesses_checkpoints(authority: Authority, tmp_path: Path) -> None:
    from medcairn.audit import verify_ledger
    from medcairn.core.clock import SystemClock

    path, key = tmp_path / "ledger.db", tmp_path / "keys" / "key"
    with authority.served() as url:
        witness = TimestampWitness(url, tmp_path / "stamps", roots=authority.roots)
        with Ledger.create(
            path, key, origin="o", clock=SystemClock(), ids=RandomIds(), witnesses=[witness]
        ) as ledger:
            for number in range(5):
                run(ledger, number)
            ledger.checkpoint()
            ledger.checkpoint()
    attestation = witness.attestation()
    assert [size for size, _ in attestation.stamped] == [6] and attestation.broken == ()
    assert verify_ledger(path, evidence=Evidence(witnesses=[attestation])).findings == ()
    (token,) = (tmp_path / "stamps").glob("*.tsr")
    token.write_bytes(token.read_bytes()[:-20] + bytes(20))
    assert witness.attestation().broken == (token.name,)
    check = verify_ledger(path, evidence=Evidence(witnesses=[witness.attestation()]))
    assert [finding.where for finding in check.findings] == [token.name]


def test_a_stamp_shows_a_clock_that_was_set_back_or_ahead(authority: Authority, ours: Book) -> None:
    with ours.create() as ledger:
        fill(ledger, ours.clock)
    times = [stored.event.recorded_at for stored in read_events(ours.address)]
    (note,) = ours.elsewhere.attestation().notes
    for seconds, first in ((0, None), (3600, SEALED), (-3600, 0)):
        from datetime import datetime

        stamped = datetime.fromisoformat(times[SEALED - 1]) + timedelta(seconds=seconds)
        check = ours.verify(
            Evidence(witnesses=[Attestation("stamps", (note,), stamped=((SEALED, stamped),))])
        )
        assert check.first_bad_entry == first
        assert check.attack is (None if first is None else Attack.CLOCK_ROLLBACK)


def test_a_service_under_other_roots_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with authority.served() as url:
        witness = TimestampWitness(url, tmp_path / "stamps", roots=other.roots)
        with pytest.raises(ExternalError, match="does not hold"):
            witness.publish("a note", 1, lambda first, end: b"")
    assert not list(tmp_path.glob("stamps/*"))
    with pytest.raises(ExternalError, match="did not answer"):
        witness.publish("a note", 1, lambda first, end: b"")
    with pytest.raises(UsageError):
        TimestampWitness(url, tmp_path, roots=tmp_path / "none.pem")


def test_the_errors_are_ours(tmp_path: Path) -> None:
    witness = ObjectWitness(MemoryStore(), "x")
    with pytest.raises(MedcairnError) as raised:
        witness._get("secret/key")
    assert raised.value.__context__ is None and "secret" not in str(raised.value)
