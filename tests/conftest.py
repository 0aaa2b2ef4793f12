"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from audit.postgres_server import PostgresServer

# The machines that run this are shared: a slow example is no failure.
settings.register_profile("medcairn", deadline=None)
settings.load_profile("medcairn")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real server, for all tests that ask for it."""
    from audit.postgres_server import PostgresServer, binaries

    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    server = PostgresServer.make(found)
    yield server
    server.remove()
