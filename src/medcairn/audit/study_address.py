"""Where a study's ledger is kept, by the section ``ledger`` of its ``study.yaml``."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from medcairn.audit.stores import LedgerAddress, PostgresAddress
from medcairn.core.errors import SettingsError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.ledger_settings import PostgresLedger
from medcairn.core.settings import SETTINGS_FILE, Settings, read_settings

LEDGER_FILE = "ledger.db"
"""A SQLite ledger's file in the study, or in the folder of a service that runs apart from one."""

_LONGEST_ADDRESS = 4096


def address_in(root: Path) -> LedgerAddress:
    """The ledger of a folder: a study's, or the file of a service that runs apart from one.

    Raises what :func:`ledger_address` raises.
    """
    if not (root / SETTINGS_FILE).is_file():
        return root / LEDGER_FILE
    return ledger_address(root, read_settings(root))


def ledger_address(
    root: Path, settings: Settings, *, environ: Mapping[str, str] | None = None
) -> LedgerAddress:
    """Where the ledger of the study in ``root`` is kept; ``environ`` is by default the process's.

    Raises :class:`SettingsError` when the connection string is not where ``study.yaml`` says, or may be read
    by others.
    """
    store = settings.ledger.store
    if not isinstance(store, PostgresLedger):
        return root / LEDGER_FILE
    if store.address_env is not None:
        return postgres_address(store, store.address_env, environ=environ)
    assert store.address_file is not None  # one of the two, as the settings check
    return PostgresAddress(_private_line(root / store.address_file), store.schema_name)


def postgres_address(
    store: PostgresLedger, variable: str, *, environ: Mapping[str, str] | None = None
) -> PostgresAddress:
    """The schema of ``store`` by the connection string in an environment variable.

    Raises :class:`SettingsError` when it is not set.
    """
    value = (os.environ if environ is None else environ).get(variable, "").strip()
    if not value:
        raise SettingsError(
            "The environment variable with the address of the ledger's database is not set",
            hint="As in 'host=… dbname=… user=…'",
            variable=Label(variable),
        )
    return PostgresAddress(value, store.schema_name)


def _private_line(path: Path) -> str:
    if not path.is_file():
        raise SettingsError("The file with the address of the ledger's database is not there", file=path)
    with storage_errors():
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                "The file with the address of the ledger's database may be read by others",
                hint="chmod 600 the file, and give the role another password if others use the machine",
                file=path,
            )
        text = path.read_bytes()[:_LONGEST_ADDRESS].decode("utf-8", "replace").strip()
    if not text:
        raise SettingsError("The file with the address of the ledger's database is empty", file=path)
    return text


__all__ = ["LEDGER_FILE", "address_in", "ledger_address", "postgres_address"]
