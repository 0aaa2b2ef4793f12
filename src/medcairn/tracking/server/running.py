"""Starts MLflow behind its guards: the settings that MLflow reads, the files that are needed, uvicorn."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from medcairn.audit import Ledger
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.core.errors import UsageError
from medcairn.core.files import private_folder, write_file
from medcairn.tracking.client import database_uri
from medcairn.tracking.server.settings import FOLDER_VARIABLE, ServerFolder

APPLICATION = "medcairn.tracking.server.factory:create_app"
_REMOTE = ("s3://", "wasbs://", "abfss://", "gs://")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class ServerOptions:
    """How to start. ``backend`` is a URI of SQLite or PostgreSQL, ``artifacts`` a folder or the URI of an
    object store; None for both keeps them in the server's folder."""

    folder: Path
    backend: str | None = None
    artifacts: str | None = None
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    allowed_hosts: tuple[str, ...] = ()


def prepare(options: ServerOptions) -> dict[str, str]:
    """Make the ledger and keys that are missing; the variables that MLflow and the guards read.

    Raises :class:`UsageError` for a store or a place of artifacts that the server does not take, and when it
    would listen beyond this machine without knowing its own names.
    """
    folder = ServerFolder(options.folder)
    if not folder.people.is_file():
        raise UsageError(
            "Nobody could sign in here",
            hint="`medcairn users add` makes the first person",
            file=folder.people,
        )
    if options.host not in _LOOPBACK and not options.allowed_hosts:
        raise UsageError(
            "Beyond this machine the server must know its names", hint="--allow-hosts mlflow.example.org"
        )
    private_folder(folder.ledger_key.parent)
    if not folder.detector_key.exists():
        write_file(folder.detector_key, secrets.token_bytes(32), private=True)
    address = folder.ledger
    if isinstance(address, Path) and not address.exists():
        Ledger.create(
            address, folder.ledger_key, origin="medcairn/tracking", clock=SystemClock(), ids=RandomIds()
        ).close()
    return {
        FOLDER_VARIABLE: str(folder.path.resolve()),
        "_MLFLOW_SERVER_FILE_STORE": options.backend or database_uri(folder.path / "tracking.db"),
        "_MLFLOW_SERVER_REGISTRY_STORE": options.backend or database_uri(folder.path / "tracking.db"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": _destination(options),
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        **({"MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(options.allowed_hosts)} if options.allowed_hosts else {}),
    }


def serve(options: ServerOptions) -> None:
    """Serve until stopped. The guards are built and tested before the first request is taken.

    Raises :class:`~medcairn.tracking.server.startup.GuardNotWhole` with the reason when it must not start.
    """
    import uvicorn

    os.environ.update(prepare(options))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("medcairn").setLevel(logging.INFO)
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        access_log=False,
        log_config=None,
        proxy_headers=False,  # whom to trust is in tracking-server.yaml
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _destination(options: ServerOptions) -> str:
    if options.artifacts is None:
        return str(private_folder(options.folder / "tracking-artifacts").resolve())
    if "://" not in options.artifacts:
        return str(private_folder(Path(options.artifacts)).resolve())
    if not options.artifacts.startswith(_REMOTE):
        raise UsageError(
            "Artifacts lie in a folder or an object store", hint="s3://, wasbs://, abfss://, gs://"
        )
    return options.artifacts


__all__ = ["APPLICATION", "ServerOptions", "prepare", "serve"]
