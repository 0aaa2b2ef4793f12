"""Fixtures of the de-identification tests."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from .clinic import Clinic

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """An empty clinic."""
    return Clinic(tmp_path)


@pytest.fixture(scope="session", params=["synthea", "synthea-uscore"])
def synthea(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared Synthea set as a folder of NDJSON."""
    packed = SHARED / str(request.param)
    if not packed.is_dir():
        pytest.skip("the shared Synthea data are not here")
    folder = tmp_path_factory.mktemp(str(request.param))
    for path in sorted(packed.glob("*.ndjson.gz")):
        with gzip.open(path) as source, (folder / path.name.removesuffix(".gz")).open("wb") as target:
            shutil.copyfileobj(source, target)
    return folder
