"""The one door to MLflow: imported late, kept quiet, its errors translated."""

from __future__ import annotations

import logging
import os
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from medcairn.core.errors import ExternalError
from medcairn.core.files import storage_error
from medcairn.core.labels import Label
from medcairn.tracking.failures import MlflowMissing, phi_refused

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from medcairn.tracking.guard.judgement import Objection

P = ParamSpec("P")
T = TypeVar("T")

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
"""Read by MLflow when it is imported: no telemetry, no complaint that git is missing."""


def database_uri(path: Path) -> str:
    """The MLflow URI of the SQLite file ``path``."""
    return f"sqlite:///{path.resolve()}"


def open_client(tracking_uri: str) -> MlflowClient:
    """A client of the tracking store and registry at ``tracking_uri``.

    The first client of a new SQLite file makes its tables, which takes some seconds.

    Raises :class:`MlflowMissing` when MLflow is not installed, and :class:`ExternalError` when the store
    cannot be opened.
    """
    _load()
    return store_call("open", _client, tracking_uri)


def store_call(action: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``call(*args, **kwargs)``, with every refusal of the store translated.

    MLflow, SQLAlchemy and SQLite put values, statements and paths into their messages, so the message is
    left behind and only the kind of the error is kept.

    Raises :class:`ExternalError`; :class:`~medcairn.core.errors.StorageError` when the disk is full or a
    place cannot be written, and :class:`PhiRefused` when the PHI guard refused the write.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between MLflow, SQLAlchemy and alembic
            return call(*args, **kwargs)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as failure:
        kind = Label(type(failure).__name__)
        objections: Sequence[Objection] = getattr(failure, "objections", ())
        full = storage_error(failure) if isinstance(failure, OSError) else None
    if full is not None:
        raise full
    if objections:
        raise phi_refused(objections)
    raise ExternalError(
        "The MLflow store refused an operation",
        hint="Check the tracking URI, the disk, and that no other program holds the database",
        action=Label(action),
        kind=kind,
    )


def _client(tracking_uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


@cache
def _load() -> None:
    """Import MLflow once, silently."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    missing = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow  # noqa: F401
    except ImportError:
        missing = True
    if missing:
        raise MlflowMissing
    # MLflow configures its own logger while it is imported.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


__all__ = ["database_uri", "open_client", "store_call"]
