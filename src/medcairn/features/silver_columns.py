"""The columns of silver that this stage reads, and how they become numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.errors import DataError
from medcairn.core.labels import Label

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_TIME = np.iinfo(np.int64).min
"""Stands for an absent time in an array of microseconds."""

_TIME = pa.timestamp("us", tz="UTC")

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = MappingProxyType(
    {
        "patient": {
            "subject_id": pa.string(),
            "gender": pa.string(),
            "birth_year": pa.int32(),
            "race": pa.string(),
            "ethnicity": pa.string(),
            "deceased_time": _TIME,
            "age_90_plus": pa.bool_(),
        },
        "encounter": {
            "subject_id": pa.string(),
            "encounter_id": pa.string(),
            "status": pa.string(),
            "class_code": pa.string(),
            "type_code": pa.string(),
            "start_time": _TIME,
            "end_time": _TIME,
            "discharge_disposition": pa.string(),
            "available_time": _TIME,
        },
        "condition": {
            "subject_id": pa.string(),
            "condition_id": pa.string(),
            "system": pa.string(),
            "code": pa.string(),
            "concept": pa.string(),
            "verification_status": pa.string(),
            "onset_time": _TIME,
            "available_time": _TIME,
        },
        "observation": {
            "subject_id": pa.string(),
            "observation_id": pa.string(),
            "component": pa.int32(),
            "status": pa.string(),
            "concept": pa.string(),
            "effective_time": _TIME,
            "available_time": _TIME,
            "canonical_value": pa.float64(),
        },
        "medication": {
            "subject_id": pa.string(),
            "medication_id": pa.string(),
            "status": pa.string(),
            "system": pa.string(),
            "code": pa.string(),
            "concept": pa.string(),
            "start_time": _TIME,
            "available_time": _TIME,
        },
        "procedure": {
            "subject_id": pa.string(),
            "procedure_id": pa.string(),
            "status": pa.string(),
            "system": pa.string(),
            "code": pa.string(),
            "concept": pa.string(),
            "start_time": _TIME,
            "available_time": _TIME,
        },
    }
)
"""Silver table → column → type. ``patient.follow_up_end`` is read too where it exists."""

FOLLOW_UP_END = "follow_up_end"


def empty_table(name: str) -> pa.Table:
    """The silver table ``name`` with no row."""
    return pa.schema(list(COLUMNS[name].items())).empty_table()


@dataclass(frozen=True)
class SilverRows:
    """Rows of one silver table, whose columns come out as numpy arrays."""

    name: str
    table: pa.Table

    @classmethod
    def of(cls, tables: Mapping[str, pa.Table], name: str) -> SilverRows:
        """The table ``name``; one without rows when it is absent.

        Raises :class:`DataError` when a column that this stage needs is absent.
        """
        table = tables.get(name)
        if table is None:
            return cls(name, empty_table(name))
        for column in COLUMNS[name]:
            if column not in table.column_names:
                raise DataError(
                    "A silver table lacks a column that features need",
                    hint="Build silver again with this version",
                    table=Label(name),
                    column=Label(column),
                )
        return cls(name, table)

    def where(self, mask: Flags) -> SilverRows:
        """The rows for which ``mask`` is true."""
        return SilverRows(self.name, self.table.filter(pa.array(mask)))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, column: str) -> bool:
        """Whether an optional column is there."""
        return column in self.table.column_names

    def column(self, name: str) -> pa.Array:
        """One column as a single Arrow array of the type that :data:`COLUMNS` says."""
        wanted = COLUMNS[self.name].get(name, _TIME)
        column = self.table.column(name).combine_chunks()
        refused = False
        if column.type != wanted:
            try:
                column = column.cast(wanted)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                refused = True
        if refused:
            raise DataError(
                "A silver column has a type that features cannot read",
                table=Label(self.name),
                column=Label(name),
            )
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def position_in(self, name: str, values: Sequence[str] | pa.Array) -> Ints:
        """For each row the position of its text in ``values``, -1 when it is not there or null."""
        wanted = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
        if len(wanted) == 0:
            return np.full(len(self), -1, np.int64)
        found = pc.index_in(self.column(name), value_set=wanted)
        return _ints(pc.fill_null(found, -1))

    def one_of(self, name: str, values: Sequence[str]) -> Flags:
        """True where the text is one of ``values``; null is none of them."""
        return self.position_in(name, values) >= 0

    def numbers_of(self, *names: str) -> Ints:
        """A number for each row such that rows with equal text in ``names`` have the same number.

        Numbers follow the order of the text, so they do not depend on the order of the rows.
        """
        numbers = np.zeros(len(self), np.int64)
        for name in names:
            encoded = pc.dictionary_encode(pc.fill_null(self.column(name), ""))
            order = np.argsort(_ints(pc.array_sort_indices(encoded.dictionary)))
            numbers = numbers * (len(order) + 1) + order[_ints(encoded.indices)]
        return numbers

    def times(self, name: str) -> Ints:
        """Microseconds since 1970 (UTC); :data:`NO_TIME` for null."""
        return _ints(pc.fill_null(self.column(name).cast(pa.int64()), NO_TIME))

    def floats(self, name: str) -> Floats:
        """Numbers; NaN for null."""
        column = self.column(name).cast(pa.float64())
        return np.asarray(pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False), np.float64)

    def ints(self, name: str, null: int) -> Ints:
        """Whole numbers; ``null`` for null."""
        return _ints(pc.fill_null(self.column(name).cast(pa.int64()), null))

    def flags(self, name: str) -> Flags:
        """True where the column is true; null is not."""
        filled = pc.fill_null(self.column(name), False)
        return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)


def _ints(array: pa.Array) -> Ints:
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.int64)


__all__ = [
    "COLUMNS",
    "FOLLOW_UP_END",
    "NO_TIME",
    "Flags",
    "Floats",
    "Ints",
    "SilverRows",
    "empty_table",
]
