"""The columns of a bronze table, and the order of the versions of one resource."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa

SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("version_id", pa.string()),
        pa.field("last_updated", pa.string()),
        pa.field("deleted", pa.bool_(), nullable=False),
        pa.field("life", pa.int32(), nullable=False),
        pa.field("sequence", pa.int32(), nullable=False),
        pa.field("load", pa.int32(), nullable=False),
        pa.field("resource", pa.string()),
        pa.field("content_hash", pa.binary()),
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int32()),
        pa.field("ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
"""The columns in the data files. ``version_id`` and ``last_updated`` are the texts in the resource's
``meta``; of a tombstone (``deleted``) the latter is the time of deletion, where one was stated. ``life``
counts the resource's lives, from 1: what comes after a deletion is a new one. ``sequence`` counts the rows of
an id in the order in which they were loaded, ``load`` the runs that changed the table. ``content_hash`` is
the SHA-256 of ``resource``, which is the JSON text as it came."""

PARTITION: Final = "ingested"
"""The column that is in the path only: the UTC date of ``ingested_at``."""

TABLE_SCHEMA: Final = SCHEMA.append(pa.field(PARTITION, pa.date32(), nullable=False))

WITH_STATISTICS: Final = tuple(name for name in SCHEMA.names if name not in ("resource", "content_hash"))

CONFIGURATION: Final = {
    "delta.appendOnly": "true",
    "delta.dataSkippingStatsColumns": ",".join(WITH_STATISTICS),
}
"""Properties of the tables: rows are never taken away, and no writer puts texts of resources into the log."""

UNNUMBERED: Final = -1
_LONGEST_NUMBER: Final = 18
_NEVER: Final = -(1 << 63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def version_number(version_id: str | None) -> int:
    """``meta.versionId`` as a number; -1 where it is none (absent, an ETag, more than 18 digits)."""
    if version_id and len(version_id) <= _LONGEST_NUMBER and version_id.isascii() and version_id.isdigit():
        return int(version_id)
    return UNNUMBERED


def instant_us(text: str | None) -> int | None:
    """A FHIR instant as microseconds since 1970; None for what is none (absent, unreadable, no time zone)."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return microseconds(moment) if moment.tzinfo is not None else None


def microseconds(moment: datetime) -> int:
    """An instant (with a time zone) as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def version_key(
    life: int, deleted: bool, version_id: str | None, last_updated: str | None, sequence: int
) -> tuple[int, bool, int, int, int]:
    """Sorts the rows of one id, oldest first.

    A life before the next; in a life the deletion last; then by version number, by ``meta.lastUpdated``
    (absent first), and in the order in which they were loaded.
    """
    updated = instant_us(last_updated)
    return life, deleted, version_number(version_id), _NEVER if updated is None else updated, sequence


__all__ = [
    "CONFIGURATION",
    "PARTITION",
    "SCHEMA",
    "TABLE_SCHEMA",
    "UNNUMBERED",
    "WITH_STATISTICS",
    "instant_us",
    "microseconds",
    "version_key",
    "version_number",
]
