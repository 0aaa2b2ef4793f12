"""What a run has to do: which resources it types again, divided into tasks, and what may stay as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.delta import open_delta
from medcairn.core.errors import IntegrityError
from medcairn.lakehouse.bronze import (
    bronze_files,
    changed_since,
    several_versions,
)
from medcairn.lakehouse.silver.first_pass import Task, Versions, Whole, write_ids
from medcairn.lakehouse.silver.layout import boundaries
from medcairn.lakehouse.silver.medicines import MEDICATION
from medcairn.lakehouse.silver.shapes import QUARANTINE, SHAPES
from medcairn.lakehouse.silver.source import Seen, Source, rules_digest
from medcairn.lakehouse.silver.typed import RECIPES

_IDS_AT_ONCE = 16_384
_MOST_CHANGED = 1 << 18
"""Changed resources of one type, above which the whole type is typed again: that is faster then."""
_SAMPLE = 50_000
_FILES_PER_DIVISION = 4
_SUBJECT = re.compile(rb'"reference":\s*"Patient/([A-Za-z0-9.-]{1,64})"')


@dataclass(frozen=True)
class Bronze:
    """The files of a bronze table, each with its rows and row groups; the newest load, and whether all
    resources are known in one row."""

    files: tuple[tuple[Path, int, int], ...]
    load: int
    single: bool

    @property
    def rows(self) -> int:
        return sum(rows for _, rows, _ in self.files)


@dataclass(frozen=True)
class Work:
    """``bronze`` are the tables that silver is made of, ``seen`` what is noted of them.
    ``renewed`` are by resource type the files of ids that are typed again, None for all of its ids;
    ``several`` those with several versions, of the types that are typed as a whole. ``afresh`` tells that
    nothing of what silver holds may stay."""

    bronze: Mapping[str, Bronze]
    seen: Mapping[str, Seen]
    renewed: Mapping[str, Path | None]
    several: Mapping[str, Path]
    resources: int
    rows_per_file: int
    afresh: bool


def plan_work(bronze_dir: Path, spill: Path, old: Source | None, rows_per_file: int) -> Work:
    """Compare bronze with what silver was made of (None: there is no silver yet)."""
    bronze = {name: _bronze(bronze_dir, name) for name in (*RECIPES, MEDICATION)}
    seen = {
        name: Seen(str(open_delta(bronze_dir / name).metadata().id), table.load)
        for name, table in bronze.items()
        if table.files
    }
    before = old.tables if old is not None and _goes_on(old, seen, rows_per_file) else {}
    medicines_changed = seen.get(MEDICATION) != before.get(MEDICATION)
    renewed: dict[str, Path | None] = {}
    several: dict[str, Path] = {}
    resources = 0
    for name, recipe in RECIPES.items():
        if name not in seen or (
            before.get(name) == seen[name] and not (recipe.reference and medicines_changed)
        ):
            continue
        ids: pa.Array | None = None
        if name in before and not (recipe.reference and medicines_changed):
            ids = changed_since(bronze_dir, name, before[name].load)
        if ids is None or len(ids) > _MOST_CHANGED:
            renewed[name] = None
            if not bronze[name].single:
                several[name] = _written(spill, name, several_versions(bronze_dir, name))
            resources += bronze[name].rows
        else:
            renewed[name] = _written(spill, name, ids)
            resources += len(ids)
    return Work(bronze, seen, renewed, several, resources, rows_per_file, afresh=not before)


def tasks(work: Work) -> Iterator[Task]:
    """The tasks of the first pass, those of the largest tables first."""
    for name, ids in sorted(work.renewed.items(), key=lambda item: -work.bronze[item[0]].rows):
        if ids is None:
            for file, _, groups in work.bronze[name].files:
                yield from (Whole(name, file, (group,)) for group in range(groups))
        path = work.several.get(name) if ids is None else ids
        count = 0 if path is None else _length(path)
        for start in range(0, count, _IDS_AT_ONCE):
            yield Versions(name, cast("Path", path), start, min(start + _IDS_AT_ONCE, count))


def divisions(work: Work) -> dict[str, list[str]]:
    """The boundaries of each table's divisions: a few files' worth of rows each."""
    rows = {table: sum(_rows(work, name) for name in shape.resource_types) for table, shape in SHAPES.items()}
    rows[QUARANTINE] //= 16
    most = _FILES_PER_DIVISION * work.rows_per_file
    if max(rows.values()) <= most:
        return {}
    subjects = _some_subjects(work)
    return {table: boundaries(subjects, number, most) for table, number in rows.items()}


def _goes_on(old: Source, seen: Mapping[str, Seen], rows_per_file: int) -> bool:
    """Whether bronze is still the one that silver was made of, with as much in it or more."""
    return (old.rules, old.rows_per_file) == (rules_digest(), rows_per_file) and all(
        name in seen and seen[name].table == before.table and seen[name].load >= before.load
        for name, before in old.tables.items()
    )


def _bronze(bronze_dir: Path, resource_type: str) -> Bronze:
    footers = [(file, _footer(file)) for file in bronze_files(bronze_dir, resource_type)]
    return Bronze(
        tuple((file, footer.num_rows, footer.num_row_groups) for file, footer in footers),
        max((_greatest(footer, "load") for _, footer in footers), default=0),
        all(_greatest(footer, "sequence") == 1 for _, footer in footers),
    )


def _greatest(footer: pq.FileMetaData, name: str) -> int:
    """The greatest value of a whole-number column, which bronze always states."""
    at = footer.schema.names.index(name)
    groups = (footer.row_group(number).column(at).statistics for number in range(footer.num_row_groups))
    return max((group.max for group in groups), default=0)


def _written(spill: Path, name: str, ids: pa.Array) -> Path:
    path = spill / f"{name}.ids"
    write_ids(path, ids)
    return path


def _length(path: Path) -> int:
    with pa.memory_map(str(path)) as file:
        return int(pa.ipc.open_file(file).read_all().num_rows)


def _rows(work: Work, resource_type: str) -> int:
    """Resources to be typed; rows are not many more."""
    if resource_type not in work.renewed:
        return 0
    ids = work.renewed[resource_type]
    return work.bronze[resource_type].rows if ids is None else _length(ids)


def _some_subjects(work: Work) -> list[str]:
    """Subjects to divide by: patients, or who the first resources of each type are about."""
    patients: list[str] = []
    for file, _, _ in work.bronze["Patient"].files:
        patients += _column(file, "id")
        if len(patients) >= _SAMPLE:
            break
    if patients:
        return patients
    return [
        subject
        for table in work.bronze.values()
        for file, _, _ in table.files[:1]
        for subject in _referred(file)
    ]


def _referred(file: Path) -> list[str]:
    texts = _column(file, "resource")
    matches = (_SUBJECT.search(text.encode()) for text in texts if text is not None)
    return [match[1].decode() for match in matches if match]


def _column(file: Path, name: str) -> list[str]:
    """A column of a file's first row group."""
    try:
        with pq.ParquetFile(file) as opened:
            if not opened.num_row_groups:
                return []
            return list(opened.read_row_group(0, columns=[name]).column(name).to_pylist())
    except (pa.ArrowException, OSError):
        pass
    raise IntegrityError("A Parquet file cannot be read", file=file)


def _footer(file: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        pass
    raise IntegrityError("A Parquet file cannot be read", file=file)


__all__ = ["Bronze", "Work", "divisions", "plan_work", "tasks"]
