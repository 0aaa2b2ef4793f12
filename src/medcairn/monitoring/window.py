"""Monitoring of one window of predictions against the reference rows, and its two reports."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import write_file, write_json
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.monitoring.drift import Samples, compare
from medcairn.monitoring.report import FeatureChange, MonitoringReport, Status, Volume
from medcairn.monitoring.text import monitoring_document
from medcairn.reports import ReportAbout, render_page

Floats = NDArray[np.float64]

_LONGEST_WINDOW_DAYS = 3_660


def monitor(
    reference: pa.Table,
    current: pa.Table,
    out_dir: Path,
    *,
    feature_names: Sequence[str],
    score_column: str | None = "score",
    subject_column: str = "subject_id",
    time_column: str = "prediction_time",
    false_discovery_rate: float = 0.05,
    minimum_rows: int = 50,
    about: ReportAbout,
    progress: Progress | None = None,
) -> MonitoringReport:
    """Compare ``current`` with ``reference``, and write report.json and report.html.

    Both tables hold ``feature_names`` as numbers (null, NaN and infinities are missing) and, unless
    ``score_column`` is None, the score. Where both have ``subject_column``, the tests count subjects and
    not rows; where ``current`` has ``time_column``, rows are counted by day.

    Raises :class:`UsageError` when settings are out of range or the reference has no rows,
    :class:`DataError` when a table lacks a column or a column is not numeric.
    """
    shown = progress or NoProgress()
    shown.begin("Comparing with the reference", 2, "steps")
    report = compare_tables(
        reference,
        current,
        feature_names=feature_names,
        score_column=score_column,
        subject_column=subject_column,
        time_column=time_column,
        false_discovery_rate=false_discovery_rate,
        minimum_rows=minimum_rows,
    )
    shown.advance(1)
    scores = (
        None if score_column is None else (_numbers(reference, score_column), _numbers(current, score_column))
    )
    whole: dict[str, JSON] = {"about": about.as_json(), "monitoring": report.as_json()}
    write_json(out_dir / "report.json", whole)
    write_file(out_dir / "report.html", render_page(monitoring_document(report, scores, about)))
    shown.advance(1)
    return report


def compare_tables(
    reference: pa.Table,
    current: pa.Table,
    *,
    feature_names: Sequence[str],
    score_column: str | None,
    subject_column: str,
    time_column: str,
    false_discovery_rate: float,
    minimum_rows: int,
) -> MonitoringReport:
    """The report of two tables; touches no file. See :func:`monitor`."""
    _check_settings(reference, false_discovery_rate, minimum_rows)
    volume = _volume(reference, current, subject_column, time_column)
    names = [*([] if score_column is None else [score_column]), *feature_names]
    columns = [_samples(reference, current, name, volume) for name in names]
    if current.num_rows < minimum_rows:
        changes = tuple(_too_few(samples.name) for samples in columns)
        status = Status.TOO_FEW_ROWS
    else:
        changes = compare(columns, false_discovery_rate=false_discovery_rate, minimum_rows=minimum_rows)
        status = Status.DRIFT if any(c.status is Status.DRIFT for c in changes) else Status.OK
    return MonitoringReport(
        status=status,
        volume=volume,
        score=None if score_column is None else changes[0],
        features=changes if score_column is None else changes[1:],
        false_discovery_rate=false_discovery_rate,
        minimum_rows=minimum_rows,
    )


def _check_settings(reference: pa.Table, rate: float, minimum_rows: int) -> None:
    if not 0 < rate < 0.5:
        raise UsageError("The false discovery rate is out of range", rate=rate)
    if minimum_rows < 1:
        raise UsageError("The minimum number of rows is out of range", minimum_rows=minimum_rows)
    if reference.num_rows < minimum_rows:
        raise UsageError("The reference has too few rows to compare with", rows=reference.num_rows)


def _samples(reference: pa.Table, current: pa.Table, name: str, volume: Volume) -> Samples:
    return Samples(
        name=str(_label(name)),
        reference=_numbers(reference, name),
        current=_numbers(current, name),
        reference_size=volume.reference_subjects,
        current_size=volume.current_subjects,
    )


def _too_few(name: str) -> FeatureChange:
    """Nothing is computed from a handful of rows: their shares would be values of single subjects."""
    return FeatureChange(
        name, Status.TOO_FEW_ROWS, (), False, None, None, None, None, None, 0.0, 0.0, 1.0, (), ()
    )  # fmt: skip


def _numbers(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        raise DataError("A table to be monitored lacks a column", column=_label(name))
    values: Floats | None = None
    with suppress(pa.ArrowException):
        values = np.array(table.column(name).cast(pa.float64()).to_numpy(), np.float64)
    if values is None:
        raise DataError("A column to be monitored is not numeric", column=_label(name))
    values[~np.isfinite(values)] = np.nan
    return values


def _volume(reference: pa.Table, current: pa.Table, subject_column: str, time_column: str) -> Volume:
    known = subject_column in reference.column_names and subject_column in current.column_names
    return Volume(
        reference_rows=reference.num_rows,
        current_rows=current.num_rows,
        reference_subjects=_subjects(reference, subject_column) if known else reference.num_rows,
        current_subjects=_subjects(current, subject_column) if known else current.num_rows,
        subjects_known=known,
        rows_per_day=_rows_per_day(current, time_column),
    )


def _subjects(table: pa.Table, column: str) -> int:
    """Distinct subjects; a row without one counts as a subject of its own."""
    values = table.column(column)
    return int(pc.count_distinct(values, mode="only_valid").as_py()) + int(values.null_count)


def _rows_per_day(table: pa.Table, column: str) -> tuple[int, ...]:
    if column not in table.column_names or not table.num_rows:
        return ()
    days: NDArray[np.int64] | None = None
    with suppress(pa.ArrowException):
        dates = table.column(column).drop_null().cast(pa.date32()).cast(pa.int32())
        days = np.asarray(dates.to_numpy(), np.int64)
    if days is None:
        raise DataError("A time column does not hold times", column=_label(column))
    if not len(days) or int(np.ptp(days)) > _LONGEST_WINDOW_DAYS:
        return ()
    return tuple(int(count) for count in np.bincount(days - days.min()))


def _label(name: str) -> Label:
    try:
        return Label(name)
    except ValueError:
        return Label("a-column-that-is-no-name")


__all__ = ["compare_tables", "monitor"]
