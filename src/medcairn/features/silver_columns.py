"""The columns of silver that this stage reads, and how they become numpy arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.core.silver import SILVER_SCHEMAS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_TIME = np.iinfo(np.int64).min
"""Stands for an absent time in an array of microseconds."""

FOLLOW_UP_END = "follow_up_end"
_READ: Mapping[str, str] = {
    "patient": (
        "subject_id gender birth_year race ethnicity deceased_time age_90_plus follow_up_end available_time"
        " superseded_time current"
    ),
    "encounter": (
        "subject_id encounter_id status class_code type_system type_code start_time end_time"
        " discharge_disposition available_time superseded_time current"
    ),
    "observation": (
        "subject_id observation_id component status concept effective_time canonical_value available_time"
        " superseded_time current"
    ),
    "condition": (
        "subject_id condition_id system code concepts verification_status onset_time available_time"
        " superseded_time current"
    ),
    "medication": (
        "subject_id medication_id resource_type status system code concepts start_time end_time days_supply"
        " available_time superseded_time current"
    ),
    "procedure": (
        "subject_id procedure_id status system code concepts start_time available_time superseded_time"
        " current"
    ),
    "immunization": (
        "subject_id immunization_id status system code concepts occurrence_time available_time"
        " superseded_time current"
    ),
    "allergy": (
        "subject_id allergy_id verification_status system code concepts onset_time available_time"
        " superseded_time current"
    ),
}

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = MappingProxyType(
    {
        table: {name: SILVER_SCHEMAS[table].field(name).type for name in names.split()}
        for table, names in _READ.items()
    }
)
"""Silver table → column → type: what this stage reads of :data:`~medcairn.core.silver.SILVER_SCHEMAS`."""


def check_columns(table: str, present: Collection[str], needed: Iterable[str]) -> None:
    """Raise :class:`DataError` that names the first column of ``needed`` that a silver table lacks."""
    for column in needed:
        if column not in present:
            raise DataError(
                "A silver table lacks a needed column",
                hint="Build silver again with this version",
                table=Label(table),
                column=Label(column),
            )


def empty_table(name: str) -> pa.Table:
    """The silver table ``name`` with no row."""
    return pa.schema(list(COLUMNS[name].items())).empty_table()


@dataclass(frozen=True)
class SilverRows:
    """Rows of one silver table, whose columns come out as numpy arrays.

    Text may be dictionary-encoded: then every look-up is made once a distinct text, not once a row.
    """

    name: str
    table: pa.Table

    @classmethod
    def of(cls, tables: Mapping[str, pa.Table], name: str) -> SilverRows:
        """The table ``name``; one without rows when it is absent."""
        table = tables.get(name)
        return cls(name, empty_table(name) if table is None else table)

    def where(self, mask: Flags) -> SilverRows:
        """The rows for which ``mask`` is true."""
        return SilverRows(self.name, self.table.filter(pa.array(mask)))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.Array:
        """One column as a single Arrow array of the silver's type, or its dictionary.

        Raises :class:`DataError` when it is absent or cannot be read as that type.
        """
        wanted = SILVER_SCHEMAS[self.name].field(name).type
        check_columns(self.name, self.table.column_names, [name])
        column = self.table.column(name)
        if pa.types.is_dictionary(column.type) and column.type.value_type == wanted:
            return _one_array(column.unify_dictionaries() if isinstance(column, pa.ChunkedArray) else column)
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
        return _one_array(column)

    def codes(self, name: str) -> tuple[Ints, pa.Array]:
        """For each row the position of its text among the distinct texts (-1 for null), and those texts."""
        return _encoded(self.column(name))

    def items(self, name: str) -> tuple[Ints, Ints, pa.Array]:
        """The items of a column of lists: row, position among the distinct texts, and those texts."""
        column = self.column(name)
        codes, texts = _encoded(column.flatten())
        return _ints(pc.list_parent_indices(column)), codes, texts

    def position_in(self, name: str, values: Sequence[str] | pa.Array) -> Ints:
        """For each row the position of its text in ``values``, -1 when it is not there or null."""
        wanted = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
        if len(wanted) == 0:
            return np.full(len(self), -1, np.int64)
        column = self.column(name)
        if not pa.types.is_dictionary(column.type):
            return _ints(pc.fill_null(pc.index_in(column, value_set=wanted, skip_nulls=True), -1))
        codes, texts = _encoded(column)
        return positions_of(texts, wanted)[codes]

    def one_of(self, name: str, values: Sequence[str]) -> Flags:
        """True where the text, or any item of the list, is one of ``values``; null is none of them."""
        if not pa.types.is_list(SILVER_SCHEMAS[self.name].field(name).type):
            return self.position_in(name, values) >= 0
        row, code, texts = self.items(name)
        found = np.zeros(len(self), np.bool_)
        found[row[positions_of(texts, pa.array(values, pa.string()))[code] >= 0]] = True
        return found

    def numbers_of(self, *names: str) -> Ints:
        """A number for each row such that rows with equal text in ``names`` have the same number.

        Numbers follow the order of the text, so they do not depend on the order of the rows.
        """
        numbers = np.zeros(len(self), np.int64)
        for name in names:
            codes, texts = self.codes(name)
            rank = np.zeros(len(texts) + 1, np.int64)  # the last one is for null
            rank[_ints(pc.array_sort_indices(texts))] = np.arange(1, len(texts) + 1)
            numbers = numbers * (len(texts) + 2) + rank[codes]
        return numbers

    def times(self, name: str) -> Ints:
        """Microseconds since 1970 (UTC); :data:`NO_TIME` for null."""
        return self.ints(name, NO_TIME)

    def floats(self, name: str) -> Floats:
        """Numbers; NaN for null."""
        column = self.column(name).cast(pa.float64())
        return np.asarray(pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False), np.float64)

    def ints(self, name: str, null: int) -> Ints:
        """Whole numbers, or microseconds of times; ``null`` for null."""
        column = self.column(name)
        if column.type != pa.int64():
            column = (
                column.view(pa.int64()) if pa.types.is_timestamp(column.type) else column.cast(pa.int64())
            )
        return _ints(pc.fill_null(column, null) if column.null_count else column)

    def flags(self, name: str) -> Flags:
        """True where the column is true; null is not."""
        filled = pc.fill_null(self.column(name), False)
        return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)


def positions_of(texts: pa.Array, values: pa.Array) -> Ints:
    """For each of ``texts`` its position in ``values``, -1 when it is not there; one more -1 at the end."""
    found = _ints(pc.fill_null(pc.index_in(texts, value_set=values, skip_nulls=True), -1))
    return np.append(found, -1)


def _encoded(column: pa.Array) -> tuple[Ints, pa.Array]:
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    indices = column.indices
    return _ints(pc.fill_null(indices, -1) if indices.null_count else indices), column.dictionary


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(combined, pa.ChunkedArray):  # too long for one array of text
        raise DataError("A silver column is too long to be read at once", rows=len(combined))
    return combined


def _ints(array: pa.Array) -> Ints:
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


__all__ = [
    "COLUMNS",
    "FOLLOW_UP_END",
    "NO_TIME",
    "Flags",
    "Floats",
    "Ints",
    "SilverRows",
    "check_columns",
    "empty_table",
    "positions_of",
]
