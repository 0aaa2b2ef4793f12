"""``medcairn view`` on files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medcairn.cli.main import run
from medcairn.lakehouse import build_bronze

VIEW = {
    "resource": "Patient",
    "name": "names",
    "select": [
        {"column": [{"name": "id", "path": "id"}]},
        {"forEachOrNull": "name", "column": [{"name": "family", "path": "family"}]},
    ],
}
PATIENTS = [
    {"resourceType": "Patient", "id": "p1", "name": [{"family": "A"}, {"family": "B"}]},
    {"resourceType": "Patient", "id": "p2"},
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "view.json").write_text(json.dumps(VIEW))
    data = tmp_path / "data"
    data.mkdir()
    lines = [json.dumps(patient) for patient in PATIENTS]
    (data / "Patient.000.ndjson").write_text(lines[0] + "\n")
    (data / "Patient.001.ndjson.gz").write_bytes(gzip.compress(lines[1].encode()))
    (data / "Observation.000.ndjson").write_text('{"resourceType":"Observation","id":"o"}\n')
    return tmp_path


def view_run(files: Path, *more: str) -> int:
    return run(["view", "run", str(files / "view.json"), str(files / "data"), *more])


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson"])
def test_rows_are_written_in_the_format_of_the_suffix(
    files: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "out" / f"rows.{suffix}"
    assert view_run(files, "--out", str(out)) == 0
    assert capsys.readouterr().out == f"3 rows of Patient in {out}\n"
    if suffix == "parquet":
        assert pq.read_table(out).num_rows == 3
    else:
        assert len(out.read_text().splitlines()) == (4 if suffix == "csv" else 3)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_without_out_rows_are_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view_run(files) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["id,family", "p1,A", "p1,B", "p2,"]


def test_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view_run(files, "--json", "--out", str(files / "x.csv")) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "view": "names",
        "resource": "Patient",
        "columns": ["id", "family"],
        "rows": 3,
        "unknown_elements": [],
    }
    assert printed.err == ""


def test_bronze_tables_serve_as_data(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "bronze").mkdir()
    build_bronze(files / "data", files / "bronze")
    assert run(["view", "run", str(files / "view.json"), str(files / "bronze")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_broken_line_is_located_and_nothing_is_left(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "data" / "Patient.000.ndjson").write_text(json.dumps(PATIENTS[0]) + '\n{"id": "Secret"\n')
    assert view_run(files, "--out", str(files / "rows.csv")) == 3
    error = capsys.readouterr().err
    assert "line=2" in error
    assert "Secret" not in error
    assert not list(files.glob("rows*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.json", "data"], "no such view file"),
        (["view.json", "absent"], "no such folder"),
        (["view.json", "."], "no resources of the view's type"),
        (["view.json", "data", "--out", "rows.xlsx"], "no format"),
    ],
)
def test_wrong_paths(
    files: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    assert run(["view", "run", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_conformance_prints_the_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [
        {"title": "right", "view": VIEW, "expect": [{"id": "p1", "family": None}]},
        {"title": "wrong", "view": VIEW, "expect": []},
    ]
    suite = {"resources": [{"resourceType": "Patient", "id": "p1"}], "tests": cases}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    report = tmp_path / "report.json"
    assert run(["view", "conformance", str(tmp_path), "--report", str(report)]) == 3
    printed = capsys.readouterr()
    assert printed.out == "1 passed, 1 failed\n"
    assert printed.err == "suite.json: wrong: the rows differ\n"
    assert json.loads(report.read_text())["suite.json"]["tests"][1] == {
        "name": "wrong",
        "result": {"passed": False},
    }
