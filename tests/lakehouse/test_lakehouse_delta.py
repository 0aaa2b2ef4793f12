"""Delta tables: active files only, versions of our own making, and no feature that cannot be honoured."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from medcairn.core.delta import (
    delta_batches,
    delta_entries,
    delta_files,
    delta_version,
    is_delta,
    open_delta,
    read_delta,
)
from medcairn.core.errors import DataError, IntegrityError, StorageError, UsageError
from medcairn.lakehouse.commit import commit_files, commit_table, part_name
from medcairn.lakehouse.statistics import statistics_of

ROWS = pa.table({"a": [1, 2], "b": ["x", "y"]})
Actions = list[dict[str, dict[str, Any]]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "a table with a space"
    write_deltalake(str(folder), ROWS)
    return folder


def entry(table: Path, version: int = 0) -> Path:
    return table / "_delta_log" / f"{version:020d}.json"


def rewrite(table: Path, change: Callable[[Actions], None], version: int = 0) -> None:
    """Change the actions of a version, as another writer would have written them."""
    actions = [json.loads(line) for line in entry(table, version).read_text().splitlines()]
    change(actions)
    entry(table, version).write_text("\n".join(json.dumps(action) for action in actions) + "\n")


def action(actions: Actions, name: str) -> dict[str, Any]:
    return next(one[name] for one in actions if name in one)


# Reading.


def test_only_files_of_the_version_count(table: Path) -> None:
    write_deltalake(str(table), pa.table({"a": [3], "b": ["z"]}), mode="overwrite")
    assert len(list(table.glob("*.parquet"))) == 2
    assert len(delta_files(table)) == 1
    assert read_delta(table, ["b"]).to_pylist() == [{"b": "z"}]
    assert read_delta(table, version=0).to_pylist() == ROWS.to_pylist()
    assert delta_version(table) == 1


@pytest.mark.parametrize("version", [-1, 1, 10**6])
def test_a_version_that_is_not_there_is_refused(table: Path, version: int) -> None:
    with pytest.raises(UsageError, match="no such version"):
        delta_files(table, version)


def test_an_empty_table_keeps_its_columns(table: Path) -> None:
    DeltaTable(str(table)).delete()
    assert read_delta(table).num_rows == 0
    assert read_delta(table).schema.names == ["a", "b"]


def test_columns_of_the_partition_come_from_the_log(tmp_path: Path) -> None:
    rows = pa.table(
        {"day": [date(2024, 1, 2), date(2024, 1, 1), None], "a/b": ["x y", "ä%", "z"], "n": [1, 2, 3]}
    )
    write_deltalake(str(tmp_path), rows, partition_by=["day", "a/b"])
    expected = sorted(rows.to_pylist(), key=str)
    assert sorted(read_delta(tmp_path).to_pylist(), key=str) == expected
    assert sorted(read_delta(tmp_path, ["day"]).to_pylist(), key=str) == [
        {"day": row["day"]} for row in expected
    ]


def test_a_column_that_was_added_later_is_null_before(table: Path) -> None:
    write_deltalake(str(table), ROWS.append_column("c", pa.array([5, 6])), mode="append", schema_mode="merge")
    assert sorted(read_delta(table, ["c"]).column("c").to_pylist(), key=str) == [5, 6, None, None]


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Delta table"):
        delta_files(tmp_path)
    assert not is_delta(tmp_path)


# Damage.


def test_a_missing_file_is_named(table: Path) -> None:
    file = delta_files(table)[0]
    file.unlink()
    with pytest.raises(IntegrityError, match="missing") as caught:
        delta_files(table)
    assert caught.value.fields == {"file": file}


def test_a_corrupt_file_is_named(table: Path) -> None:
    file = delta_files(table)[0]
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        read_delta(table)
    assert caught.value.fields == {"file": file}
    assert caught.value.__context__ is None


def test_a_corrupt_page_is_named_when_it_is_met(table: Path) -> None:
    file = delta_files(table)[0]
    data = bytearray(file.read_bytes())
    data[4:60] = bytes(56)
    file.write_bytes(data)
    with pytest.raises(IntegrityError, match="cannot be read") as caught:
        list(delta_batches(table))
    assert caught.value.fields == {"file": file}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: file.write_bytes(b"\n\n"), "is empty"),
        (lambda file: file.write_bytes(b"{"), "cannot be read"),
        (lambda file: file.write_bytes(b"{}\n\xff\xfe\n"), "cannot be read"),
        (lambda file: file.write_bytes(b"5\n"), "something else"),
        (cut, "cannot be read"),
    ],
)
@pytest.mark.parametrize("version", [0, 1])
def test_a_damaged_entry_of_the_log_is_named(
    table: Path, damage: Callable[[Path], object], message: str, version: int
) -> None:
    for _ in range(2):
        write_deltalake(str(table), ROWS, mode="append")
    damage(entry(table, version))
    with pytest.raises(IntegrityError, match=message) as caught:
        read_delta(table)
    assert caught.value.fields == {"file": entry(table, version)}


def test_a_log_without_entries_is_refused(table: Path) -> None:
    entry(table).unlink()
    with pytest.raises(IntegrityError, match="log of a Delta table is empty"):
        read_delta(table)


def test_older_versions_go_with_their_log_and_the_newest_stays(table: Path) -> None:
    write_deltalake(str(table), ROWS, mode="append")
    DeltaTable(str(table)).create_checkpoint()
    entry(table, 0).unlink()
    assert read_delta(table).num_rows == 4
    with pytest.raises(IntegrityError, match="log of a Delta table cannot be read"):
        read_delta(table, version=0)


def test_a_damaged_checkpoint_is_refused(table: Path) -> None:
    DeltaTable(str(table)).create_checkpoint()
    entry(table, 0).unlink()
    cut(next((table / "_delta_log").glob("*.checkpoint.parquet")))
    with pytest.raises(IntegrityError, match="log of a Delta table cannot be read"):
        read_delta(table)


# Features of the protocol.


@pytest.mark.parametrize(
    ("protocol", "configuration"),
    [
        ({"readerFeatures": ["deletionVectors"]}, {"delta.enableDeletionVectors": "true"}),
        ({"readerFeatures": ["columnMapping"]}, {"delta.columnMapping.mode": "name"}),
        ({"readerFeatures": ["columnMapping"]}, {}),
        ({"readerFeatures": ["v2Checkpoint"]}, {"delta.checkpointPolicy": "v2"}),
        ({"readerFeatures": ["typeWidening"]}, {}),
        ({"readerFeatures": ["variantType"]}, {}),
        ({"readerFeatures": ["catalogManaged"]}, {}),
        ({"readerFeatures": ["somethingNew"]}, {}),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, {"delta.columnMapping.mode": "id"}),
        ({"minReaderVersion": 4, "minWriterVersion": 8}, {}),
    ],
)
def test_features_that_change_what_a_file_means_are_refused(
    table: Path, protocol: Mapping[str, Any], configuration: dict[str, str]
) -> None:
    def change(actions: Actions) -> None:
        features = {"writerFeatures": protocol["readerFeatures"]} if "readerFeatures" in protocol else {}
        action(actions, "protocol").update(
            {"minReaderVersion": 3, "minWriterVersion": 7, **features, **protocol}
        )
        action(actions, "metaData")["configuration"].update(configuration)

    rewrite(table, change)
    for read in (delta_files, read_delta, delta_version):
        with pytest.raises(DataError, match="feature that cannot be honoured") as caught:
            read(table)
        assert caught.value.fields["folder"] == table


def test_a_feature_is_refused_from_the_version_that_brings_it(table: Path) -> None:
    write_deltalake(str(table), ROWS, mode="append")
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    rewrite(
        table,
        lambda actions: actions.append(
            {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}
        ),
        version=1,
    )
    assert read_delta(table, version=0).num_rows == 2
    with pytest.raises(DataError, match="cannot be honoured"):
        read_delta(table)


def test_a_deletion_vector_that_no_feature_announces_is_refused(table: Path) -> None:
    vector = {
        "storageType": "i",
        "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
        "sizeInBytes": 40,
        "cardinality": 6,
    }
    rewrite(table, lambda actions: action(actions, "add").update(deletionVector=vector))
    with pytest.raises((DataError, IntegrityError)):
        read_delta(table)


@pytest.mark.parametrize("features", [["timestampNtz"], ["vacuumProtocolCheck"], []])
def test_features_that_change_nothing_for_readers_are_read(table: Path, features: list[str]) -> None:
    named = {"readerFeatures": features, "writerFeatures": [*features, "checkConstraints"]}
    rewrite(
        table,
        lambda actions: action(actions, "protocol").update(
            {"minReaderVersion": 3, "minWriterVersion": 7, **named}
        ),
    )
    assert read_delta(table).num_rows == 2


@pytest.mark.parametrize(
    "protocol",
    [
        {"minWriterVersion": 7, "writerFeatures": ["rowTracking", "domainMetadata"]},
        {"minWriterVersion": 7, "writerFeatures": ["checkConstraints"]},
        {"minWriterVersion": 7, "writerFeatures": ["somethingNew"]},
        {"minWriterVersion": 4},
    ],
)
def test_a_table_whose_writers_must_do_more_is_read_and_not_written(
    table: Path, protocol: Mapping[str, Any]
) -> None:
    rewrite(table, lambda actions: action(actions, "protocol").update(protocol))
    assert read_delta(table).num_rows == 2
    shutil.copy(delta_files(table)[0], table / "new.parquet")
    with pytest.raises(DataError, match="asks its writers"):
        commit_files(table, ROWS.schema, add=[table / "new.parquet"])
    assert delta_version(table) == 0


# Our own commits.


def write(folder: Path, name: str, *numbers: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"n": numbers}), folder / name)
    return folder / name


def numbers(table: Path, version: int | None = None) -> list[int]:
    return sorted(map(int, read_delta(table, ["n"], version=version).column("n").to_pylist()))


def test_versions_add_and_remove_the_files_that_they_name(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    first, second, third = (write(tmp_path, part_name(n), n, n + 10) for n in range(3))
    assert commit_files(tmp_path, schema, add=[first, second]) == 0
    assert commit_files(tmp_path, schema, add=[third], remove=[first], metadata={"medcairn.load": "2"}) == 1
    assert commit_files(tmp_path, schema, remove=["part-00001.parquet"]) == 2
    assert commit_files(tmp_path, schema) == 2
    assert [numbers(tmp_path, version) for version in range(3)] == [
        [0, 1, 10, 11],
        [1, 2, 11, 12],
        [2, 12],
    ]
    assert open_delta(tmp_path).history()[1]["medcairn.load"] == "2"
    with pytest.raises(UsageError, match="no active file"):
        commit_files(tmp_path, schema, remove=[first])
    with pytest.raises(StorageError, match="could not be committed"):
        commit_table(tmp_path, schema, [first])


def test_the_library_reads_what_we_commit(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
    files = [write(tmp_path / f"day=2024-01-0{day}", "x y ä%.parquet", day) for day in (1, 2, 3)]
    commit_files(tmp_path, schema, add=files, partition_by=["day"])
    commit_files(tmp_path, schema, remove=files[2:])
    library = DeltaTable(str(tmp_path))
    assert library.to_pyarrow_table(filters=[("day", "=", date(2024, 1, 2))]).column("n").to_pylist() == [2]
    library.optimize.compact()
    library.delete("n = 1")
    assert numbers(tmp_path) == [2]
    assert [entry.partition for entry in delta_entries(tmp_path)] == [(("day", date(2024, 1, 2)),)]


def test_statistics_say_what_is_in_a_file(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
    rows = pa.table(
        {
            "n": pa.array([3, None, -1], pa.int32()),
            "s": ["b", "a", None],
            "long": ["x" * 200, "y", "z"],
            "t": pa.array([moment, moment.replace(year=1969), None], pa.timestamp("us", tz="UTC")),
            "d": [date(2024, 1, 1), date(2023, 1, 1), None],
            "f": [1.0, float("nan"), 2.0],
            "b": [True, False, None],
            "none": pa.nulls(3, pa.int64()),
            "l": [["q"], [], None],
        }
    )
    pq.write_table(rows, tmp_path / "f.parquet", row_group_size=2)
    assert statistics_of(tmp_path / "f.parquet") == {
        "numRecords": 3,
        "minValues": {
            "n": -1,
            "s": "a",
            "t": "1969-01-01T12:00:00.000005Z",
            "d": "2023-01-01",
        },
        "maxValues": {"n": 3, "s": "b", "t": "2024-01-01T12:00:00.000005Z", "d": "2024-01-01"},
        "nullCount": {"n": 1, "s": 1, "long": 0, "t": 1, "d": 1, "f": 0, "b": 1, "none": 3},
    }


def test_statistics_of_ours_let_the_library_skip_files_and_lose_no_row(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    commit_files(
        tmp_path, schema, add=[write(tmp_path, f"{n}.parquet", *range(n, n + 10)) for n in (0, 10, 20)]
    )
    found = DeltaTable(str(tmp_path)).to_pyarrow_table(filters=[("n", ">", 18), ("n", "<", 21)])
    assert sorted(found.column("n").to_pylist()) == [19, 20]


def test_two_who_commit_at_once_lose_nothing_and_are_told(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    commit_files(tmp_path, schema, add=[write(tmp_path, "first.parquet", 0)])
    done: list[int] = []

    def commit(start: int) -> None:
        for number in range(start, start + 12):
            file = write(tmp_path, f"{number}.parquet", number)
            try:
                commit_files(tmp_path, schema, add=[file])
                done.append(number)
            except StorageError as refused:
                assert "another program" in refused.hint

    threads = [threading.Thread(target=commit, args=(start,)) for start in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(tmp_path) == sorted([0, *done])
    assert delta_version(tmp_path) == len(done) >= 12
