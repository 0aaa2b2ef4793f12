"""Care for tables: fewer files with the same rows, nothing deleted that is needed, a history that is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcairn.core.delta import delta_entries, delta_files, delta_version, read_delta
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.lakehouse.bronze import bronze_load, build_bronze, changed_since, several_versions
from medcairn.lakehouse.commit import commit_files, part_name
from medcairn.lakehouse.maintenance import history, lake_tables, optimize, vacuum
from medcairn.lakehouse.time_travel import write_table_rows

from .bronze_folder import FIRST_DAY, BronzeFolder, patient

SCHEMA = pa.schema([("id", pa.string()), ("x", pa.int64()), ("y", pa.int64())])


def table(folder: Path, files: int = 6, rows: int = 50, *, footer: dict[str, str] | None = None) -> Path:
    """A table of small files."""
    random = Random(5)
    folder.mkdir(parents=True)
    for number in range(files):
        columns = {
            "id": [f"r{number}-{n}" for n in range(rows)],
            "x": [random.randrange(1000) for _ in range(rows)],
            "y": [random.randrange(1000) for _ in range(rows)],
        }
        written = pa.table(columns, schema=SCHEMA).replace_schema_metadata(footer)
        pq.write_table(written, folder / part_name(number))
        commit_files(folder, SCHEMA, add=[folder / part_name(number)])
    return folder


def names(files: Sequence[Path]) -> list[str]:
    return [file.name for file in files]


def test_compaction_keeps_rows_and_their_order_and_older_versions(tmp_path: Path) -> None:
    lake = table(tmp_path / "t")
    before = read_delta(lake)
    done = optimize(lake).tables[0]
    assert (done.table, done.version, done.files_before, done.files_after) == ("t", 6, 6, 1)
    assert read_delta(lake).equals(before)
    assert read_delta(lake, version=2).num_rows == 150
    again = optimize(lake).tables[0]
    assert (again.version, again.files_after) == (6, 1)
    assert history(lake).tables[0].operation == "OPTIMIZE"


def test_the_same_table_is_compacted_to_the_same_bytes(tmp_path: Path) -> None:
    kinds = []
    for name in ("one", "two"):
        lake = table(tmp_path / name)
        optimize(lake)
        kinds.append({file.name: file.read_bytes() for file in delta_files(lake)})
    assert kinds[0] == kinds[1]


def test_files_grow_to_the_size_that_was_asked_for(tmp_path: Path) -> None:
    lake = table(tmp_path / "t", files=7)
    size = max(entry.size for entry in delta_entries(lake))
    assert optimize(lake, target_bytes=3 * size).tables[0].files_after == 3
    assert optimize(lake, target_bytes=10).tables[0].files_after == 3


def test_z_order_brings_near_what_is_near(tmp_path: Path) -> None:
    lake = table(tmp_path / "t", rows=400)
    before = sorted(map(str, read_delta(lake).to_pylist()))
    optimize(lake, z_order=["x", "y"])
    after = read_delta(lake)
    assert sorted(map(str, after.to_pylist())) == before
    quarter = [(row["x"] // 500, row["y"] // 500) for row in after.to_pylist()]
    changes = sum(one != other for one, other in pairwise(quarter))
    assert changes < 300, "of 2,400 rows; in no order some 1,800"
    assert history(lake).tables[0].operation == "OPTIMIZE"


@pytest.mark.parametrize("columns", [["absent"], ["x", "absent"]])
def test_z_order_by_a_column_that_is_not_there_is_refused(tmp_path: Path, columns: list[str]) -> None:
    lake = table(tmp_path / "t", files=2)
    with pytest.raises(UsageError, match="no such simple column"):
        optimize(lake, z_order=columns)
    assert delta_version(lake) == 1


def test_a_table_that_its_builder_lays_out_is_left_alone(tmp_path: Path) -> None:
    lake = table(tmp_path / "silver" / "patient", footer={"medcairn": "{}"})
    done = optimize(tmp_path / "silver").tables[0]
    assert (done.table, done.left_alone, done.files_after) == ("patient", True, 6)
    assert delta_version(lake) == 5


def test_a_damaged_file_is_named_and_the_table_left_as_it_was(tmp_path: Path) -> None:
    lake = table(tmp_path / "t")
    file = delta_files(lake)[4]
    file.write_bytes(file.read_bytes()[:-10])
    for order in ([], ["x"]):
        with pytest.raises(IntegrityError, match="cannot be read") as caught:
            optimize(lake, z_order=order)
        assert caught.value.fields == {"file": file}
    assert delta_version(lake) == 5
    assert names(sorted(lake.glob("*.par*"))) == names(delta_files(lake))


def test_lakes_are_searched_for_tables(tmp_path: Path) -> None:
    for name in ("bronze/Patient", "silver/patient", "gold/readmission/features"):
        table(tmp_path / "lake" / name, files=2, rows=2)
    done = optimize(tmp_path / "lake").tables
    assert [one.table for one in done] == ["bronze/Patient", "gold/readmission/features", "silver/patient"]
    assert names(lake_tables(tmp_path / "lake" / "silver")) == ["patient"]
    for empty in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError, match="no Delta table"):
            vacuum(empty / "none")


def test_vacuum_counts_before_it_deletes_and_ends_time_travel(tmp_path: Path) -> None:
    lake = table(tmp_path / "t")
    optimize(lake)
    (lake / "orphan.parquet").write_bytes(b"of a run that was killed")
    assert vacuum(lake).tables[0].files == 0
    counted = vacuum(lake, retention_hours=0).tables[0]
    assert (counted.files, counted.deleted) == (7, False)
    assert len(list(lake.glob("*.parquet"))) == 8
    done = vacuum(lake, retention_hours=0, dry_run=False).tables[0]
    assert (done.files, done.bytes, done.deleted) == (7, counted.bytes, True)
    assert names(sorted(lake.glob("*.parquet"))) == names(delta_files(lake))
    assert read_delta(lake).num_rows == 300
    with pytest.raises(IntegrityError, match="is missing"):
        read_delta(lake, version=3)
    with pytest.raises(UsageError, match="0 or more"):
        vacuum(lake, retention_hours=-1)


def test_history_tells_what_came_and_went(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    lake = table(tmp_path / "t", files=3)
    optimize(lake)
    told = history(lake).tables
    assert [(v.version, v.operation, v.files_added, v.files_removed, v.rows_added) for v in told] == [
        (3, "OPTIMIZE", 1, 3, 150),
        (2, "WRITE", 1, 0, 50),
        (1, "WRITE", 1, 0, 50),
        (0, "CREATE TABLE", 1, 0, 50),
    ]
    assert all(before <= datetime.fromisoformat(version.time) for version in told)
    assert [version.version for version in history(lake, limit=2).tables] == [3, 2]


def test_a_table_that_cannot_be_honoured_is_not_maintained(tmp_path: Path) -> None:
    lake = table(tmp_path / "t", files=2)
    log = lake / "_delta_log" / f"{0:020d}.json"
    log.write_text(log.read_text().replace('"minWriterVersion":2', '"minWriterVersion":4'))
    for work in (optimize, lambda folder: vacuum(folder, dry_run=False)):
        with pytest.raises(DataError, match="asks its writers"):
            work(lake)


# Bronze under maintenance.


def test_bronze_is_the_same_to_those_who_read_and_load_it(tmp_path: Path) -> None:
    lake = BronzeFolder(tmp_path)
    lake.load(patient("a", version="1"), patient("b", version="1"), patient("c", version="1"))
    first = lake.load(patient("a", version="1"), patient("b", version="2"))
    for number in (3, 4):  # further loads on the first day, so that there is something to merge
        lake.write("Patient.000.ndjson", f'{{"resourceType":"Patient","id":"d{number}"}}')
        first = build_bronze(lake.source, lake.bronze, ingested_at=FIRST_DAY)

    def seen() -> tuple[object, ...]:
        changed = [changed_since(lake.bronze, "Patient", load).to_pylist() for load in range(5)]
        rows = sorted(lake.table().to_pylist(), key=lambda row: (row["id"], row["sequence"]))
        several = several_versions(lake.bronze, "Patient").to_pylist()
        return rows, changed, several, bronze_load(lake.bronze, "Patient")

    before = seen()
    assert optimize(lake.bronze).tables[0].files_before > len(delta_files(lake.bronze / "Patient"))
    assert seen() == before
    again = build_bronze(lake.source, lake.bronze, ingested_at=FIRST_DAY)
    assert (again.content_digest, again.new, again.changed) == (first.content_digest, {}, {})
    optimize(lake.bronze, z_order=["id"])
    vacuum(lake.bronze, retention_hours=0, dry_run=False)
    assert seen() == before
    lake.write("Patient.000.ndjson", '{"resourceType":"Patient","id":"e"}')
    after = build_bronze(lake.source, lake.bronze, ingested_at=FIRST_DAY)
    assert (after.new, after.loads) == ({"Patient": 1}, {"Patient": 5})
    texts = [entry.read_text() for entry in (lake.bronze / "Patient" / "_delta_log").glob("*.json")]
    assert not any("resourceType" in text for text in texts), "no log holds the text of a resource"


# Time travel.


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow"])
def test_rows_of_an_older_version_as_a_file(tmp_path: Path, suffix: str) -> None:
    lake, out = table(tmp_path / "t", files=3, rows=2), tmp_path / "out" / f"rows.{suffix}"
    written = write_table_rows(lake, out, version=1, columns=["x"])
    assert (written.version, written.rows, written.columns) == (1, 4, 1)
    expected = read_delta(lake, ["x"], version=1).column("x").to_pylist()
    if suffix == "parquet":
        assert pq.read_table(out).column("x").to_pylist() == expected
    elif suffix == "arrow":
        assert pa.ipc.open_file(out).read_all().column("x").to_pylist() == expected
    else:
        lines = out.read_text().splitlines()
        shown = ["x", *map(str, expected)] if suffix == "csv" else [f'{{"x":{x}}}' for x in expected]
        assert lines == shown


def test_rows_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    lake, out = table(tmp_path / "t", files=2), tmp_path / "rows.parquet"
    with pytest.raises(UsageError, match="no such column"):
        write_table_rows(lake, out, columns=["absent"])
    with pytest.raises(UsageError, match="no such version"):
        write_table_rows(lake, out, version=9)
    with pytest.raises(UsageError, match="no format"):
        write_table_rows(lake, tmp_path / "rows.xlsx")
    file = delta_files(lake)[1]
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match="cannot be read"):
        write_table_rows(lake, out)
    assert names(sorted(tmp_path.iterdir())) == ["t"]
