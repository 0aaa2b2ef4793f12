"""One contract for both stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from medcairn.audit import EventType, Ledger, PostgresAddress, read_events
from medcairn.audit.stores import Store, create_store, open_store
from medcairn.audit.stores.postgres import PostgresStore, migrate
from medcairn.audit.stores.postgres_migrations import MIGRATIONS
from medcairn.audit.stores.store import LedgerAddress
from medcairn.core.clock import RandomIds
from medcairn.core.errors import IntegrityError, MedcairnError, StorageError, TransientError, UsageError

from .books import ORIGIN, Book, new_book
from .postgres_server import OWNER, PostgresServer

KEY = b"\x07" * 32


def owner_of(book: Book) -> LedgerAddress:
    if book.server is None or not isinstance(book.address, PostgresAddress):
        return book.address
    return PostgresAddress(book.server.dsn(OWNER), book.address.schema)


@pytest.fixture
def store(book: Book) -> Iterator[Store]:
    with closing(create_store(owner_of(book), origin=ORIGIN, public_key=KEY)) as made:
        yield made


ENTRIES = [(0, "run.started", b"{}"), (1, "run.finished", b"{1}"), (2, "run.started", b"{2}")]
NODES = [(0, 0, b"\x00" * 32), (0, 1, b"\x01" * 32), (1, 0, b"\x0a" * 32), (0, 2, b"\x02" * 32)]


@pytest.fixture
def filled(store: Store) -> Store:
    with store.transaction():
        store.append(ENTRIES, NODES)
    return store


def test_a_new_store_says_what_it_is_and_holds_nothing(store: Store) -> None:
    assert (store.about("origin"), store.about("public_key"), store.size()) == (ORIGIN, KEY.hex(), 0)
    assert list(store.entries()) == [] and store.checkpoints() == [] and store.counts() == {}
    with pytest.raises(IntegrityError):
        store.about("no such fact")


def test_what_was_appended_comes_back_in_order(filled: Store) -> None:
    assert filled.size() == 3
    assert list(filled.entries()) == ENTRIES
    assert list(filled.leaves()) == [(0, b"{}"), (1, b"{1}"), (2, b"{2}")]
    assert list(filled.leaves(["run.started"])) == [(0, b"{}"), (2, b"{2}")]
    assert list(filled.leaves(["run.started", "run.finished"])) == list(filled.leaves())
    assert filled.leaf(1) == b"{1}" and filled.node(1, 0) == b"\x0a" * 32
    assert filled.counts() == {"run.started": 2, "run.finished": 1}
    assert [place for place, _ in filled.level(0)] == [0, 1, 2]
    assert list(filled.level(0, 1, 2)) == [(1, b"\x01" * 32)]
    assert list(filled.level(7)) == []
    with pytest.raises(KeyError):
        filled.leaf(3)
    with pytest.raises(KeyError):
        filled.node(1, 1)


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        store.append(ENTRIES, NODES)
        raise RuntimeError
    assert (store.size(), list(store.level(0))) == (0, [])


def test_a_position_is_taken_once(filled: Store) -> None:
    with pytest.raises(IntegrityError), filled.transaction():
        filled.append([(1, "run.started", b"{other}")], [])
    assert filled.leaf(1) == b"{1}"


def test_a_checkpoint_of_a_size_stays_as_it_was(filled: Store) -> None:
    for size, note in ((2, "two"), (3, "three"), (2, "other")):
        filled.add_checkpoint(size, note)
    assert filled.checkpoints() == ["two", "three"]
    assert [filled.checkpoint_above(place) for place in (0, 1, 2, 3)] == ["two", "two", "three", None]


def test_a_snapshot_is_of_one_moment(book: Book, store: Store) -> None:
    with closing(open_store(owner_of(book), read_only=True)) as reader, reader.snapshot():
        assert reader.size() == 0
        with store.transaction():
            store.append(ENTRIES, NODES)
        assert (reader.size(), list(reader.entries()), reader.counts()) == (0, [], {})
    with closing(open_store(owner_of(book), read_only=True)) as reader:
        assert reader.size() == 3


def test_a_reader_sees_all_while_a_writer_is_in_a_transaction(book: Book, store: Store) -> None:
    with store.transaction():
        store.append(ENTRIES, NODES)
        with closing(open_store(owner_of(book), read_only=True)) as reader:
            assert list(reader.entries()) == []


def test_a_read_only_store_refuses_to_write(book: Book, store: Store) -> None:
    reader = open_store(owner_of(book), read_only=True)
    with closing(reader), pytest.raises(MedcairnError), reader.transaction():
        reader.append(ENTRIES, NODES)


def test_a_store_is_made_once_and_must_be_there(book: Book, store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="already"):
        create_store(owner_of(book), origin=ORIGIN, public_key=KEY)
    missing: LedgerAddress = tmp_path / "none.db"
    if isinstance(address := owner_of(book), PostgresAddress):
        missing = PostgresAddress(address.dsn, "nothing_here")
    with pytest.raises(UsageError, match="no ledger here"):
        open_store(missing)


TABLES = ("entry", "node", "checkpoint", "about")
CHANGES = (
    "UPDATE entry SET leaf = leaf",
    "UPDATE node SET hash = hash",
    "UPDATE checkpoint SET note = ''",
    "UPDATE about SET value = ''",
    *(f"DELETE FROM {table}" for table in TABLES),
)


@pytest.mark.part11("11.10(e)")
@pytest.mark.parametrize("statement", CHANGES)
def test_the_tables_refuse_change_also_from_their_owner(book: Book, filled: Store, statement: str) -> None:
    filled.add_checkpoint(3, "three")
    if isinstance(book.address, Path):
        file = sqlite3.connect(book.address)
        with closing(file), pytest.raises(sqlite3.IntegrityError, match="append-only"):
            file.execute(statement)
        return
    assert book.server is not None
    with psycopg.connect(book.server.dsn(OWNER), autocommit=True) as db:
        db.execute(f"SET search_path = {book.address.schema}")
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            db.execute(statement.encode())


def test_replacing_a_row_by_inserting_it_again_is_refused(tmp_path: Path) -> None:
    store = create_store(tmp_path / "ledger.db", origin=ORIGIN, public_key=KEY)
    with closing(store), store.transaction():
        store.append(ENTRIES, NODES)
    file = sqlite3.connect(tmp_path / "ledger.db")
    with closing(file), pytest.raises(sqlite3.IntegrityError, match="append-only"):
        file.execute("INSERT OR REPLACE INTO entry VALUES (1, 'x', x'00')")


# ── PostgreSQL's own ─────────────────────────────────────────────────────────────────────────────────

FORBIDDEN = (
    *CHANGES,
    *(f"TRUNCATE {table}" for table in TABLES),
    "INSERT INTO about VALUES ('more', 'facts')",
    "INSERT INTO migration (version) VALUES (99)",
    "DROP TABLE entry",
    "ALTER TABLE entry DISABLE TRIGGER ALL",
    "CREATE TABLE more (number integer)",
    "SET session_replication_role = replica",
)


@pytest.fixture
def shared(postgres_server: PostgresServer, tmp_path: Path) -> Book:
    book = new_book(tmp_path, postgres_server)
    book.create().close()
    return book


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_writers_role_may_look_and_add_and_nothing_else(shared: Book, statement: str) -> None:
    assert isinstance(shared.address, PostgresAddress)
    with psycopg.connect(shared.address.dsn, autocommit=True) as db:
        db.execute(f"SET search_path = {shared.address.schema}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(statement.encode())


def test_a_readers_role_reads_and_does_not_append(shared: Book) -> None:
    assert isinstance(shared.address, PostgresAddress) and shared.server is not None
    address = PostgresAddress(shared.server.dsn("reader"), shared.address.schema)
    assert len(list(read_events(address))) == 1
    ledger = Ledger.open(address, shared.key_file, clock=shared.clock, ids=RandomIds())
    with ledger, pytest.raises(StorageError, match="role may not"):
        ledger.append(EventType.RUN_STARTED, actor="pipeline")


def test_migrations_are_taken_once_and_an_older_ledger_is_refused_until_then(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = PostgresAddress(postgres_server.dsn(OWNER), "migrated")
    module = "medcairn.audit.stores.postgres.MIGRATIONS"
    monkeypatch.setattr(module, MIGRATIONS[:1])
    PostgresStore.create(address, origin=ORIGIN, public_key=KEY).close()
    monkeypatch.setattr(module, MIGRATIONS)
    with pytest.raises(UsageError, match="another version"):
        open_store(address)
    assert [migrate(address), migrate(address)] == [1, 0]
    with closing(open_store(address)) as store:
        assert store.about("origin") == ORIGIN


def end_connections(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(OWNER), autocommit=True) as db:
        db.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'writer'")


def test_a_connection_that_the_server_ended_is_made_anew(shared: Book) -> None:
    """A service runs for months; its database is restarted now and then."""
    assert shared.server is not None
    with shared.open() as ledger:
        ledger.append(EventType.RUN_STARTED, actor="pipeline")
        end_connections(shared.server)
        with pytest.raises(TransientError):
            ledger.append(EventType.RUN_STARTED, actor="pipeline")
        ledger.append(EventType.RUN_STARTED, actor="pipeline")
        end_connections(shared.server)
        with pytest.raises(TransientError):
            ledger.check_ready()
        ledger.check_ready()
        ledger.checkpoint()
    assert shared.verify().findings == ()
    assert len(list(read_events(shared.address, EventType.RUN_STARTED))) == 2


def test_the_address_does_not_show_its_password() -> None:
    assert "secret" not in repr(PostgresAddress("host=h password=secret"))


@pytest.mark.parametrize(
    ("dsn", "error"),
    [("host=/nowhere-at-all user=x", "cannot be reached"), ("nonsense at all", "refuses|cannot|failed")],
)
def test_a_server_that_is_not_there_is_an_error_of_ours(dsn: str, error: str) -> None:
    with pytest.raises(MedcairnError, match=error) as raised:
        open_store(PostgresAddress(dsn))
    assert raised.value.__context__ is None and "nowhere" not in str(raised.value)
