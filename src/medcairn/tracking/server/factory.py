"""Builds the application from the environment that ``mlflow server --app-name medcairn`` leaves to it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from starlette.types import ASGIApp

from medcairn.access import Notice, People
from medcairn.audit import EventType, Ledger, read_events
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.core.errors import SettingsError, UsageError
from medcairn.phi import PhiDetector
from medcairn.tracking.server.app import GuardedMlflow, Guards
from medcairn.tracking.server.departments import Departments, Resources
from medcairn.tracking.server.enumeration import Enumerated
from medcairn.tracking.server.guard import PhiGuard
from medcairn.tracking.server.identity import Authenticator
from medcairn.tracking.server.recording import AccessRecorder
from medcairn.tracking.server.routes import read_table
from medcairn.tracking.server.settings import ProxySettings, ServerFolder
from medcairn.tracking.server.signed_versions import LedgerVersions, ModelFiles, SignedVersionGuard
from medcairn.tracking.server.startup import GuardNotWhole, check_environment, check_locations

_KEY_BYTES = 32


def create_app() -> ASGIApp:
    """MLflow behind its guards; the target of the entry point ``medcairn`` in the group ``mlflow.app``.

    Raises :class:`GuardNotWhole` with the reason when something would get round the guard or through it, and
    :class:`~medcairn.core.errors.UsageError` when the folder, its people, ledger or keys are not there.
    """
    return guarded(os.environ)


def guarded(environ: Mapping[str, str]) -> ASGIApp:
    """As :func:`create_app`, from ``environ``. Reads nothing of MLflow's before the settings are checked."""
    check_environment(environ)
    folder = ServerFolder.of_environment(environ)
    mlflow_app = mlflow_application()
    from medcairn.tracking.server.mlflow_resources import MlflowResources, artifact_locations

    with _no_warnings():
        check_locations(artifact_locations())
    guards = build_guards(folder, mlflow_app, MlflowResources())
    from medcairn.tracking.server.canary import check_canaries

    check_canaries(guards)
    _silence_access_log()
    return GuardedMlflow(mlflow_app, guards)


def mlflow_application() -> ASGIApp:
    """MLflow's own application. Importing it takes seconds and reads the environment."""
    with _no_warnings():
        from mlflow.server.fastapi_app import app
    return cast("ASGIApp", app)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Deprecations between MLflow, Flask, Starlette and SQLAlchemy are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class MlflowStore(Resources, ModelFiles, Protocol):
    """What the guards ask MLflow's stores."""


def build_guards(folder: ServerFolder, mlflow_app: object, resources: MlflowStore) -> Guards:
    """All guards of the server in ``folder``, for the routes of ``mlflow_app``."""
    settings = folder.settings()
    address = folder.ledger
    ledger_file = (address,) if isinstance(address, Path) else ()
    for needed in (folder.people, *ledger_file, folder.ledger_key, folder.detector_key):
        if not needed.is_file():
            raise UsageError(
                "The tracking server lacks a file",
                hint="`medcairn mlflow-server` makes what it can",
                file=needed,
            )
    clock = SystemClock()
    ledger = Ledger.open(address, folder.ledger_key, clock=clock, ids=RandomIds())
    people = People(folder.people, policy=folder.policy, told=lambda notice: _told(ledger, notice))
    if not people.list() and settings.proxy is None:
        raise GuardNotWhole("Nobody could sign in: the people store is empty", hint="`medcairn users add`")
    proxy = ProxySettings.read(settings.proxy, folder.path) if settings.proxy is not None else None
    return Guards(
        authenticator=Authenticator(
            people, clock=clock, proxy=proxy, remember_seconds=settings.remember_seconds
        ),
        table=read_table(),
        enumerated=Enumerated.of(mlflow_app),
        guard=PhiGuard(PhiDetector(_detector_key(folder)), settings.limits),
        departments=Departments(settings, resources),
        signed=SignedVersionGuard(
            LedgerVersions(lambda *kinds: read_events(address, *kinds)),
            resources,
            settings.protected_aliases,
        ),
        recorder=AccessRecorder(ledger),
    )


def _told(ledger: Ledger, notice: Notice) -> bool:
    """What the people store has to tell, such as a denied sign-in, as an event."""
    if notice.actor == "owner":
        return False  # somebody at the command line, which knows who
    ledger.append(EventType(notice.kind.value), actor=notice.actor, record=notice.record)
    return True


def _silence_access_log() -> None:
    """uvicorn's lines hold query strings; ours hold templates of routes. It looks at each connection anew."""
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def _detector_key(folder: ServerFolder) -> bytes:
    key = folder.detector_key.read_bytes()
    if len(key) != _KEY_BYTES:
        raise SettingsError("The key of the PHI guard has another length", bytes=len(key))
    return key


__all__ = ["build_guards", "create_app", "guarded", "mlflow_application"]
