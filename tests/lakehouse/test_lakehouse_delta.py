"""Reading Delta tables: the active files only, and no protocol feature that cannot be honoured."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from medcairn.core.delta import delta_files, read_delta
from medcairn.core.errors import DataError, IntegrityError, UsageError

ROWS = pa.table({"a": [1, 2], "b": ["x", "y"]})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "a table with a space"
    write_deltalake(str(folder), ROWS)
    return folder


def test_only_files_of_the_newest_version_count(table: Path) -> None:
    write_deltalake(str(table), pa.table({"a": [3], "b": ["z"]}), mode="overwrite")
    assert len(list(table.glob("*.parquet"))) == 2
    assert len(delta_files(table)) == 1
    assert read_delta(table, ["b"]).to_pylist() == [{"b": "z"}]


def test_an_empty_table_keeps_its_columns(table: Path) -> None:
    DeltaTable(str(table)).delete()
    assert read_delta(table).num_rows == 0
    assert read_delta(table).schema.names == ["a", "b"]


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Delta table"):
        delta_files(tmp_path)


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


def test_a_broken_log_is_refused(table: Path) -> None:
    next((table / "_delta_log").glob("*.json")).write_text("{")
    with pytest.raises(IntegrityError, match="log of a Delta table"):
        read_delta(table)


@pytest.mark.parametrize(
    ("protocol", "configuration"),
    [
        ({"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}, {}),
        ({"readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping"]}, {}),
        ({"readerFeatures": ["somethingNew"], "writerFeatures": ["somethingNew"]}, {}),
    ],
)
def test_protocol_features_that_change_the_meaning_are_refused(
    table: Path, protocol: dict[str, list[str]], configuration: dict[str, str]
) -> None:
    log = next((table / "_delta_log").glob("*.json"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **protocol}
    log.write_text("\n".join(json.dumps(line) for line in lines))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((DataError, IntegrityError)):
            delta_files(table)
