"""One empty MLflow store for all tests here: making its tables takes seconds, copying it none."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.tracking import database_uri, open_client


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of a store that nothing was written to. To be copied."""
    place = tmp_path_factory.mktemp("empty") / "mlflow.db"
    open_client(database_uri(place)).search_experiments()
    return place
