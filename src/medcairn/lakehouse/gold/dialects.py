"""What DuckDB SQL and Spark SQL spell differently, and the one way in which a statement is filled in.

The statements in ``sql/`` keep to what both engines read alike. What they do not is a ``$word``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

import pyarrow as pa

from medcairn.core.concepts import LOINC, RXNORM


@dataclass(frozen=True)
class Dialect:
    """An engine's spellings: ``$word`` in a statement → text. ``silver`` names the relation of a table."""

    name: str
    words: Mapping[str, str]

    @staticmethod
    def silver(table: str) -> str:
        """The name under which the engine knows a silver table."""
        return f"medcairn_silver_{table}"


DUCKDB = Dialect(
    "duckdb",
    {
        "micros": "epoch_us",
        "instant": "make_timestamptz",
        "div": "//",
        "items": "unnest",
        "has": "list_contains",
        "loinc_code": f"list_filter(codings, lambda c: c.system = '{LOINC}')[1].code",
        "rxnorm_code": f"list_filter(codings, lambda c: c.system = '{RXNORM}')[1].code",
    },
)
SPARK = Dialect(
    "spark",
    {
        "micros": "unix_micros",
        "instant": "timestamp_micros",
        "div": "div",
        "items": "explode",
        "has": "array_contains",
        "loinc_code": f"get(filter(codings, c -> c.system = '{LOINC}'), 0).code",
        "rxnorm_code": f"get(filter(codings, c -> c.system = '{RXNORM}'), 0).code",
    },
)

_SQL_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "STRING",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
}


@cache
def statement(name: str) -> Template:
    """The statement ``sql/<name>.sql``, without its comments."""
    text = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return Template("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")))


def cast_to(schema: pa.Schema) -> str:
    """The SELECT list that gives the schema's columns in its order and types.

    Instants and lists come as they are due already; the engines have no common word for their types.
    """
    return ", ".join(
        f"CAST({field.name} AS {_SQL_TYPES[field.type]}) AS {field.name}"
        if field.type in _SQL_TYPES
        else field.name
        for field in schema
    )


def text_list(values: tuple[str, ...]) -> str:
    """What stands in ``IN (…)``; never empty, because that is no SQL."""
    return ", ".join(f"'{value}'" for value in values) or "''"


def whole(value: int | None) -> str:
    """A whole number, or a NULL that has a type in every engine."""
    return f"CAST({'NULL' if value is None else value} AS BIGINT)"


def relation(rows: list[tuple[str | int | None, ...]]) -> str:
    """A constant relation for ``FROM``: texts and whole numbers."""
    lines = (", ".join(f"'{v}'" if isinstance(v, str) else whole(v) for v in row) for row in rows)
    return "(VALUES " + ", ".join(f"({line})" for line in lines) + ")"


__all__ = ["DUCKDB", "SPARK", "Dialect", "cast_to", "relation", "statement", "text_list", "whole"]
