"""One guarded server on SQLite for all tests here, one on PostgreSQL where there is a PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit.postgres_server import DATABASE, OWNER, PostgresServer, binaries

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
