"""The rows of a table, as they are or as they were in an older version, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from medcairn.core.canonical import JSON
from medcairn.core.delta import delta_batches, open_delta
from medcairn.core.errors import UsageError
from medcairn.lakehouse.views.outputs import format_of, write_rows


@dataclass(frozen=True)
class WrittenRows:
    """What was written: of which version, how many rows and columns."""

    version: int
    rows: int
    columns: int

    def facts(self) -> dict[str, JSON]:
        """For ``--json``."""
        return asdict(self)


def write_table_rows(
    table_dir: Path, out: Path, *, version: int | None = None, columns: Sequence[str] | None = None
) -> WrittenRows:
    """Write the rows of a table (or some ``columns``) to ``out``, whose suffix says the format.

    Raises :class:`UsageError` for a folder that holds no table, a version or column that it has not, a suffix
    that is no format; :class:`~medcairn.core.errors.DataError` for a table that asks for what cannot be
    honoured; :class:`~medcairn.core.errors.IntegrityError` for one that is damaged, or whose files of that
    version were vacuumed. Then nothing is left.
    """
    form = format_of(out)
    table = open_delta(table_dir, version)
    schema = pa.schema(table.schema())
    if columns:
        if missing := [name for name in columns if name not in schema.names]:
            raise UsageError("The table has no such column", table=table_dir, missing=len(missing))
        schema = pa.schema([schema.field(name) for name in columns])
    rows = write_rows(delta_batches(table_dir, columns or None, version=version), schema, form, out)
    return WrittenRows(int(table.version()), rows, len(schema.names))


__all__ = ["WrittenRows", "write_table_rows"]
