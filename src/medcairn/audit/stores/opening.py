"""How the place where a ledger is kept is made and opened; PostgreSQL's driver is loaded only for its own."""

from __future__ import annotations

from pathlib import Path

from medcairn.audit.stores.store import LedgerAddress, Store


def create_store(address: LedgerAddress, *, origin: str, public_key: bytes) -> Store:
    """A new, empty store. Raises :class:`~medcairn.core.errors.UsageError` when there is one already."""
    if isinstance(address, Path):
        from medcairn.audit.stores.sqlite import SqliteStore

        return SqliteStore.create(address, origin=origin, public_key=public_key)
    from medcairn.audit.stores.postgres import PostgresStore

    return PostgresStore.create(address, origin=origin, public_key=public_key)


def open_store(address: LedgerAddress, *, read_only: bool = False) -> Store:
    """The store at ``address``. Raises :class:`~medcairn.core.errors.UsageError` when there is none."""
    if isinstance(address, Path):
        from medcairn.audit.stores.sqlite import SqliteStore

        return SqliteStore(address, read_only=read_only)
    from medcairn.audit.stores.postgres import PostgresStore

    return PostgresStore(address, read_only=read_only)


__all__ = ["create_store", "open_store"]
