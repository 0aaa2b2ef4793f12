"""The same silver tables for a handful of resources in memory: one subject's Bundle, when it is served."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.header import Header, version_age
from medcairn.lakehouse.silver import tables as silver_tables
from medcairn.lakehouse.silver.lookups import prepare
from medcairn.lakehouse.silver.tables import SILVER_TABLES, SilverTable, one_concept_each, resource_types_of

_local = threading.local()
_DECODER = msgspec.json.Decoder(Header)


def silver_from_resources(resources: Sequence[bytes]) -> Mapping[str, pa.Table]:
    """The silver tables of ``resources``, each the JSON text of one resource.

    Rows, columns and order are those of :func:`~medcairn.lakehouse.silver.batch.build_silver`. Resource
    types that feed no table are passed over; rows without a subject are left out.

    Raises :class:`DataError` with the position (from 1) of a resource that is no JSON or lacks type or id.
    """
    given = _newest(resources)
    types = {resource_type for resource_type, _ in given}
    engine = _engine()
    engine.run("DELETE FROM given")
    if given:
        columns = [[resource_type for resource_type, _ in given], [text for _, text in given]]
        engine.run("INSERT INTO given SELECT unnest($1), unnest($2), '', 0", columns)
    return {
        name: _rows(engine, table) if types & set(resource_types_of(table)) else table.schema.empty_table()
        for name, table in SILVER_TABLES.items()
    }


def _newest(resources: Sequence[bytes]) -> list[tuple[str, str]]:
    """(type, text) of the newest version of each resource."""
    found: dict[tuple[str, str], tuple[tuple[int, str, int], str]] = {}
    for position, data in enumerate(resources, start=1):
        header: Header | None = None
        text = ""
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            header = _DECODER.decode(data)
            text = bytes(data).decode()
        if header is None or not header.resourceType or not header.id:
            raise DataError("A resource is no JSON object with a resourceType and an id", position=position)
        key, age = (header.resourceType, header.id), (*version_age(header), position)
        if key not in found or found[key][0] < age:
            found[key] = (age, text)
    return [(resource_type, text) for (resource_type, _), (_, text) in found.items()]


def _engine() -> Engine:
    """This thread's engine; a connection must not be used by two threads at once."""
    engine: Engine | None = getattr(_local, "engine", None)
    if engine is None:
        engine = Engine(threads=1, memory_limit="256MB")
        prepare(engine)
        # For a few hundred rows planning costs more than running, and optimizing is most of planning.
        engine.run("PRAGMA disable_optimizer")
        engine.run(
            "CREATE TEMP TABLE given (resource_type VARCHAR, resource VARCHAR, source_file VARCHAR,"
            " source_line INTEGER)"
        )
        for table in SILVER_TABLES.values():
            engine.run(f"PREPARE silver_{table.name} AS {_statement(table)}")
        _local.engine = engine
    return engine


def _rows(engine: Engine, table: SilverTable) -> pa.Table:
    return engine.table(f"EXECUTE silver_{table.name}").cast(table.schema)


def _statement(table: SilverTable) -> str:
    sources = {name: f"(FROM given WHERE resource_type = '{name}')" for name in resource_types_of(table)}
    rows = one_concept_each(table, f"({silver_tables.step(table, sources)})")
    return (
        f"SELECT {', '.join(table.columns)} FROM ({rows}) WHERE subject_id IS NOT NULL"
        f" ORDER BY {table.sort_keys}"
    )


__all__ = ["silver_from_resources"]
