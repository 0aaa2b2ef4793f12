"""A small hospital on disk, shared by the tests of the synthetic hospital and its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.synthetic import write_ndjson

PATIENTS = 40


@pytest.fixture(scope="session")
def hospital_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 patients, seed 7, as NDJSON files with a hospital.json. Read only."""
    folder = tmp_path_factory.mktemp("hospital") / "records"
    write_ndjson(folder, patients=PATIENTS, seed=7)
    return folder
