"""``medcairn view run``: a view over files, in every format, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcairn.cli.main import run
from medcairn.core.delta import read_delta
from medcairn.core.errors import DataError
from medcairn.lakehouse import build_bronze
from medcairn.lakehouse.views.outputs import Format, schema_of, write_rows

from .view_engines import needs_spark

DATA = "data [1] 100%"
"""A folder's name with signs that mean something in patterns and in URIs."""
VIEW = {
    "resource": "Patient",
    "name": "names",
    "select": [
        {
            "column": [
                {"name": "id", "path": "id"},
                {"name": "active", "path": "active"},
                {"name": "births", "path": "multipleBirth.ofType(integer)"},
            ]
        },
        {
            "forEachOrNull": "name",
            "column": [
                {"name": "family", "path": "family"},
                {"name": "given", "path": "given", "collection": True},
                {"name": "weight", "path": "extension('w').value.ofType(decimal)"},
            ],
        },
    ],
}
PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "name": [
            {"family": 'A, "B"', "given": ["x", "y,z"], "extension": [{"url": "w", "valueDecimal": 1.5}]},
            {"family": ""},
        ],
    },
    {"resourceType": "Patient", "id": "p2", "multipleBirthInteger": 2},
]
ROWS: list[dict[str, Any]] = [
    {"id": "p1", "active": True, "births": None, "family": 'A, "B"', "given": ["x", "y,z"], "weight": 1.5},
    {"id": "p1", "active": True, "births": None, "family": "", "given": [], "weight": None},
    {"id": "p2", "active": None, "births": 2, "family": None, "given": [], "weight": None},
]
SUFFIXES = [form.value for form in Format]
ENGINES = ["duckdb", pytest.param("spark", marks=needs_spark)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the view and the resources, in a plain and a packed file."""
    (tmp_path / "view.json").write_text(json.dumps(VIEW))
    data = tmp_path / DATA
    data.mkdir()
    lines = [json.dumps(patient).encode() for patient in PATIENTS]
    (data / "Patient.000.ndjson").write_bytes(b"\xef\xbb\xbf" + lines[0] + b"\r\n\n")
    (data / "Patient.001.ndjson.gz").write_bytes(gzip.compress(lines[1]))
    (data / "Observation.000.ndjson").write_text('{"resourceType":"Observation","id":"o"}\n')
    return tmp_path


def view_run(files: Path, *more: str) -> int:
    return run(["view", "run", str(files / "view.json"), str(files / DATA), *more])


def rows_in(out: Path, suffix: str) -> list[dict[str, Any]]:
    """What a file holds, as the engine's types."""
    if suffix == "ndjson":
        return [json.loads(line) for line in out.read_text().splitlines()]
    if suffix == "csv":
        return [_typed(row) for row in csv.DictReader(out.read_text().splitlines())]
    if suffix == "arrow":
        return list(pa.ipc.open_file(str(out)).read_all().to_pylist())
    return list((pq.read_table(out) if suffix == "parquet" else read_delta(out)).to_pylist())


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """A CSV file knows no types; its lists are JSON, and an empty text looks like none."""
    found: dict[str, Any] = dict(row)
    found["given"] = json.loads(row["given"])
    found["active"] = {"true": True, "": None}[row["active"]]
    found["births"] = int(row["births"]) if row["births"] else None
    found["weight"] = float(row["weight"]) if row["weight"] else None
    found["family"] = row["family"] or (None if row["id"] == "p2" else "")
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_are_written_in_the_format_of_the_suffix(
    files: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "out" / f"rows.{suffix}"
    assert view_run(files, "--out", str(out)) == 0
    assert capsys.readouterr().out == f"3 rows of Patient in {out}\n"
    assert rows_in(out, suffix) == ROWS
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@needs_spark
def test_spark_writes_the_same_bytes(files: Path) -> None:
    texts = {}
    for engine in ("duckdb", "spark"):
        out = files / f"{engine}.csv"
        assert view_run(files, "--engine", engine, "--out", str(out)) == 0
        texts[engine] = out.read_bytes()
    assert texts["spark"] == texts["duckdb"]


def test_format_says_what_the_suffix_does_not(files: Path) -> None:
    out = files / "rows.data"
    assert view_run(files, "--out", str(out), "--format", "arrow") == 0
    assert rows_in(out, "arrow") == ROWS


def test_a_file_of_the_same_name_is_replaced(files: Path) -> None:
    out = files / "rows.ndjson"
    out.write_text("old")
    assert view_run(files, "--out", str(out)) == 0
    assert rows_in(out, "ndjson") == ROWS


def test_a_folder_in_the_way_is_left_alone(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = files / "rows.delta"
    out.mkdir()
    (out / "kept").write_text("x")
    assert view_run(files, "--out", str(out)) == 2
    assert "folder of this name" in capsys.readouterr().err
    assert (out / "kept").read_text() == "x"


@pytest.mark.parametrize(("arguments", "first"), [([], "id,active"), (["--format", "ndjson"], '{"id":"p1"')])
def test_without_out_rows_are_printed(
    files: Path, arguments: list[str], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert view_run(files, *arguments) == 0
    assert capsys.readouterr().out.startswith(first)


def test_what_is_no_text_cannot_be_printed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view_run(files, "--format", "parquet") == 2
    assert "only csv and ndjson" in capsys.readouterr().err


def test_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view_run(files, "--json", "--out", str(files / "x.csv")) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "view": "names",
        "resource": "Patient",
        "columns": ["id", "active", "births", "family", "given", "weight"],
        "rows": 3,
        "unknown_elements": [],
    }
    assert printed.err == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_of_bronze_tables_the_current_versions_count(
    files: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bronze = files / "bronze"
    bronze.mkdir()
    build_bronze(files / DATA, bronze, ingested_at=datetime(2026, 1, 1, tzinfo=UTC))
    newer = {**PATIENTS[1], "meta": {"versionId": "2"}, "multipleBirthInteger": 3}
    (files / DATA / "Patient.000.ndjson").unlink()
    (files / DATA / "Patient.001.ndjson.gz").write_bytes(gzip.compress(json.dumps(newer).encode()))
    build_bronze(files / DATA, bronze, ingested_at=datetime(2026, 1, 2, tzinfo=UTC))
    out = files / "rows.ndjson"
    assert (
        run(["view", "run", str(files / "view.json"), str(bronze), "--engine", engine, "--out", str(out)])
        == 0
    )
    # The first patient is not in the newer export any more, so that it counts as deleted.
    assert [(row["id"], row["births"]) for row in rows_in(out, "ndjson")] == [("p2", 3)]
    capsys.readouterr()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("suffix", ["csv", "delta"])
def test_a_broken_line_is_located_and_nothing_is_left(
    files: Path, engine: str, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / DATA / "Patient.000.ndjson").write_text(json.dumps(PATIENTS[0]) + '\n{"id": "Secret"\n')
    assert view_run(files, "--engine", engine, "--out", str(files / f"rows.{suffix}")) == 3
    error = capsys.readouterr().err
    assert "Patient.000.ndjson" in error
    assert "line=2" in error
    assert "Secret" not in error
    assert not list(files.glob("rows*"))


def test_a_packed_file_that_ends_too_early_is_located(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = files / DATA / "Patient.001.ndjson.gz"
    packed.write_bytes(packed.read_bytes()[:-12])
    assert view_run(files, "--out", str(files / "rows.csv")) == 3
    assert "Patient.001.ndjson.gz, line=1" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ENGINES)
def test_two_values_where_one_is_asked_for_leave_nothing(
    files: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    select = [{"column": [{"name": "v", "path": "name.family"}]}]
    (files / "view.json").write_text(json.dumps({"resource": "Patient", "select": select}))
    assert view_run(files, "--engine", engine, "--out", str(files / "rows.parquet")) == 3
    assert "several" in capsys.readouterr().err
    assert not list(files.glob("rows*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.json", DATA], "no such view file"),
        (["view.json", "absent"], "no such folder"),
        (["view.json", "."], "no resources of the view's type"),
        (["view.json", DATA, "--out", "rows.xlsx"], "no format"),
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


def test_corrupt_parquet_is_named_and_nothing_is_left(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bronze = files / "bronze"
    bronze.mkdir()
    build_bronze(files / DATA, bronze, ingested_at=datetime(2026, 1, 1, tzinfo=UTC))
    table = next((bronze / "Patient").rglob("*.parquet"))
    table.write_bytes(table.read_bytes()[:-20])
    out = files / "rows.csv"
    assert run(["view", "run", str(files / "view.json"), str(bronze), "--out", str(out)]) == 5
    assert table.name in capsys.readouterr().err
    assert not list(files.glob("rows*"))


def test_rows_that_fail_on_their_way_leave_nothing(tmp_path: Path) -> None:
    schema = schema_of([("a", "string", False)])

    def batches() -> Any:
        yield pa.record_batch({"a": ["x"]}, schema)
        raise DataError("The rows end here")

    for form in Format:
        with pytest.raises(DataError, match="end here"):
            write_rows(batches(), schema, form, tmp_path / "rows")
        assert list(tmp_path.iterdir()) == []


def test_conformance_prints_the_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    cases = [
        {"title": "right", "view": view, "expect": [{"id": "p1"}]},
        {"title": "wrong", "view": view, "expect": []},
        {"title": "refused", "view": {"resource": "Patient", "select": []}, "expectError": True},
    ]
    suite = {"resources": [{"resourceType": "Patient", "id": "p1"}], "tests": cases}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    report = tmp_path / "report.json"
    for engine in ("duckdb", "direct"):
        more = ["--engine", engine, "--report", str(report)]
        assert run(["view", "conformance", str(tmp_path), *more]) == 3
        printed = capsys.readouterr()
        assert printed.out == "2 passed, 1 failed\n"
        assert printed.err == "suite.json: wrong: the rows differ\n"
        assert json.loads(report.read_text())["suite.json"]["tests"][1] == {
            "name": "wrong",
            "result": {"passed": False},
        }
        report.unlink()
        (tmp_path / "suite.json").write_text(json.dumps(suite))


CHECKED = {
    "resource": "Observation",
    "name": "pressure",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()"},
                {"name": "value", "path": "value.ofType(Quantity).value"},
                {"name": "codes", "path": "code.coding.code", "collection": True},
                {"name": "nothing", "path": "code.codding.code"},
            ]
        }
    ],
}


def test_check_prints_columns_what_is_read_and_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "view.json").write_text(json.dumps(CHECKED))
    assert run(["view", "check", str(tmp_path / "view.json")]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "view pressure on Observation: 4 columns",
        "  id       id  CHARACTER VARYING",
        "  value    decimal  DOUBLE PRECISION",
        "  codes    code  CHARACTER VARYING ARRAY",
        "  nothing  string  CHARACTER VARYING",
        "reads",
        '  {"resourceType": "text", "code": {"coding": [{"code": "text"}]}, "id": "text",'
        ' "valueQuantity": {"value": "number"}}',
    ]
    assert "CodeableConcept.codding" in printed.err


@pytest.mark.parametrize(("engine", "word"), [("duckdb", "from_json("), ("spark", "try_variant_get(")])
def test_check_prints_the_sql_of_an_engine_without_starting_it(
    tmp_path: Path, engine: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "view.json").write_text(json.dumps(CHECKED))
    assert run(["view", "check", str(tmp_path / "view.json"), "--sql", "--engine", engine]) == 0
    assert word in capsys.readouterr().out
    assert run(["view", "check", str(tmp_path / "view.json"), "--json"]) == 0
    assert [column["name"] for column in json.loads(capsys.readouterr().out)["columns"]] == [
        "id",
        "value",
        "codes",
        "nothing",
    ]


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ('{"resource":', "not a ViewDefinition"),
        ('{"resource":"Patient","select":[]}', "selects nothing"),
        (
            '{"resource":"Patient","select":[{"column":[{"name":"a","path":"name.upper()"}]}]}',
            "function=upper, view=view, column=a",
        ),
        (
            '{"resource":"Patient","select":[{"column":[{"name":"a","path":"name. "}]}]}',
            "position=6, view=view, column=a",
        ),
        (
            '{"resource":"Patient","select":[{"repeat":["$this"],"column":[{"name":"a","path":"id"}]}]}',
            "never end",
        ),
    ],
)
def test_check_says_what_is_wrong_and_where(
    tmp_path: Path, view: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "view.json").write_text(view)
    assert run(["view", "check", str(tmp_path / "view.json")]) == 2
    assert message in capsys.readouterr().err
