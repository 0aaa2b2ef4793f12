"""Both stores: every test that takes ``book`` runs on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest

from .books import Book, new_book


@pytest.fixture(params=["sqlite", "postgres"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Book:
    server = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    return new_book(tmp_path, server)
