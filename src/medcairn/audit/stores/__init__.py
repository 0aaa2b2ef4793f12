"""Where ledgers are kept: a SQLite file, or a PostgreSQL schema that a team shares; one protocol for both."""

from medcairn.audit.stores.opening import create_store, open_store
from medcairn.audit.stores.store import LedgerAddress, PostgresAddress, Store

__all__ = ["LedgerAddress", "PostgresAddress", "Store", "create_store", "open_store"]
