"""The table of people: one row for each subject of de-identified NDJSON, made by DuckDB.

Columns ``q0``, ``q1``, … hold the quasi-identifiers as text (NULL: not recorded), ``s0``, ``s1``, … the
sensitive attributes as sorted lists of distinct values.
"""

# ruff: noqa: S608 -- statements are put together from names of ours; file names go in as quoted text

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from medcairn.core.errors import DataError, ExternalError, MedcairnError, StorageError, UsageError
from medcairn.core.files import storage_error
from medcairn.core.progress import Progress
from medcairn.deid.risk.attributes import (
    PATIENT_COLUMNS,
    RECORD_DATES,
    QuasiIdentifier,
    SensitiveAttribute,
    record_bound,
)

Row = tuple[object, ...]
MEMORY_LIMIT = "512MB"


class People:
    """A DuckDB in memory with the table ``person``. Translates DuckDB's errors, whose text quotes values."""

    def __init__(self, spill: Path) -> None:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": 2,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._connection = duckdb.connect(":memory:", config=settings)
        self.run("SET enable_progress_bar = false")

    def close(self) -> None:
        """Free the memory and what was spilled."""
        self._connection.close()

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement."""
        self.rows(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows of a query."""
        error: MedcairnError | None = None
        try:
            return list(self._connection.execute(sql, list(parameters)).fetchall())
        except duckdb.Error as failure:
            error = _ours(failure)
        except OSError as failure:
            error = storage_error(failure) or ExternalError("The engine failed on a file")
        raise error

    def count(self, sql: str) -> int:
        """The one number that a query gives; 0 for NULL."""
        return int(str(self.rows(sql)[0][0] or 0))


def read_people(
    people: People,
    folder: Path,
    quasi_identifiers: Sequence[QuasiIdentifier],
    sensitive: Sequence[SensitiveAttribute],
    progress: Progress,
) -> None:
    """Make the table ``person`` from the files of ``folder``.

    A subject who stands in several lines counts once, by the line that sorts first.

    Raises :class:`UsageError` when there is no Patient file, :class:`DataError` when a file cannot be read.
    """
    if not folder.is_dir() or not _files(folder, "Patient"):
        raise UsageError("The folder holds no de-identified Patient file", folder=folder)
    progress.begin("Risk: reading subjects", 1 + len(sensitive) + len(RECORD_DATES), "tables")
    _record_years(people, folder, any(q.of_records for q in quasi_identifiers), progress)
    columns = [
        f"{_bounded(q) if q.of_records else q.banded} AS q{place}"
        for place, q in enumerate(quasi_identifiers)
    ]
    for place, attribute in enumerate(sensitive):
        _coded(people, folder, attribute, f"s{place}")
        if attribute.resource_type == "Patient":
            columns.append(
                f"CASE WHEN ({attribute.element}) IS NULL THEN [] ELSE [{attribute.element}] END AS s{place}"
            )
        else:
            columns.append(f"coalesce(values_s{place}.codes, []) AS s{place}")
        progress.advance(1)
    joins = "".join(
        f" LEFT JOIN values_s{place} ON values_s{place}.subject = patient.id"
        for place, attribute in enumerate(sensitive)
        if attribute.resource_type != "Patient"
    )
    names = ", ".join(PATIENT_COLUMNS)
    people.run(
        "CREATE TEMP TABLE person AS"
        f" WITH patient AS (SELECT {names} FROM {_reader(folder, 'Patient', PATIENT_COLUMNS)}"
        f" WHERE id IS NOT NULL QUALIFY row_number() OVER (PARTITION BY id ORDER BY {names}) = 1)"
        f" SELECT {', '.join(columns)} FROM patient LEFT JOIN years ON years.subject = patient.id{joins}"
    )
    progress.advance(1)


def _record_years(people: People, folder: Path, wanted: bool, progress: Progress) -> None:
    people.run("CREATE TEMP TABLE year (subject VARCHAR, first_year VARCHAR, last_year VARCHAR)")
    for resource_type, (subject, dates) in RECORD_DATES.items():
        if wanted and _files(folder, resource_type):
            columns = {subject: "STRUCT(reference VARCHAR)"}
            for path in dates:
                name, _, inner = path.partition(".")
                columns[name] = f"STRUCT({inner} VARCHAR)" if inner else "VARCHAR"
            people.run(
                f"INSERT INTO year SELECT {_subject(subject)}, min(moment[:4]), max(moment[:4]) FROM"
                f" (SELECT {subject}, unnest([{', '.join(dates)}]) AS moment FROM"
                f" {_reader(folder, resource_type, columns)}) GROUP BY 1"
            )
        progress.advance(1)
    people.run(
        "CREATE TEMP TABLE years AS SELECT subject, min(first_year) AS min_year, max(last_year) AS max_year"
        " FROM year GROUP BY subject"
    )


def _bounded(q: QuasiIdentifier) -> str:
    return QuasiIdentifier(q.name, q.title, f"years.{record_bound(q.name)}_year", years=q.years).banded


def _coded(people: People, folder: Path, attribute: SensitiveAttribute, name: str) -> None:
    """The distinct codes of each subject, in order."""
    if attribute.resource_type == "Patient":
        return
    people.run(f"CREATE TEMP TABLE values_{name} (subject VARCHAR, codes VARCHAR[])")
    if _files(folder, attribute.resource_type):
        columns = {
            attribute.subject: "STRUCT(reference VARCHAR)",
            attribute.element: "STRUCT(coding STRUCT(code VARCHAR)[])",
        }
        people.run(
            f"INSERT INTO values_{name} SELECT {_subject(attribute.subject)} AS subject,"
            f" list_sort(list(DISTINCT {attribute.element}.coding[1].code)) FROM"
            f" {_reader(folder, attribute.resource_type, columns)}"
            f" WHERE {attribute.element}.coding[1].code IS NOT NULL GROUP BY subject"
        )


def _subject(element: str) -> str:
    return f"{element}.reference[9:]"  # after "Patient/"


def _reader(folder: Path, resource_type: str, columns: Mapping[str, str]) -> str:
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in _files(folder, resource_type))
    listed = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    return f"read_json([{files}], format = 'newline_delimited', columns = {{{listed}}})"


def _files(folder: Path, resource_type: str) -> list[Path]:
    name = re.compile(rf"{resource_type}(?:\.[0-9]{{1,9}})?\.ndjson\Z")
    return sorted(path for path in folder.iterdir() if name.match(path.name) and path.stat().st_size > 0)


def _ours(failure: duckdb.Error) -> MedcairnError:
    text = str(failure)
    if "No space left" in text or "max_temp_directory_size" in text:
        return StorageError("The disk is full", hint="Free some space and run the same command again")
    if isinstance(failure, duckdb.OutOfMemoryException):
        return ExternalError("The engine ran out of the memory that it may use")
    if isinstance(failure, duckdb.IOException | duckdb.InvalidInputException | duckdb.ConversionException):
        return DataError("A de-identified file cannot be read", hint="Is the folder an output of this stage?")
    return ExternalError("The engine refused a statement of ours; please report this as a defect")


__all__ = ["MEMORY_LIMIT", "People", "Row", "read_people"]
