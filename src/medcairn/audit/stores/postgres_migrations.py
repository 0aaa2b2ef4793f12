"""The tables of a PostgreSQL ledger, in steps: a database knows how many it has taken, and takes the rest.

A step is never changed once released; what comes later is a new step. ``{schema}`` stands for the schema.
"""

from __future__ import annotations

from typing import Final, LiteralString

MIGRATIONS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    (
        "CREATE TABLE {schema}.entry (position bigint PRIMARY KEY, type text NOT NULL, leaf bytea NOT NULL)",
        "CREATE INDEX entry_type ON {schema}.entry (type, position)",
        "CREATE TABLE {schema}.node (level smallint, position bigint, hash bytea NOT NULL,"
        " PRIMARY KEY (level, position))",
        "CREATE TABLE {schema}.checkpoint (tree_size bigint PRIMARY KEY, note text NOT NULL)",
        "CREATE TABLE {schema}.about (name text PRIMARY KEY, value text NOT NULL)",
    ),
    (
        "CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
        *(
            statement
            for table in ("entry", "node", "checkpoint", "about")
            for statement in (
                f"CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON {{schema}}.{table}"
                " FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()",
                f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {{schema}}.{table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse()",
            )
        ),
    ),
)

MIGRATION_TABLE: Final[LiteralString] = (
    "CREATE TABLE IF NOT EXISTS {schema}.migration"
    " (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)

WRITER_GRANTS: Final[tuple[LiteralString, ...]] = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT INSERT ON {schema}.entry, {schema}.node, {schema}.checkpoint TO {role}",
)
"""All that a writer may do: look, and add."""

READER_GRANTS: Final[tuple[LiteralString, ...]] = WRITER_GRANTS[:2]

__all__ = ["MIGRATIONS", "MIGRATION_TABLE", "READER_GRANTS", "WRITER_GRANTS"]
