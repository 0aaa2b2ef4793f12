"""The shared Synthea sets: every resource leaves or is quarantined, and the scan finds nothing."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from medcairn.deid import DeidReport, deidentify, scan

from .clinic import AS_OF, KEY


@pytest.fixture(scope="module")
def released(synthea: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, DeidReport]:
    """(source, output, report) of one run."""
    out = tmp_path_factory.mktemp("out")
    return synthea, out, deidentify(synthea, out, key=KEY, as_of=AS_OF)


@lru_cache(maxsize=40)
def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The resources of a file."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return [decode(line) for line in (folder / f"{name}.ndjson").read_bytes().splitlines()]


def test_every_resource_leaves(released: tuple[Path, Path, DeidReport]) -> None:
    source, out, report = released
    for path in sorted(source.iterdir()):
        read = path.read_bytes().count(b"\n")
        assert (out / path.name).read_bytes().count(b"\n") == read
        assert report.left[path.stem] == report.read[path.stem] == read
    assert report.resources_quarantined == 0
    assert report.withheld_dates == 0
    assert (out / "quarantine.ndjson").read_bytes() == b""


def test_the_leak_scan_is_clean_and_flags_the_source_itself(
    released: tuple[Path, Path, DeidReport], tmp_path: Path
) -> None:
    source, out, _ = released
    found = scan(source, out)
    assert found.clean
    assert sum(found.identifiers.values()) > 20_000
    (tmp_path / "Patient.ndjson").write_bytes((source / "Patient.ndjson").read_bytes())
    assert scan(source, tmp_path).hits


def test_what_the_lakehouse_needs_is_there(released: tuple[Path, Path, DeidReport]) -> None:
    _, out, _ = released
    found = lines(out, "Observation")
    codes = Counter(item["code"]["coding"][0]["code"] for item in found if "code" in item)
    for code in ("2339-0", "38483-4", "18262-6"):
        assert codes[code] > 0
    panels = [item for item in found if item.get("code", {}).get("coding", [{}])[0].get("code") in PANELS]
    assert panels
    for panel in panels:
        parts = {part["code"]["coding"][0]["code"]: part["valueQuantity"] for part in panel["component"]}
        assert set(parts) == {"8480-6", "8462-4"}
        assert all(part["code"] == "mm[Hg]" for part in parts.values())
    assert all("effectiveDateTime" in item and "issued" in item for item in found)


PANELS = ("85354-9", "55284-4")


def test_no_reference_points_nowhere(released: tuple[Path, Path, DeidReport]) -> None:
    _, out, _ = released
    names = [path.stem for path in out.iterdir() if path.stem != "quarantine"]
    known = {f"{name}/{item['id']}" for name in names for item in lines(out, name)}
    for name in ("Encounter", "DiagnosticReport", "Condition", "Claim", "MedicationRequest"):
        for item in lines(out, name):
            assert set(_references(item)) <= known


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        if "reference" in value:
            return [value["reference"]]
        return [found for item in value.values() for found in _references(item)]
    return [found for item in value for found in _references(item)] if isinstance(value, list) else []


def test_every_subject_starts_on_new_years_day(released: tuple[Path, Path, DeidReport]) -> None:
    _, out, _ = released
    first: dict[str, str] = {}
    for path in out.glob("*.ndjson"):
        for item in lines(out, path.stem):
            owner = (item.get("subject") or item.get("patient") or {}).get("reference")
            if item.get("resourceType") == "Patient":
                owner = f"Patient/{item['id']}"
            for text in _dates(item):
                if owner is not None:
                    first[owner] = min(first.get(owner, "9"), text)
    assert first
    assert {day[4:10] for day in first.values()} == {"-01-01"}


def _dates(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) in (10, 20) and value[4:5] == "-" and value[:4].isdigit() else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in items for found in _dates(item)]
