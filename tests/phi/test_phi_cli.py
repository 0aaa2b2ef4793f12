"""``medcairn phi check``: what it prints and how it ends."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from medcairn.cli.main import run
from phi.packed import parquet


def test_a_clean_file_and_one_that_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, table = tmp_path / "clean.txt", tmp_path / "t.parquet"
    clean.write_text("AUROC 0.81 on 12,345 patients\n")
    table.write_bytes(parquet({"age": [61], "ssn": ["123-45-6789"]}))
    assert run(["phi", "check", str(clean)]) == 0
    assert run(["phi", "check", str(clean), str(table)]) == 4
    told = capsys.readouterr().out
    assert "nothing found" in told
    assert "ssn             artifact.columns[1]" in told
    assert "6789" not in told


def test_standard_input_and_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCAIRN_PHI_KEY", "a key for comparing runs")
    hashes = set()
    for text in (b"call 617-555-0123", b"phone: (617) 555 0123"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert run(["phi", "check", "-", "--json"]) == 4
        (file,) = json.loads(capsys.readouterr().out)["files"]
        (finding,) = file["findings"]
        assert (finding["class"], finding["location"]) == ("phone", "artifact.lines[1]")
        hashes.add(finding["keyed_hash"])
    assert len(hashes) == 1


def test_a_file_that_is_refused_and_one_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "report.pdf"
    document.write_bytes(b"%PDF-1.7")
    assert run(["phi", "check", str(document)]) == 4
    assert "refused, unknown: type_not_allowed" in capsys.readouterr().out
    assert run(["phi", "check", str(tmp_path / "absent.txt")]) == 2
