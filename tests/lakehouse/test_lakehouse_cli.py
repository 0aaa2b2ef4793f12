"""``medcairn lakehouse`` on tables: optimize, vacuum, history and rows of an older version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.cli.main import run
from medcairn.core.delta import delta_files
from medcairn.lakehouse.bronze import build_bronze

from .bronze_folder import FIRST_DAY, BronzeFolder


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Bronze with three loads of a day."""
    loads = BronzeFolder(tmp_path)
    for number in range(3):
        loads.write("Patient.000.ndjson", f'{{"resourceType":"Patient","id":"p{number}"}}')
        build_bronze(loads.source, loads.bronze, ingested_at=FIRST_DAY)
    return loads.bronze


def lakehouse(*arguments: str) -> int:
    return run(["lakehouse", *arguments])


def test_optimize_tells_files_and_bytes(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lakehouse("optimize", "--path", str(lake)) == 0
    told = capsys.readouterr().out
    assert told.startswith("Patient: 3 files (0.0 MB) to 1 (0.0 MB), version 3")
    assert lakehouse("optimize", "--path", str(lake), "--z-order", "id", "--json") == 0
    table = json.loads(capsys.readouterr().out)["tables"][0]
    assert (table["table"], table["version"], table["files_after"]) == ("Patient", 4, 1)


def test_vacuum_deletes_only_when_told(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lakehouse("optimize", "--path", str(lake))
    for more, deleted in (([], "would be deleted"), (["--delete"], "deleted")):
        capsys.readouterr()
        assert lakehouse("vacuum", "--path", str(lake), "--retention-hours", "0", *more) == 0
        told = capsys.readouterr().out
        assert told.startswith("Patient: 3 files (0.0 MB)")
        assert told.endswith(f" {deleted}\n")
    assert sorted(lake.rglob("*.parquet")) == delta_files(lake / "Patient")
    assert lakehouse("vacuum", "--path", str(lake), "--json") == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["files"] == 0


def test_history_lists_the_newest_first(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lakehouse("history", "--path", str(lake), "--limit", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["Patient", "2"], ["Patient", "1"]]
    assert lines[0].endswith("WRITE  +1 -0 files  +1 rows  0.0 MB")
    assert lakehouse("history", "--path", str(lake / "Patient"), "--json") == 0
    versions = json.loads(capsys.readouterr().out)["versions"]
    assert [version["version"] for version in versions] == [2, 1, 0]


def test_rows_as_they_were(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "then.csv"
    arguments = ["rows", "Patient", "--path", str(lake), "--out", str(out), "--column", "id"]
    assert lakehouse(*arguments, "--version", "1") == 0
    assert capsys.readouterr().out == f"2 rows of Patient, version 1, in {out}\n"
    assert out.read_text().split() == ["id", "p0", "p1"]
    assert lakehouse(*arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"version": 2, "rows": 3, "columns": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["optimize"], 2, "Name one lake"),
        (["history", "--path", ".", "--study", "."], 2, "Name one lake"),
        (["history", "--path", "absent"], 2, "no Delta table"),
        (["optimize", "--path", "bronze", "--z-order", "colour"], 2, "no such simple column"),
        (["optimize", "--path", "bronze", "--z-order", "ingested"], 2, "partitioned by"),
        (
            ["rows", "Patient", "--path", "bronze", "--out", "x.parquet", "--version", "7"],
            2,
            "no such version",
        ),
        (["rows", "Observation", "--path", "bronze", "--out", "x.parquet"], 2, "no Delta table"),
        (["rows", "Patient", "--path", "bronze", "--out", "x.xlsx"], 2, "no format"),
        (["rows", "Patient", "--path", "bronze", "--out", "x.csv", "--column", "y"], 2, "no such column"),
        (["optimize", "--study", "."], 2, "study.yaml"),
    ],
)
def test_wrong_arguments(
    lake: Path,
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(lake.parent)
    assert lakehouse(*arguments) == code
    assert message in capsys.readouterr().err
    assert not list(lake.parent.glob("x.*"))


def test_damage_is_named(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = delta_files(lake / "Patient")[1]
    file.write_bytes(b"PAR1 and nothing else")
    assert lakehouse("optimize", "--path", str(lake)) == 5
    assert file.name in capsys.readouterr().err


@pytest.mark.parametrize("command", ["optimize", "vacuum", "history", "rows"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lakehouse(command, "--help") == 0
    assert f"medcairn lakehouse {command}" in " ".join(capsys.readouterr().out.split())
