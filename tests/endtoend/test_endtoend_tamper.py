"""One flipped byte in the ledger, a table, the model or a report: `audit verify` names what and where."""

import json
import sqlite3
from pathlib import Path

import pytest

from endtoend.commands import run_medcairn


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_an_untouched_study_is_clean(copied: Path) -> None:
    result = run_medcairn("audit", "verify", "--study", copied)
    assert "No change found" in result.out


@pytest.mark.part11("11.10(c)")
@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("lake/silver/observation/*.parquet", "A file of an artifact is changed"),
        ("lake/deid/Patient.000.ndjson", "A file of an artifact is changed"),
        ("lake/gold/*/features.parquet", "A file of an artifact is changed"),
        ("models/readmission_30d/model.*", "A file of an artifact is changed"),
        ("reports/validation/report.pdf", "A file of an artifact is changed"),
        ("phi/export/Patient.000.ndjson", "A file of an artifact is changed"),
        ("models/readmission_30d/manifest.json", "An artifact's manifest is not the one recorded"),
    ],
)
def test_a_flipped_byte_is_named(copied: Path, pattern: str, what: str) -> None:
    victim = sorted(copied.glob(pattern))[0]
    flip(victim)
    result = run_medcairn("audit", "verify", "--study", copied, check=False)
    assert result.code == 5
    assert f"{what}: {victim.relative_to(copied).as_posix()}" in result.out


def test_a_flipped_byte_in_the_ledger_is_named(copied: Path) -> None:
    ledger = copied / "ledger.db"
    db = sqlite3.connect(ledger)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(ledger.read_bytes())
    place = data.rindex(b"stage.finished") + 3
    data[place] ^= 1
    ledger.write_bytes(data)
    result = run_medcairn("audit", "verify", "--study", copied, "--json", check=False)
    assert result.code == 5
    findings = json.loads(result.out)["findings"]
    assert any(finding["where"].startswith("entry ") for finding in findings)


@pytest.mark.part11("11.10(c)")
def test_a_missing_artifact_is_named(copied: Path) -> None:
    (copied / "lake" / "silver" / "manifest.json").unlink()
    result = run_medcairn("audit", "verify", "--study", copied, check=False)
    assert result.code == 5
    assert "An artifact is missing: lake/silver" in result.out
