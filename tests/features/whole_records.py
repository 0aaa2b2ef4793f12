"""Silver tables of whole records: the two Synthea sets, and the synthetic hospital. Made once a process."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from medcairn.lakehouse import silver_from_resources
from medcairn.synthetic import generate

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
RECORDS = ("synthea", "synthea-uscore", "hospital")
HOSPITAL_PATIENTS = 150
_TYPES = (
    "Patient",
    "Encounter",
    "Observation",
    "Condition",
    "MedicationRequest",
    "Procedure",
    "Immunization",
    "AllergyIntolerance",
)


def record(name: str) -> Mapping[str, pa.Table]:
    """The silver tables of one of :data:`RECORDS`; skips where the shared data are not there."""
    if name != "hospital" and not (SHARED / name).is_dir():
        pytest.skip("the shared Synthea data are not beside this repository")
    return _made(name)


def write_record(name: str, folder: Path) -> Path:
    """The same as Delta tables below ``folder``."""
    for table, rows in record(name).items():
        write_deltalake(str(folder / table), rows)
    return folder


@cache
def _made(name: str) -> Mapping[str, pa.Table]:
    return silver_from_resources(list(_hospital() if name == "hospital" else _synthea(SHARED / name)))


def _synthea(folder: Path) -> Iterator[bytes]:
    for resource_type in _TYPES:
        file = folder / f"{resource_type}.ndjson.gz"
        if file.is_file():
            yield from gzip.decompress(file.read_bytes()).splitlines()


def _hospital() -> Iterator[bytes]:
    for resource_type, resource in generate(HOSPITAL_PATIENTS, seed=3):
        if resource_type in _TYPES:
            yield resource
