"""Between the passes: which lines are news, which ids are gone. In SQL, so that it spills when it must.

What a line is compared with: the row that was loaded last of the same id, life and version number (no number
counts as one, so that a server without version ids is followed by its content). The same version id and hash:
nothing new. Everything is new of a resource that is not known, or that was deleted.
"""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.lakehouse.bronze.schema import instant_us

if TYPE_CHECKING:
    from medcairn.lakehouse.engine import Engine

COMPARED = ("id", "version_id", "content_hash", "deleted", "life", "sequence")
"""The columns of a table that are read here."""

_NUMBER = "CASE WHEN regexp_full_match(version_id, '[0-9]{1,18}') THEN CAST(version_id AS BIGINT) ELSE -1 END"
_LINE = f"segment, line, id, version_id, last_updated, content_hash, {_NUMBER} AS number"
_NO_LINES = (
    "(SELECT NULL::INT AS segment, NULL::INT AS line, NULL::VARCHAR AS id, NULL::VARCHAR AS version_id,"
    " NULL::VARCHAR AS last_updated, NULL::BLOB AS content_hash WHERE false)"
)
_NOTHING = {
    "no_lines": "SELECT NULL::INT AS segment, NULL::INT AS line, false AS repeated, 1 AS nth WHERE false",
    "no_ids": "SELECT NULL::VARCHAR AS id WHERE false",
    "no_rows": (
        "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS version_id, NULL::BLOB AS content_hash,"
        " false AS deleted, 1 AS life, 1 AS sequence, -1::BIGINT AS number WHERE false"
    ),
}


@dataclass(frozen=True)
class Difference:
    """What a load adds to one table. ``news`` holds (segment, line, life, sequence) in order of the lines,
    ``gone`` (id, deleted_at, source_file, source_line, life, sequence) by id, ``superseded`` (segment, line).
    """

    new: int
    changed: int
    unchanged: int
    deleted: int
    news: Path
    gone: Path
    superseded: Path

    @property
    def empty(self) -> bool:
        """Whether there is nothing to load."""
        return not (self.new or self.changed or self.deleted)


class Comparison:
    """Compares one type after another on an engine.

    ``complete`` says that a known resource without a line is gone; else only those that are said to be.
    """

    def __init__(self, engine: Engine, complete: bool) -> None:
        self._engine, self._complete = engine, complete
        for name, query in _NOTHING.items():
            engine.run(f"CREATE TEMP TABLE {name} AS {query}")

    def run(
        self, heads: Sequence[Path], known: Sequence[Path], deletions: pa.Table, scratch: Path
    ) -> Difference:
        """Compare the heads of one type's lines with the files of its table and with its ``deletions``.

        What is found is left in ``scratch``.
        """
        engine = self._engine
        engine.run(f"CREATE OR REPLACE TEMP VIEW lines AS FROM {_parquet(heads) or _NO_LINES}")
        engine.run(f"CREATE OR REPLACE TEMP VIEW known AS FROM {_parquet(known) or 'no_rows'}")
        engine.load("said", deletions)
        aside, ended, placed = self._lines(bool(deletions.num_rows))
        once, state = self._rows(bool(known))
        self._fresh(aside, once, state)
        news, gone, superseded = (scratch / f"{name}.parquet" for name in ("news", "gone", "superseded"))
        first = engine.count("SELECT count(*) FROM fresh WHERE reached = 0")
        if placed == "placed":
            self._place(placed)
            first = engine.count(
                "SELECT count(*) FROM fresh LEFT JOIN placed USING (segment, line)"
                " WHERE reached + coalesce(nth, 1) = 1"
            )
        self._copy(_NEWS.format(placed=placed), news, "segment, line")
        self._copy(self._gone(ended, once, state), gone, "id")
        self._copy(f"SELECT segment, line FROM {aside} WHERE NOT repeated", superseded, "segment, line")
        lines = engine.count("SELECT count(*) FROM lines")
        kept, set_aside = (pq.read_metadata(file).num_rows for file in (news, superseded))
        return Difference(
            new=first,
            changed=kept - first,
            unchanged=lines - kept - set_aside,
            deleted=pq.read_metadata(gone).num_rows,
            news=news,
            gone=gone,
            superseded=superseded,
        )

    def _lines(self, any_said: bool) -> tuple[str, str, str]:
        """Of ids with several lines, or said to be deleted: the tables ``aside``, ``ended`` and ``placed``.

        ``aside`` are lines that do not count: a later one has their id and number, or their resource was
        ``ended`` after them. ``placed`` will say which line is which of its id.
        """
        engine = self._engine
        said = " UNION SELECT id FROM said SEMI JOIN lines USING (id)" if any_said else ""
        engine.run(
            "CREATE OR REPLACE TEMP TABLE several AS"
            f" SELECT id FROM lines GROUP BY id HAVING count(*) > 1{said}"
        )
        if not engine.count("SELECT count(*) FROM several"):
            return "no_lines", "no_ids", "no_lines"
        engine.run(
            f"CREATE OR REPLACE TEMP TABLE among AS SELECT {_LINE} FROM lines SEMI JOIN several USING (id)"
        )
        self._instants()
        engine.run(
            "CREATE OR REPLACE TEMP TABLE ranked AS SELECT among.*, instants.us AS updated,"
            " row_number() OVER newest AS age, max(instants.us) OVER (PARTITION BY id) AS id_updated,"
            " first_value(content_hash) OVER newest = content_hash"
            " AND first_value(version_id) OVER newest IS NOT DISTINCT FROM version_id AS same"
            " FROM among LEFT JOIN instants ON among.last_updated = instants.text"
            " WINDOW newest AS (PARTITION BY id, number"
            " ORDER BY instants.us DESC NULLS LAST, segment DESC, line DESC)"
        )
        engine.run(
            "CREATE OR REPLACE TEMP TABLE ended AS SELECT DISTINCT id FROM ranked JOIN said USING (id)"
            " WHERE said.deleted_us > ranked.id_updated"
        )
        engine.run(
            "CREATE OR REPLACE TEMP TABLE aside AS"
            " SELECT segment, line, same AND ended.id IS NULL AS repeated FROM ranked"
            " LEFT JOIN ended USING (id) WHERE age > 1 OR ended.id IS NOT NULL"
        )
        return "aside", "ended", "placed"

    def _instants(self) -> None:
        """The instants that the times of ``among`` name, read by the one rule for them."""
        texts = self._engine.table(
            "SELECT DISTINCT last_updated AS text FROM among WHERE last_updated IS NOT NULL"
        )
        read = pa.array([instant_us(text) for text in texts.column("text").to_pylist()], pa.int64())
        self._engine.load("instants", texts.append_column("us", read))

    def _rows(self, any_known: bool) -> tuple[str, str]:
        """The tables ``once``: known ids with one row, and ``state``: where ids with several rows stand.

        ``latest`` has for each number of the present life of the latter the row that was loaded last.
        """
        engine = self._engine
        engine.run("CREATE OR REPLACE TEMP VIEW latest AS FROM no_rows")
        if not any_known:
            return "no_rows", "no_rows"
        engine.run(
            "CREATE OR REPLACE TEMP TABLE repeated_ids AS SELECT DISTINCT id FROM known WHERE sequence > 1"
        )
        if not engine.count("SELECT count(*) FROM repeated_ids"):
            return "known", "no_rows"
        engine.run(
            "CREATE OR REPLACE TEMP VIEW once AS SELECT id, version_id, content_hash FROM known"
            " ANTI JOIN repeated_ids USING (id)"
        )
        engine.run(
            "CREATE OR REPLACE TEMP TABLE histories AS"
            f" SELECT {', '.join(COMPARED)}, {_NUMBER} AS number FROM known SEMI JOIN repeated_ids USING (id)"
        )
        engine.run(
            "CREATE OR REPLACE TEMP TABLE state AS SELECT id, life, sequence, deleted FROM histories"
            " QUALIFY row_number() OVER (PARTITION BY id ORDER BY sequence DESC) = 1"
        )
        engine.run(
            "CREATE OR REPLACE TEMP VIEW latest AS SELECT h.id, h.number, h.version_id, h.content_hash"
            " FROM histories AS h JOIN state USING (id, life) WHERE NOT state.deleted"
            " QUALIFY row_number() OVER (PARTITION BY h.id, h.number ORDER BY h.sequence DESC) = 1"
        )
        return "once", "state"

    def _fresh(self, aside: str, once: str, state: str) -> None:
        """``fresh``: the lines to load, with the life of their id and the sequence that it has reached."""
        self._engine.run(
            "CREATE OR REPLACE TEMP TABLE fresh AS SELECT l.segment, l.line,"
            " (coalesce(s.life, 1) + coalesce(s.deleted, false)::INT)::INT AS life,"
            " coalesce(s.sequence, (o.id IS NOT NULL)::INT) AS reached"
            f" FROM (SELECT {_LINE} FROM lines ANTI JOIN {aside} USING (segment, line)) AS l"
            f" LEFT JOIN {once} AS o USING (id) LEFT JOIN {state} AS s USING (id)"
            " LEFT JOIN latest AS t ON t.id = l.id AND t.number = l.number"
            " WHERE NOT coalesce(CASE WHEN o.id IS NOT NULL"
            " THEN o.content_hash = l.content_hash AND o.version_id IS NOT DISTINCT FROM l.version_id"
            " ELSE t.content_hash = l.content_hash AND t.version_id IS NOT DISTINCT FROM l.version_id"
            " END, false)"
        )

    def _place(self, placed: str) -> None:
        """Of ids with several lines, which is which; every other line is the first of its id in this load."""
        self._engine.run(
            f"CREATE OR REPLACE TEMP TABLE {placed} AS SELECT segment, line, row_number() OVER ("
            "PARTITION BY id ORDER BY number, updated NULLS FIRST, segment, line) AS nth"
            " FROM ranked SEMI JOIN fresh USING (segment, line)"
        )

    def _gone(self, ended: str, once: str, state: str) -> str:
        """The known resources that are deleted."""
        return (
            "SELECT live.id, said.deleted_at, said.source_file, said.source_line, live.life,"
            " (live.sequence + 1)::INT AS sequence FROM ("
            f"SELECT id, 1::INT AS life, 1::INT AS sequence FROM {once}"
            f" UNION ALL SELECT id, life, sequence FROM {state} WHERE NOT deleted) AS live"
            f" ANTI JOIN (SELECT id FROM lines ANTI JOIN {ended} USING (id)) AS present USING (id)"
            f" {'LEFT JOIN' if self._complete else 'JOIN'} said USING (id)"
        )

    def _copy(self, query: str, file: Path, order: str) -> None:
        self._engine.run(
            f"COPY ({query} ORDER BY {order}) TO {_quoted(file)} (FORMAT parquet, COMPRESSION lz4)"
        )


_NEWS = """
SELECT f.segment, f.line, f.life, (f.reached + coalesce(p.nth, 1))::INT AS sequence
FROM fresh AS f LEFT JOIN {placed} AS p USING (segment, line)
"""


def _parquet(files: Sequence[Path]) -> str:
    listed = ", ".join(_quoted(file) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false)" if files else ""


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"


def batches(file: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file that a comparison left, some at a time."""
    with pq.ParquetFile(file) as opened:
        yield from opened.iter_batches(1 << 16)


__all__ = ["COMPARED", "Comparison", "Difference", "batches"]
