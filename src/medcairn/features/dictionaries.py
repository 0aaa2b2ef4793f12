"""Tables whose text comes dictionary-encoded, with plain text."""

from __future__ import annotations

import pyarrow as pa


def decoded(table: pa.Table) -> pa.Table:
    """The table with plain text in place of dictionaries; other columns as they are."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(field.type.value_type))
    return table


__all__ = ["decoded"]
