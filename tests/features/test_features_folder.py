"""A silver folder read by stretches of subjects: every row once, whatever the files look like."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import convert_to_deltalake

from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.features import features_at, load_feature_set
from medcairn.features.batch import features_in
from medcairn.features.feature_set import FeatureSet
from medcairn.features.silver_columns import COLUMNS
from medcairn.features.silver_folder import open_silver

from .silver_rows import Silver, feature, index_of

CORE = load_feature_set("clinical_core")
NAMES = [f"s{number:02d}" for number in range(40)]
WHEN = "2020-03-01"


def hospital() -> dict[str, pa.Table]:
    """Forty subjects, some without any fact, rows sorted by subject."""
    draw = random.Random(4)
    silver = Silver()
    for name in NAMES:
        silver.patient(name, born=1930 + draw.randrange(60))
        for _ in range(draw.choice([0, 1, 3, 9])):
            day = f"2020-0{draw.choice([1, 2, 3])}-{draw.randrange(1, 29):02d}"
            silver.lab(draw.choice(["glucose", "creatinine"]), draw.randrange(50, 200), day, subject=name)
        if draw.random() < 0.5:
            silver.condition(["diabetes", "type2_diabetes"], "2019-05-01", subject=name)
            silver.stay("2020-01-03", "2020-01-09", subject=name)
    return silver.tables()


TABLES = hospital()
INDEX = index_of(*((name, WHEN) for name in NAMES))


def write(
    folder: Path, tables: Mapping[str, pa.Table], *, rows: int, files: int = 1, statistics: bool = True
) -> Path:
    """The tables as Delta tables of some files with row groups of ``rows`` rows."""
    for name, table in tables.items():
        (folder / name).mkdir(parents=True)
        size = max(1, -(-table.num_rows // files))
        for number in range(files):
            part = folder / name / f"part-{number}.parquet"
            some = table.slice(number * size, size)
            pq.write_table(some, part, row_group_size=rows, write_statistics=statistics)
        convert_to_deltalake(str(folder / name))
    return folder


def computed(folder: Path, index: pa.Table = INDEX, features: FeatureSet = CORE) -> pa.Table:
    with open_silver(folder) as silver:
        return pa.concat_tables(list(features_in(silver, index, features, NoProgress())))


@pytest.mark.parametrize("rows_at_once", [1, 7, 500_000])
@pytest.mark.parametrize(
    "layout",
    [
        {"rows": 1},
        {"rows": 5},
        {"rows": 5, "files": 3},
        {"rows": 1_000_000},
        {"rows": 5, "statistics": False},
    ],
    ids=["a row a group", "groups of five", "three files", "one group", "without statistics"],
)
def test_every_layout_gives_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: dict[str, int], rows_at_once: int
) -> None:
    monkeypatch.setattr("medcairn.features.silver_folder.ROWS_AT_ONCE", rows_at_once)
    write(tmp_path, TABLES, **layout)  # type: ignore[arg-type]
    assert computed(tmp_path).equals(features_at(TABLES, INDEX, CORE))


@pytest.mark.parametrize("rows", [3, 1_000])
def test_row_groups_that_overlap_are_read_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A table that nobody sorted: a group holds subjects from anywhere."""
    monkeypatch.setattr("medcairn.features.silver_folder.ROWS_AT_ONCE", 10)
    draw = random.Random(5)
    shuffled = {
        name: table.take(pa.array(draw.sample(range(table.num_rows), table.num_rows), pa.int64()))
        for name, table in TABLES.items()
    }
    write(tmp_path, shuffled, rows=rows, files=2)
    assert computed(tmp_path).equals(features_at(TABLES, INDEX, CORE))


def test_an_index_of_a_few_subjects_and_of_unknown_ones(tmp_path: Path) -> None:
    index = index_of(("s31", WHEN), ("a first", WHEN), ("s07", "2020-02-01"), ("z last", WHEN), ("s07", WHEN))
    write(tmp_path, TABLES, rows=4)
    expected = features_at(TABLES, index, CORE).sort_by(
        [("subject_id", "ascending"), ("prediction_time", "ascending")]
    )
    assert computed(tmp_path, index).equals(expected)


def test_each_row_comes_once_and_in_order(tmp_path: Path) -> None:
    write(tmp_path, TABLES, rows=4)
    columns = {name: ["subject_id"] for name in ("patient", "observation")}
    with open_silver(tmp_path) as silver:
        stretches = list(silver.stretches(columns, rows_at_once=8))
    assert len(stretches) > 3
    for name in columns:
        seen = [text for stretch in stretches for text in stretch.tables[name].column(0).to_pylist()]
        assert seen == TABLES[name].column("subject_id").to_pylist()
    for before, after in pairwise(stretches):
        assert before.last is not None
        assert all(text > before.last for text in after.tables["patient"].column(0).to_pylist())


def test_stretches_of_some_concepts(tmp_path: Path) -> None:
    write(tmp_path, TABLES, rows=4)
    columns = {name: list(COLUMNS[name]) for name in ("condition", "observation")}
    wanted = {"condition": ["type2_diabetes"], "observation": ["glucose"]}
    with open_silver(tmp_path) as silver:
        tables = [stretch.tables for stretch in silver.stretches(columns, concepts=wanted)]
    labs = [text for some in tables for text in some["observation"].column("concept").to_pylist()]
    assert set(labs) == {"glucose"}
    assert sum(some["condition"].num_rows for some in tables) == TABLES["condition"].num_rows


def test_reading_a_range_of_subjects(tmp_path: Path) -> None:
    write(tmp_path, TABLES, rows=4)
    with open_silver(tmp_path) as silver:
        assert silver.subject_ids().to_pylist() == NAMES
        some = silver.read("patient", "s05", "s09x", columns=["subject_id", "gender"])
        assert some.column("subject_id").to_pylist() == NAMES[5:10]
        assert silver.read("allergy", "s05", "s09").num_rows == 0


def test_an_index_without_rows_gives_no_table(tmp_path: Path) -> None:
    write(tmp_path, TABLES, rows=4)
    with open_silver(tmp_path) as silver:
        assert list(features_in(silver, index_of(), CORE, NoProgress())) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, TABLES, rows=1_000)
    file = tmp_path / "observation" / "part-0.parquet"
    whole = bytearray(file.read_bytes())
    whole[4:200] = bytes(196)
    file.write_bytes(whole)
    with pytest.raises(IntegrityError, match=r"part-0\.parquet"):
        computed(tmp_path)


def test_a_file_without_a_needed_column_is_named(tmp_path: Path) -> None:
    tables = dict(TABLES, observation=TABLES["observation"].drop_columns(["superseded_time"]))
    write(tmp_path, tables, rows=1_000)
    with pytest.raises(DataError, match="column=superseded_time"):
        computed(tmp_path)
    assert computed(tmp_path, features=feature("condition", "diabetes", "any")).num_rows == len(NAMES)


def test_a_folder_without_silver_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no silver tables"), open_silver(tmp_path):
        pass
