"""One guarded server on SQLite for all tests here, one on PostgreSQL where there is a PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.postgres_server import DATABASE, OWNER, PostgresServer, binaries
from medcairn.tracking.server.app import Guards
from medcairn.tracking.server.factory import build_guards, mlflow_application
from medcairn.tracking.server.running import ServerOptions, prepare
from medcairn.tracking.server.settings import ServerFolder

from .tracking_server import Server, make_folder, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(make_folder(tmp_path_factory.mktemp("tracking-server"))) as started:
        yield started


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, PostgresServer]]:
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    database = PostgresServer.make(found)
    folder: Path = make_folder(tmp_path_factory.mktemp("tracking-server-pg"))
    uri = f"postgresql+psycopg://{OWNER}@/{DATABASE}?host={database.folder}"
    try:
        with running(folder, environ={"MLFLOW_BACKEND_STORE_URI": uri}) as started:
            yield started, database
    finally:
        database.remove()


class NoResources:
    """A store without anything in it."""

    def experiment_name(self, experiment_id: str) -> str | None:
        return None

    def experiments_of(self, sort: str, thing: str) -> None:
        return None

    def folder(self, model: str, version: str) -> None:
        return None


@pytest.fixture(scope="session")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guards]:
    """The guards as a server builds them, for the routes of the installed MLflow, around no MLflow."""
    folder = make_folder(tmp_path_factory.mktemp("guards"))
    prepare(ServerOptions(folder))
    built = build_guards(ServerFolder(folder), mlflow_application(), NoResources())
    yield built
    built.recorder.close()
