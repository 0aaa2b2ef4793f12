"""Quarantine: what could not be used, where it stands and why. Never what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.files import storage_errors

SCHEMA = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("resource_type", pa.string()),
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int32()),
    ]
)


class Reason(StrEnum):
    """Why something is in quarantine.

    The first group keeps a whole line or resource out. The second keeps the row, with the value or time at
    fault null: it could be read, and may not be used as a number or as a time.
    """

    NOT_JSON = "not_json"
    NO_RESOURCE_TYPE = "no_resource_type"
    NO_ID = "no_id"
    NO_SUBJECT = "no_subject"
    SUPERSEDED = "superseded"

    IMPLAUSIBLE_VALUE = "implausible_value"
    UNKNOWN_UNIT = "unknown_unit"
    CENSORED_VALUE = "censored_value"
    PARTIAL_TIME = "partial_time"
    INVALID_TIME = "invalid_time"
    MEDICATION_BY_REFERENCE = "medication_by_reference"


ROW_IS_ABSENT = frozenset(
    {Reason.NOT_JSON, Reason.NO_RESOURCE_TYPE, Reason.NO_ID, Reason.NO_SUBJECT, Reason.SUPERSEDED}
)
"""The reasons that keep a whole resource out of silver."""

PROBLEM_BITS: Mapping[int, Reason] = MappingProxyType(
    {
        1: Reason.IMPLAUSIBLE_VALUE,
        2: Reason.UNKNOWN_UNIT,
        4: Reason.CENSORED_VALUE,
        8: Reason.PARTIAL_TIME,
        16: Reason.INVALID_TIME,
        32: Reason.MEDICATION_BY_REFERENCE,
    }
)
"""The ``problems`` column of a silver step is the sum of these bits; the .sql files name them too."""


def problems_in(bits: int) -> list[Reason]:
    """The reasons in a ``problems`` value."""
    return [reason for bit, reason in PROBLEM_BITS.items() if bits & bit]


class Quarantine:
    """Collects entries and counts them by reason."""

    def __init__(self) -> None:
        self._entries: set[tuple[str, str, str, str, int]] = set()

    def add(self, table: str, reason: Reason, resource_type: str, file: str, line: int) -> None:
        """One entry; ``file`` is a name, ``line`` counts from 1, ``resource_type`` is "" when not known."""
        self._entries.add((table, file, resource_type, reason.value, line))

    def counts(self) -> Mapping[str, int]:
        """Entries by reason."""
        return dict(sorted(Counter(entry[3] for entry in self._entries).items()))

    def write(self, path: Path) -> None:
        """Write the entries as Parquet, sorted; nothing when there is none."""
        if not self._entries:
            return
        ordered = sorted(self._entries, key=lambda e: (e[0], e[1], e[4], e[3]))
        tables, files, types, reasons, lines = zip(*ordered, strict=True)
        columns = (tables, reasons, [t or None for t in types], files, lines)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
        with storage_errors():
            pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), path, compression="zstd")


__all__ = ["PROBLEM_BITS", "ROW_IS_ABSENT", "SCHEMA", "Quarantine", "Reason", "problems_in"]
