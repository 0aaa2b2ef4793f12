"""Ledgers for tests: one history, kept in either store, and an administrator's way into each."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medcairn.access.signing.signatures import Meaning, seal_signature
from medcairn.audit import (
    EventType,
    Evidence,
    Ledger,
    LedgerAddress,
    LedgerCheck,
    PostgresAddress,
    merkle,
    verify_ledger,
)
from medcairn.audit.stores.postgres import allow
from medcairn.audit.witness import FolderWitness
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.clock import RandomIds
from medcairn.core.digests import Digest, digest_bytes, digest_json
from medcairn.core.labels import Label

from .postgres_server import OWNER, READER, WRITER, PostgresServer

ORIGIN = "test/ledger"
START = datetime(2026, 5, 1, 8, tzinfo=UTC)


@dataclass
class StepClock:
    """A second later at each look."""

    moment: datetime = START

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


class Admin:
    """Someone with every right on the database: no trigger and no role stops them."""

    def __init__(self, execute: Callable[[str, Sequence[object]], list[tuple[object, ...]]]) -> None:
        self._execute = execute

    def run(self, query: str, *values: object) -> list[tuple[object, ...]]:
        return self._execute(query, values)

    def entries(self) -> list[tuple[str, bytes]]:
        rows = self.run("SELECT type, leaf FROM entry ORDER BY position")
        return [(str(kind), bytes(leaf)) for kind, leaf in rows]  # type: ignore[call-overload]

    def replace(self, entries: Sequence[tuple[str, bytes]], *, tree: bool = True) -> None:
        """Other entries instead, and with ``tree`` every hash made to fit them."""
        self.run("DELETE FROM entry")
        for position, (kind, leaf) in enumerate(entries):
            self.run("INSERT INTO entry VALUES (?, ?, ?)", position, kind, leaf)
        if tree:
            self.run("DELETE FROM node")
            edge = merkle.Frontier(_Nothing(), 0)
            for _, leaf in entries:
                for node in edge.append(merkle.leaf_hash(leaf)):
                    self.run("INSERT INTO node VALUES (?, ?, ?)", *node)

    def append(self, kind: str, leaf: bytes) -> None:
        """One entry more, with its nodes as they should be."""
        self.replace([*self.entries(), (kind, leaf)])


class _Nothing:
    def node(self, level: int, index: int) -> bytes:
        raise KeyError(index)


@dataclass
class Book:
    """A ledger of a test. ``elsewhere`` is a witness that whoever attacks the ledger cannot reach."""

    address: LedgerAddress
    folder: Path
    server: PostgresServer | None
    clock: StepClock = field(default_factory=StepClock)

    @property
    def kind(self) -> str:
        return "sqlite" if self.server is None else "postgres"

    @property
    def key_file(self) -> Path:
        return self.folder / "keys" / "seal.key"

    @property
    def elsewhere(self) -> FolderWitness:
        return FolderWitness(self.folder / "elsewhere", ORIGIN)

    def create(self) -> Ledger:
        """Made by the owner; used by a role that may only add."""
        owner: LedgerAddress = self.address
        if self.server is not None and isinstance(self.address, PostgresAddress):
            owner = PostgresAddress(self.server.dsn(OWNER), self.address.schema)
        Ledger.create(owner, self.key_file, origin=ORIGIN, clock=self.clock, ids=RandomIds()).close()
        if isinstance(owner, PostgresAddress):
            allow(owner, WRITER, write=True)
            allow(owner, READER, write=False)
        return self.open()

    def open(self) -> Ledger:
        return Ledger.open(
            self.address, self.key_file, clock=self.clock, ids=RandomIds(), witnesses=[self.elsewhere]
        )

    def verify(self, evidence: Evidence | None = None) -> LedgerCheck:
        return verify_ledger(self.address, evidence=evidence)

    @contextmanager
    def admin(self) -> Iterator[Admin]:
        """The database, with every safeguard off."""
        if isinstance(self.address, Path):
            file = sqlite3.connect(self.address, isolation_level=None)
            for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                file.execute(f"DROP TRIGGER {name}")
            yield Admin(lambda query, values: file.execute(query, values).fetchall())
            file.close()
            return
        assert self.server is not None
        with psycopg.connect(self.server.dsn(OWNER), autocommit=True) as db:
            db.execute("SET session_replication_role = replica")
            db.execute(f"SET search_path = {self.address.schema}")

            def execute(query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
                cursor = db.execute(query.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []

            yield Admin(execute)


def new_book(folder: Path, server: PostgresServer | None) -> Book:
    if server is None:
        return Book(folder / "ledger.db", folder, None)
    return Book(PostgresAddress(server.dsn(WRITER), f"ledger_{secrets.token_hex(6)}"), folder, server)


# ── a small honest history ───────────────────────────────────────────────────────────────────────────

PEOPLE = {name: Ed25519PrivateKey.generate() for name in ("ada", "bo")}
KEYS = {name: [key.public_key().public_bytes_raw().hex()] for name, key in PEOPLE.items()}
SEALED, SIZE, ARTIFACT_ENTRY = 10, 12, 2
"""Entries under the checkpoint, entries in all, and the one that recorded the artifact."""


def digest(name: str) -> Digest:
    return digest_bytes(name.encode())


def model(name: str = "model", path: str = "models/m") -> ArtifactRef:
    return ArtifactRef(
        Label("model"), Label("model"), Zone.AGGREGATE, digest(name), digest(f"{name} seal"), path
    )


def document(name: str) -> dict[str, JSON]:
    return {"form": "medcairn-approval-1", "name": name, "share": 0.25}


def signed(signer: str, name: str, at: datetime, *, over: str | None = None) -> dict[str, JSON]:
    """The record of a signing event; ``over`` puts the signature on another document."""
    signature = seal_signature(
        PEOPLE[signer],
        signer=Label(signer),
        printed_name=signer.title(),
        signed_at=at,
        meaning=Meaning.APPROVED,
        record=digest_json(document(name)),
    )
    return {"signed": document(over or name), "signature": signature.as_json()}


def fill(ledger: Ledger, clock: StepClock) -> None:
    """The history: 0 created, 1 run, 2 artifact, 3 trained, 4 ada signs A, 5, 6 runs, 7 bo signs A,
    8 packaged, 9 run; sealed; 10 ada signs B, 11 run."""
    fill_first(ledger, clock)
    fill_rest(ledger, clock)


def fill_first(ledger: Ledger, clock: StepClock) -> None:
    """Up to and with entry 4."""
    run(ledger, 1)
    ledger.append(EventType.ARTIFACT_MADE, actor="pipeline", outputs=[model()])
    ledger.append(EventType.STAGE_FINISHED, actor="pipeline", stage="train", outputs=[model()])
    sign(ledger, clock, "ada", "A")


def fill_rest(ledger: Ledger, clock: StepClock) -> None:
    """From entry 5 on."""
    run(ledger, 5)
    run(ledger, 6)
    sign(ledger, clock, "bo", "A")
    record: dict[str, JSON] = {"approval_digest": digest_json(document("A"))}
    ledger.append(
        EventType.STAGE_FINISHED, actor="pipeline", stage="package", inputs=[model()], record=record
    )
    run(ledger, 9)
    ledger.checkpoint()
    sign(ledger, clock, "ada", "B")
    run(ledger, 0)


def run(ledger: Ledger, number: int) -> None:
    ledger.append(EventType.RUN_STARTED, actor="pipeline", record={"number": number})


def sign(ledger: Ledger, clock: StepClock, name: str, record: str) -> None:
    seen = signed(name, record, clock.now())
    ledger.append(EventType.RECORD_SIGNED, actor=f"person:{name}", inputs=[model()], record=seen)


__all__ = [
    "ARTIFACT_ENTRY",
    "Admin",
    "Book",
    "KEYS",
    "ORIGIN",
    "SEALED",
    "SIZE",
    "START",
    "StepClock",
    "digest",
    "document",
    "fill",
    "fill_first",
    "fill_rest",
    "model",
    "new_book",
    "run",
    "sign",
    "signed",
]
