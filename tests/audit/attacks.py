"""The twelve attacks, at two levels.

``sql``: through the database, with every right and every safeguard off; hashes are made to fit.
``raw``: on the files, behind the database's back. For SQLite that is the database file. For PostgreSQL it is
the data folder of the stopped server: its table files are patched in place, an older copy of the folder is
put back, or, where rows must come or go, the server's single-user mode works on the folder without any login.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from medcairn.audit import Attack, Checkpoint, Event, EventType, SealKey, merkle
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant

from .books import ARTIFACT_ENTRY, ORIGIN, SEALED, SIZE, START, Admin, Book, signed
from .postgres_server import DATABASE

Leaves = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Backup:
    """A copy of the place where the ledger lies, made before the last entries came."""

    folder: Path


# ── leaves ───────────────────────────────────────────────────────────────────────────────────────────


def changed(leaf: bytes, **members: JSON) -> bytes:
    return canonical_json({**json.loads(leaf), **members})


def forged(record: dict[str, JSON], *, kind: EventType = EventType.RUN_STARTED, seconds: int = 0) -> bytes:
    """A new leaf, dated ``seconds`` after the history's start."""
    moment = instant(START + timedelta(seconds=seconds))
    return Event("f" * 36, kind, moment, "person:ada", record=record).as_leaf()


def edited(leaf: bytes) -> bytes:
    """The same length, so that it can be done in place."""
    assert leaf.count(b'"number":5') == 1
    return leaf.replace(b'"number":5', b'"number":7')


def with_signature_of(leaf: bytes, other: bytes, *, whole: bool) -> bytes:
    """A signing event with the signature of another one, and with ``whole`` also with its document."""
    taken = json.loads(other)["record"]
    record = json.loads(leaf)["record"]
    return changed(leaf, record=taken if whole else {**record, "signature": taken["signature"]})


# ── through the database ─────────────────────────────────────────────────────────────────────────────


def sql(book: Book, attack: Attack) -> None:
    with book.admin() as admin:
        _SQL[attack](book, admin)


def _edit(book: Book, admin: Admin) -> None:
    leaf = admin.entries()[5][1]
    admin.run("UPDATE entry SET leaf = ? WHERE position = 5", edited(leaf))


def _change(change: Callable[[Leaves], Leaves]) -> Callable[[Book, Admin], None]:
    def attack(book: Book, admin: Admin) -> None:
        admin.replace(change(admin.entries()))
        admin.run("DELETE FROM checkpoint")

    return attack


def _append(make: Callable[[Leaves], bytes], kind: EventType) -> Callable[[Book, Admin], None]:
    def attack(book: Book, admin: Admin) -> None:
        admin.append(kind.value, make(admin.entries()))

    return attack


def _cut(size: int) -> Callable[[Leaves], Leaves]:
    return lambda entries: entries[:size]


def _inserted(entries: Leaves) -> Leaves:
    seconds = 6
    return [*entries[:6], ("run.started", forged({"number": 4}, seconds=seconds)), *entries[6:]]


def _reordered(entries: Leaves) -> Leaves:
    return [*entries[:5], entries[6], entries[5], *entries[7:]]


def _rewritten(entries: Leaves) -> Leaves:
    return [*entries[:5], (entries[5][0], edited(entries[5][1])), *entries[6:]]


def _fork(book: Book, admin: Admin) -> None:
    _change(_cut(5))(book, admin)


def _key_swap(book: Book, admin: Admin) -> None:
    """A ledger of the attacker's own: other key, all hashes anew, all checkpoints sealed again."""
    key = SealKey.create(book.folder / "attacker" / "key")
    entries = admin.entries()
    record = {**json.loads(entries[0][1])["record"], "public_key": key.public.hex()}
    entries[0] = (entries[0][0], changed(entries[0][1], record=record))
    admin.replace(entries)
    admin.run("UPDATE about SET value = ? WHERE name = 'public_key'", key.public.hex())
    note = Checkpoint(ORIGIN, SEALED, root(entries[:SEALED])).sealed(key)
    admin.run("UPDATE checkpoint SET note = ?", note)


def root(entries: Leaves) -> bytes:
    hashes = b"".join(merkle.leaf_hash(leaf) for _, leaf in entries)
    return merkle.Tree(hashes).root_hash(len(entries))


def _transplanted(entries: Leaves) -> bytes:
    return forged(signed("bo", "A", START, over="C"), kind=EventType.RECORD_SIGNED, seconds=40)


def _replayed(entries: Leaves) -> bytes:
    record = json.loads(entries[4][1])["record"]
    return forged(record, kind=EventType.RECORD_SIGNED, seconds=40)


def _nothing(book: Book, admin: Admin) -> None:
    """The artifact is swapped where it lies; the ledger is left alone."""


_SQL: dict[Attack, Callable[[Book, Admin], None]] = {
    Attack.EDIT: _edit,
    Attack.DELETE: _change(lambda entries: [*entries[:5], *entries[6:]]),
    Attack.REORDER: _change(_reordered),
    Attack.BACK_DATED_INSERT: _change(_inserted),
    Attack.RECHAINED_REWRITE: _change(_rewritten),
    Attack.TRUNCATION: _change(_cut(8)),
    Attack.FORK: _fork,
    Attack.CLOCK_ROLLBACK: _append(lambda _: forged({"number": 3}, seconds=-3600), EventType.RUN_STARTED),
    Attack.KEY_SWAP: _key_swap,
    Attack.TRANSPLANTED_SIGNATURE: _append(_transplanted, EventType.RECORD_SIGNED),
    Attack.SWAPPED_ARTIFACT: _nothing,
    Attack.REPLAYED_APPROVAL: _append(_replayed, EventType.RECORD_SIGNED),
}


# ── on the files ─────────────────────────────────────────────────────────────────────────────────────


def raw(book: Book, attack: Attack, backup: Backup) -> None:
    with book.admin() as admin:
        entries = admin.entries()
    with stopped(book):
        _RAW[attack](book, entries, backup)


@contextmanager
def stopped(book: Book) -> Iterator[None]:
    """Nobody has the files open, and nothing waits in a log."""
    if book.server is None:
        assert isinstance(book.address, Path)
        with closing(sqlite3.connect(book.address)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield
        return
    book.server.stop()
    try:
        yield
    finally:
        book.server.start()


def back_up(book: Book) -> Backup:
    copy = book.folder / "backup"
    with stopped(book):
        if book.server is None:
            assert isinstance(book.address, Path)
            copy.mkdir()
            shutil.copy2(book.address, copy)
        else:
            _copy_data(book.server.data, book.server.folder / "backup")
            copy = book.server.folder / "backup"
    return Backup(copy)


def _copy_data(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)

    def copied(one: str, other: str) -> str:
        shutil.copy2(one, other)
        shutil.chown(other, Path(one).owner(), Path(one).group())
        return other

    shutil.copytree(source, target, copy_function=copied)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        origin = source / folder.relative_to(target)
        shutil.chown(folder, origin.owner(), origin.group())


def patch(book: Book, changes: dict[bytes, bytes]) -> None:
    """Exchange bytes for as many others, wherever they lie in the ledger's files."""
    if book.server is None:
        assert isinstance(book.address, Path)
        files = [book.address]
    else:
        files = [path for path in (book.server.data / "base").rglob("*") if path.is_file()]
    left = set(changes)
    for file in files:
        data = whole = file.read_bytes()
        for old, new in changes.items():
            assert len(old) == len(new)
            if old in data:
                left.discard(old)
                data = data.replace(old, new)
        if data != whole:
            with file.open("r+b") as stream:  # in place: the owner stays
                stream.write(data)
    assert not left, "some bytes were not found"


def rehashed(before: Leaves, after: Leaves) -> dict[bytes, bytes]:
    """Every hash of the tree that a change of leaves in place alters, old to new."""
    trees = [merkle.Tree(b"".join(merkle.leaf_hash(leaf) for _, leaf in all)) for all in (before, after)]
    changes: dict[bytes, bytes] = {}
    for old, new in zip(trees[0].levels, trees[1].levels, strict=True):
        for at in range(0, len(old), 32):
            if old[at : at + 32] != new[at : at + 32]:
                changes[old[at : at + 32]] = new[at : at + 32]
    return changes


def rewritten_in_place(
    entry: int, change: Callable[[bytes], bytes]
) -> Callable[[Book, Leaves, Backup], None]:
    """One leaf's bytes, and every hash above it, exchanged in the files."""

    def attack(book: Book, entries: Leaves, backup: Backup) -> None:
        after = [*entries]
        after[entry] = (entries[entry][0], change(entries[entry][1]))
        patch(book, {entries[entry][1]: after[entry][1], **rehashed(entries, after)})

    return attack


def _raw_edit(book: Book, entries: Leaves, backup: Backup) -> None:
    patch(book, {entries[5][1]: edited(entries[5][1])})


def _raw_reorder(book: Book, entries: Leaves, backup: Backup) -> None:
    one, other, between = entries[5][1], entries[6][1], secrets.token_bytes(len(entries[5][1]))
    for step in ({one: between}, {other: one}, {between: other}):
        patch(book, step)
    after = _reordered(entries)
    hashes = rehashed(entries, after)
    spare = {old: secrets.token_bytes(32) for old in hashes}
    patch(book, spare)
    patch(book, {spare[old]: new for old, new in hashes.items()})


def _raw_rows(change: Callable[[Leaves], Leaves]) -> Callable[[Book, Leaves, Backup], None]:
    """Rows come or go: a forged SQLite file in place of the true one; PostgreSQL's single-user mode."""

    def attack(book: Book, entries: Leaves, backup: Backup) -> None:
        after = change(entries)
        if book.server is None:
            assert isinstance(book.address, Path)
            forged_file = book.folder / "forged.db"
            shutil.copy2(book.address, forged_file)
            copy = Book(forged_file, book.folder, None)
            with copy.admin() as admin:
                admin.replace(after)
            with stopped(copy):
                forged_file.replace(book.address)
            return
        statements: list[str] = ["SET session_replication_role = replica"]

        def collect(query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
            parts = query.split("?")
            texts = [_literal(value) for value in values]
            statements.append("".join(part + text for part, text in zip(parts, [*texts, ""], strict=True)))
            return []

        Admin(collect).replace(after)
        schema = getattr(book.address, "schema", "")
        script = f"SET search_path = {schema}\n" + "\n".join(statements) + "\n"
        book.server.run("postgres", "--single", "-D", str(book.server.data), DATABASE, text=script)

    return attack


def _literal(value: object) -> str:
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _raw_restore(book: Book, entries: Leaves, backup: Backup) -> None:
    """An older copy is put back."""
    if book.server is None:
        assert isinstance(book.address, Path)
        for ending in ("-wal", "-shm"):
            book.address.with_name(book.address.name + ending).unlink(missing_ok=True)
        shutil.copy2(backup.folder / book.address.name, book.address)
    else:
        _copy_data(backup.folder, book.server.data)


def _raw_key_swap(book: Book, entries: Leaves, backup: Backup) -> None:
    key = SealKey.create(book.folder / "attacker" / "key")
    old = SealKey.open(book.key_file)
    after = [*entries]
    after[0] = (entries[0][0], entries[0][1].replace(old.public.hex().encode(), key.public.hex().encode()))
    notes = [
        Checkpoint(ORIGIN, SEALED, root(leaves[:SEALED])).sealed(who).encode()
        for leaves, who in ((entries, old), (after, key))
    ]
    patch(book, {notes[0]: notes[1], entries[0][1]: after[0][1], **rehashed(entries, after)})
    patch(book, {old.public.hex().encode(): key.public.hex().encode()})


def _raw_signature(whole: bool) -> Callable[[Book, Leaves, Backup], None]:
    def attack(book: Book, entries: Leaves, backup: Backup) -> None:
        def change(leaf: bytes) -> bytes:
            return with_signature_of(leaf, entries[4][1], whole=whole)

        rewritten_in_place(10, change)(book, entries, backup)

    return attack


def _set_back(leaf: bytes) -> bytes:
    return changed(leaf, recorded_at=instant(START - timedelta(hours=1)))


_RAW: dict[Attack, Callable[[Book, Leaves, Backup], None]] = {
    Attack.EDIT: _raw_edit,
    Attack.DELETE: _raw_rows(lambda entries: [*entries[:5], *entries[6:]]),
    Attack.REORDER: _raw_reorder,
    Attack.BACK_DATED_INSERT: _raw_rows(_inserted),
    Attack.RECHAINED_REWRITE: rewritten_in_place(5, edited),
    Attack.TRUNCATION: _raw_restore,
    Attack.FORK: _raw_restore,
    Attack.CLOCK_ROLLBACK: rewritten_in_place(11, _set_back),
    Attack.KEY_SWAP: _raw_key_swap,
    Attack.TRANSPLANTED_SIGNATURE: _raw_signature(whole=False),
    Attack.SWAPPED_ARTIFACT: lambda book, entries, backup: None,
    Attack.REPLAYED_APPROVAL: _raw_signature(whole=True),
}

BACKED_UP = 5
"""Entries in the older copy."""

FIRST_BAD: dict[tuple[str, Attack], int] = {
    **{(level, attack): 5 for level in ("sql", "raw") for attack in Attack},
    **{(level, Attack.BACK_DATED_INSERT): 6 for level in ("sql", "raw")},
    **{(level, Attack.KEY_SWAP): 0 for level in ("sql", "raw")},
    **{(level, Attack.SWAPPED_ARTIFACT): ARTIFACT_ENTRY for level in ("sql", "raw")},
    ("sql", Attack.TRUNCATION): 8,
    ("raw", Attack.TRUNCATION): BACKED_UP,
    **{("sql", attack): SIZE for attack in (Attack.TRANSPLANTED_SIGNATURE, Attack.REPLAYED_APPROVAL)},
    **{("raw", attack): 10 for attack in (Attack.TRANSPLANTED_SIGNATURE, Attack.REPLAYED_APPROVAL)},
    ("sql", Attack.CLOCK_ROLLBACK): SIZE,
    ("raw", Attack.CLOCK_ROLLBACK): 11,
}

__all__ = ["BACKED_UP", "FIRST_BAD", "Backup", "back_up", "raw", "sql"]
