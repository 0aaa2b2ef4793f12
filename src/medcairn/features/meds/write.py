"""Writes a silver folder as a MEDS dataset, checked with the ``meds`` package before it has its name.

MEDS 0.4, https://github.com/Medical-Event-Data-Standard/meds: ``data/*.parquet`` (a subject is in one file,
its rows together and sorted by time), ``metadata/`` (dataset, codes, splits by subject) and label files.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn import __version__
from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS, concepts_of_coding
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import replace_folder, storage_errors, write_json
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.features.meds.codes import BETWEEN, coding_of
from medcairn.features.meds.rows import ROWS_SCHEMA, SILVER_COLUMNS, meds_rows
from medcairn.features.meds.subject_ids import meds_subject_ids
from medcairn.features.silver_folder import SilverFolder
from medcairn.features.splits import subject_splits

MEDS_VERSION = "0.4"
CONCEPT = "CONCEPT"
"""Parents of codes in ``metadata/codes.parquet``: ``CONCEPT//hba1c``."""

ROWS_A_FILE = 500_000
"""About how many silver rows become one file of MEDS."""

_FIRST_COLUMNS = ("subject_id", "time", "code", "numeric_value", "text_value")


@dataclass(frozen=True)
class MedsReport:
    """What was written; aggregate only."""

    subjects: int
    events: int
    codes: int
    files: int
    splits: Mapping[str, int]
    labels: Mapping[str, int]

    def facts(self) -> dict[str, JSON]:
        return {
            "meds_version": MEDS_VERSION,
            "subjects": self.subjects,
            "events": self.events,
            "codes": self.codes,
            "files": self.files,
            "splits": dict(self.splits),
            "labels": dict(self.labels),
        }


def write_meds(
    silver: SilverFolder,
    out_dir: Path,
    *,
    name: str,
    version: str,
    labels: Mapping[str, pa.Table],
    held_out_fraction: float,
    tuning_fraction: float,
    progress: Progress,
) -> MedsReport:
    """Write the dataset ``name`` of a ``version``; ``out_dir`` is there whole in the end, or not at all.

    ``labels`` are cohorts by task (``subject_id``, ``prediction_time``, ``boolean_value``); each becomes
    ``labels/<task>.parquet``. The fractions are shares of subjects. The same silver gives the same bytes.

    Raises :class:`UsageError` when ``out_dir`` is there already, :class:`DataError` when there is no subject,
    two subjects get one number, or the ``meds`` package finds fault with what would be written.
    """
    check_new(out_dir)
    subjects = silver.subject_ids()
    if len(subjects) == 0:
        raise DataError("The silver tables hold no subject", hint="Look at what the lakehouse step loaded")
    staging = out_dir.with_name(out_dir.name + ".partial")
    with storage_errors():
        shutil.rmtree(staging, ignore_errors=True)
        (staging / "metadata").mkdir(parents=True)
    writing = _Writing(staging, silver, subjects, meds_subject_ids(subjects), progress)
    try:
        writing.data()
        split = writing.metadata(name, version, held_out_fraction, tuning_fraction)
        written = {task: writing.labels(task, cohort) for task, cohort in sorted(labels.items())}
        replace_folder(staging, out_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return MedsReport(len(writing.written), writing.events, len(writing.codes), writing.files, split, written)


def check_new(out_dir: Path) -> None:
    """Refuse a folder that is there. Raises :class:`UsageError`."""
    if out_dir.exists():
        raise UsageError(
            "The folder for the MEDS dataset is there already", hint="Give a new name", folder=out_dir
        )


@dataclass
class _Writing:
    """One call of :func:`write_meds`."""

    folder: Path
    silver: SilverFolder
    subjects: pa.Array
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    progress: Progress
    events: int = 0
    files: int = 0
    codes: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def data(self) -> None:
        """The events, some subjects a file."""
        from meds.schema import DataSchema

        self.progress.begin("Writing MEDS", total=len(self.subjects), unit="subjects")
        for stretch in self.silver.stretches(SILVER_COLUMNS, rows_at_once=ROWS_A_FILE):
            rows = meds_rows(stretch.tables)
            if rows.num_rows == 0:
                continue
            self.written.update(pc.unique(rows.column("subject_id")).to_pylist())
            numbered = self._numbered(rows)
            _checked(DataSchema, numbered, "data")
            self._write(f"data/{self.files:05d}.parquet", numbered)
            self.events += numbered.num_rows
            self.files += 1
            self.codes.update(pc.unique(numbered.column("code")).to_pylist())
            self.progress.advance(len(pc.unique(numbered.column("subject_id"))))

    def metadata(self, name: str, version: str, held_out: float, tuning: float) -> dict[str, int]:
        """Dataset, codes and splits; the number of subjects in each split."""
        from meds.schema import CodeMetadataSchema, DatasetMetadataSchema, SubjectSplitSchema

        about: dict[str, JSON] = {
            "dataset_name": name,
            "dataset_version": version,
            "etl_name": "medcairn",
            "etl_version": __version__,
            "meds_version": MEDS_VERSION,
            "code_modifier_columns": ["unit"],
            "raw_source_id_columns": ["source_id"],
            "other_extension_columns": ["effective_time"],
        }
        DatasetMetadataSchema.validate(about)
        write_json(self.folder / "metadata" / "dataset.json", about)
        codes = _code_table(sorted(self.codes))
        _checked(CodeMetadataSchema, codes, "codes")
        self._write("metadata/codes.parquet", codes)
        subjects = sorted(self.written)
        splits = subject_splits(subjects, held_out, tuning)
        numbers = self._numbers_of(pa.chunked_array([subjects], pa.string()))
        table = pa.table({"subject_id": numbers, "split": pa.array(splits, pa.string())}).sort_by(
            "subject_id"
        )
        _checked(SubjectSplitSchema, table, "subject_splits")
        self._write("metadata/subject_splits.parquet", table)
        return {split: splits.count(split) for split in sorted(set(splits))}

    def labels(self, task: str, cohort: pa.Table) -> int:
        """One label file; its number of rows."""
        from meds.schema import LabelSchema

        table = pa.table(
            {
                "subject_id": self._numbers_of(cohort.column("subject_id")),
                "prediction_time": cohort.column("prediction_time").cast(pa.timestamp("us")),
                "boolean_value": cohort.column("boolean_value"),
            }
        ).sort_by([("subject_id", "ascending"), ("prediction_time", "ascending")])
        _checked(LabelSchema, table, "labels")
        self._write(f"labels/{task}.parquet", table)
        return int(table.num_rows)

    def _numbered(self, rows: pa.Table) -> pa.Table:
        """The rows with MEDS's subject ids, sorted by them; within a subject they keep their order."""
        columns = {name: rows.column(name) for name in _FIRST_COLUMNS}
        columns["subject_id"] = self._numbers_of(rows.column("subject_id"))
        columns |= {name: rows.column(name) for name in ROWS_SCHEMA.names if name not in columns}
        numbered = pa.table(columns)
        order = np.argsort(np.asarray(numbered.column("subject_id").combine_chunks()), kind="stable")
        return numbered.take(order).combine_chunks()

    def _numbers_of(self, subject_ids: pa.ChunkedArray) -> pa.Array:
        place = pc.index_in(subject_ids.combine_chunks(), value_set=self.subjects)
        return pa.array(self.numbers).take(place)

    def _write(self, name: str, table: pa.Table) -> None:
        with storage_errors():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="zstd")


def _code_table(codes: Sequence[str]) -> pa.Table:
    """What the codes mean where a concept has them: its title, and the concepts as parents."""
    names = [concepts_of_coding(*coding) if (coding := coding_of(code)) else () for code in codes]
    return pa.table(
        {
            "code": pa.array(codes, pa.string()),
            "description": pa.array(
                [CONCEPTS[found[0]].title if found else None for found in names], pa.string()
            ),
            "parent_codes": pa.array(
                [[f"{CONCEPT}{BETWEEN}{name}" for name in found] or None for found in names],
                pa.list_(pa.string()),
            ),
        }
    )


def _checked(schema: object, table: pa.Table, part: str) -> None:
    """Let the ``meds`` package look at a table. Raises :class:`DataError` that names the part."""
    from flexible_schema import (  # type: ignore[import-untyped]
        SchemaValidationError,
        TableValidationError,
    )

    refused = False
    try:
        schema.validate(table)  # type: ignore[attr-defined]
    except (SchemaValidationError, TableValidationError):
        refused = True
    if refused:
        raise DataError("What would be written is no MEDS", hint="Please report this", part=Label(part))


__all__ = ["CONCEPT", "MEDS_VERSION", "MedsReport", "check_new", "write_meds"]
