"""A ledger in a PostgreSQL schema that many machines share: insert-only writers, append-only triggers.

The owner of the schema makes it, migrates it and lets roles write or read. A writer's role may look and
add and nothing else. One writer at a time holds the schema's advisory lock until its commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

from medcairn.audit.stores.postgres_migrations import (
    MIGRATION_TABLE,
    MIGRATIONS,
    READER_GRANTS,
    WRITER_GRANTS,
)
from medcairn.audit.stores.store import FORMAT, Entry, Node, PostgresAddress
from medcairn.core.errors import (
    ExternalError,
    IntegrityError,
    MedcairnError,
    StorageError,
    TransientError,
    UsageError,
    raise_alone,
)

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow
    from psycopg.sql import Composed

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))"
_ROWS_AT_ONCE = 2000


class PostgresStore:
    """The :class:`~medcairn.audit.stores.store.Store` of one schema."""

    def __init__(self, address: PostgresAddress, *, read_only: bool = False) -> None:
        self._address, self._schema, self._read_only = address, address.schema, read_only
        self._db = self._begun()

    @classmethod
    def create(cls, address: PostgresAddress, *, origin: str, public_key: bytes) -> PostgresStore:
        """A new, empty ledger, made by the role of ``address`` as its owner.

        Raises :class:`UsageError` when the schema holds a ledger.
        """
        migrate(address)
        about = [("format", FORMAT), ("origin", origin), ("public_key", public_key.hex())]
        with _opened(address) as db, db.transaction():
            db.execute(_sql(_LOCK, address.schema))
            if db.execute(_sql("SELECT 1 FROM {schema}.about LIMIT 1", address.schema)).fetchone():
                raise UsageError("A ledger is there already")
            with db.cursor() as cursor:
                cursor.executemany(_sql("INSERT INTO {schema}.about VALUES (%s, %s)", address.schema), about)
        return cls(address)

    def about(self, name: str) -> str:
        row = self._one("SELECT value FROM {schema}.about WHERE name = %s", (name,))
        if row is None:
            raise IntegrityError("The ledger's own description is incomplete")
        return str(row[0])

    def size(self) -> int:
        row = self._one("SELECT coalesce(max(position) + 1, 0) FROM {schema}.entry")
        assert row is not None  # an aggregate always gives a row
        return int(row[0])

    def append(self, entries: Sequence[Entry], nodes: Sequence[Node]) -> None:
        with _translated(), self._db.cursor() as cursor:
            with cursor.copy(self._sql("COPY {schema}.entry FROM STDIN")) as copy:
                for entry in entries:
                    copy.write_row(entry)
            with cursor.copy(self._sql("COPY {schema}.node FROM STDIN")) as copy:
                for node in nodes:
                    copy.write_row(node)

    def node(self, level: int, index: int) -> bytes:
        row = self._one("SELECT hash FROM {schema}.node WHERE level = %s AND position = %s", (level, index))
        if row is None:
            raise KeyError(index)
        return bytes(row[0])

    def entries(self) -> Iterator[Entry]:
        for position, kind, leaf in self._stream(
            "SELECT position, type, leaf FROM {schema}.entry ORDER BY position"
        ):
            yield int(position), str(kind), bytes(leaf)

    def leaves(self, types: Sequence[str] = ()) -> Iterator[tuple[int, bytes]]:
        query: LiteralString = "SELECT position, leaf FROM {schema}.entry ORDER BY position"
        if types:
            query = "SELECT position, leaf FROM {schema}.entry WHERE type = ANY(%s) ORDER BY position"
        for position, leaf in self._stream(query, (list(types),) if types else ()):
            yield int(position), bytes(leaf)

    def leaf(self, position: int) -> bytes:
        row = self._one("SELECT leaf FROM {schema}.entry WHERE position = %s", (position,))
        if row is None:
            raise KeyError(position)
        return bytes(row[0])

    def counts(self) -> dict[str, int]:
        with _translated(), self._db.transaction():
            # The index is what look-ups trust, so it is the index that is counted.
            self._db.execute("SET LOCAL enable_seqscan = off")
            query = self._sql("SELECT type, count(*) FROM {schema}.entry GROUP BY type")
            return {str(kind): int(count) for kind, count in self._db.execute(query)}

    def level(self, level: int, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        query: LiteralString = (
            "SELECT position, hash FROM {schema}.node"
            " WHERE level = %s AND position BETWEEN %s AND %s ORDER BY position"
        )
        last = end - 1 if end is not None else 1 << 62
        for position, digest in self._stream(query, (level, start, last)):
            yield int(position), bytes(digest)

    def add_checkpoint(self, tree_size: int, note: str) -> None:
        query = self._sql("INSERT INTO {schema}.checkpoint VALUES (%s, %s) ON CONFLICT DO NOTHING")
        with _translated():
            self._db.execute(query, (tree_size, note))

    def checkpoints(self) -> list[str]:
        query = "SELECT note FROM {schema}.checkpoint ORDER BY tree_size"
        with _translated():
            return [str(row[0]) for row in self._db.execute(self._sql(query))]

    def checkpoint_above(self, position: int) -> str | None:
        query: LiteralString = (
            "SELECT note FROM {schema}.checkpoint WHERE tree_size > %s ORDER BY tree_size LIMIT 1"
        )
        row = self._one(query, (position,))
        return None if row is None else str(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._db.broken:  # the server was restarted, or the network was away; what was open then failed
            self._db = self._begun()
        with _translated(), self._db.transaction():
            self._db.execute(self._sql(_LOCK))
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with _translated(), self._db.transaction():
            yield

    def close(self) -> None:
        with _translated():
            self._db.close()

    def _begun(self) -> psycopg.Connection[TupleRow]:
        """A connection to tables of this version."""
        db = _connected(self._address)
        try:
            with _translated():
                self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: psycopg.Connection[TupleRow]) -> None:
        import psycopg

        if self._read_only:
            db.read_only = True
            db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        elif db.execute("SHOW synchronous_commit").fetchone() in (("off",), ("local",)):
            db.execute("SET synchronous_commit = on")
        steps = db.execute(self._sql("SELECT max(version) FROM {schema}.migration")).fetchone()
        form = db.execute(self._sql("SELECT value FROM {schema}.about WHERE name = 'format'")).fetchone()
        if steps != (len(MIGRATIONS),) or (form is not None and form != (FORMAT,)):
            raise UsageError(
                "This ledger's tables are those of another version of medcairn",
                hint="Its owner migrates them: medcairn audit migrate",
            )
        if form is None:
            raise IntegrityError("The ledger's own description is incomplete")

    def _sql(self, query: LiteralString) -> Composed:
        return _sql(query, self._schema)

    def _one(self, query: LiteralString, values: Sequence[object] = ()) -> TupleRow | None:
        with _translated():
            return self._db.execute(self._sql(query), values).fetchone()

    def _stream(self, query: LiteralString, values: Sequence[object] = ()) -> Iterator[TupleRow]:
        """Rows as they come, a few thousand in memory at once."""
        with _translated(), self._db.transaction(), self._db.cursor(name="rows") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            yield from cursor.execute(self._sql(query), values)


def migrate(address: PostgresAddress) -> int:
    """Bring the schema to this version's tables, making it when absent; how many steps were taken.

    The role of ``address`` owns what it makes. Two that migrate at once take turns.
    """
    with _opened(address) as db, db.transaction():
        db.execute(_sql(_LOCK, address.schema))
        db.execute(_sql("CREATE SCHEMA IF NOT EXISTS {schema}", address.schema))
        db.execute(_sql(MIGRATION_TABLE, address.schema))
        row = db.execute(_sql("SELECT coalesce(max(version), 0) FROM {schema}.migration", address.schema))
        found = row.fetchone()
        done = int(found[0]) if found else 0
        for version, statements in enumerate(MIGRATIONS[done:], start=done + 1):
            for statement in statements:
                db.execute(_sql(statement, address.schema))
            db.execute(
                _sql("INSERT INTO {schema}.migration (version) VALUES (%s)", address.schema), (version,)
            )
        return max(0, len(MIGRATIONS) - done)


def allow(address: PostgresAddress, role: str, *, write: bool) -> None:
    """Let a database role add to the ledger (``write``) or only read it. Run by the schema's owner.

    Raises :class:`UsageError` when there is no such role, :class:`StorageError` when it is not the owner's.
    """
    from psycopg.sql import SQL, Identifier

    names = {"schema": Identifier(address.schema), "role": Identifier(role)}
    with _opened(address) as db, db.transaction():
        for statement in WRITER_GRANTS if write else READER_GRANTS:
            db.execute(SQL(statement).format(**names))
        # Who may not grant is only warned by the server, and nothing is granted.
        right = "INSERT" if write else "SELECT"
        tables = [SQL("{}.{}").format(names["schema"], Identifier(name)) for name in ("entry", "node")]
        for table in tables:
            asked = (role, table.as_string(db), right)
            if db.execute("SELECT has_table_privilege(%s, %s, %s)", asked).fetchone() != (True,):
                raise _not_allowed()


def _sql(query: LiteralString, schema: str) -> Composed:
    from psycopg.sql import SQL, Identifier, Literal

    return SQL(query).format(schema=Identifier(schema), name=Literal(schema))


def _connected(address: PostgresAddress) -> psycopg.Connection[TupleRow]:
    missing = False
    try:
        import psycopg
    except ImportError:
        missing = True
    if missing:
        raise UsageError(
            "A ledger in PostgreSQL needs a package that is not installed",
            hint="pip install 'medcairn[postgres]'",
        )
    with _translated():
        return psycopg.connect(address.dsn, autocommit=True, application_name="medcairn")


@contextmanager
def _opened(address: PostgresAddress) -> Iterator[psycopg.Connection[TupleRow]]:
    db = _connected(address)
    try:
        with _translated():
            yield db
    finally:
        db.close()


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's failures as ours; its messages may quote values and are left behind."""
    import psycopg

    error: MedcairnError | None = None
    try:
        yield
    except psycopg.Error as failure:
        error = _ours(failure.sqlstate or "", isinstance(failure, psycopg.OperationalError))
    if error is not None:
        raise_alone(error)


def _not_allowed() -> StorageError:
    return StorageError(
        "The database role may not do this",
        hint="The ledger's owner may, and lets others add to it: medcairn audit allow ROLE",
    )


def _ours(state: str, operational: bool) -> MedcairnError:
    """By the SQLSTATE (PostgreSQL documentation, appendix A), of which the first two digits are the class."""
    if state in ("3F000", "42P01"):
        return UsageError("There is no ledger here", hint="Its owner makes it first: medcairn init")
    if state == "42501":
        return _not_allowed()
    if state == "42704":
        return UsageError("The database has no such role", hint="Make it first: CREATE ROLE … LOGIN")
    if state[:2] in ("28", "3D"):
        return UsageError("The database refuses this role", hint="Check the role, password and database")
    if state in ("53100", "53200"):
        return StorageError("The database server has no room left")
    if state[:2] in ("40", "53", "55", "57", "08") or (operational and not state):
        return TransientError("The ledger's database cannot be reached or is busy", hint="Try again")
    if state[:2] in ("XX", "58", "22") or state == "P0001" or state[:2] == "23":
        return IntegrityError("The ledger database is damaged")
    return ExternalError("The ledger's database failed")


__all__ = ["PostgresStore", "allow", "migrate"]
