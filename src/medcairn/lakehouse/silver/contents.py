"""What a data file says of its rows in its footer, so that nobody has to count them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcairn.core.errors import IntegrityError
from medcairn.lakehouse.silver.shapes import QUARANTINE, Shape

_KEY = "medcairn"
_Keys = tuple[str | None, ...]


class Contents(msgspec.Struct, frozen=True):
    """What a file's footer says of its rows. ``first`` and ``last`` are subjects; of no rows, empty.

    ``unmapped`` are [system, code, rows] of codes that belong to no concept, ``problems`` rows of the
    quarantine by table and reason, ``untimed`` corrections and deletions without a time of their own.
    """

    first: str = ""
    last: str = ""
    rows: int = 0
    concepts: dict[str, int] = {}
    unmapped: list[tuple[str, str, int]] = []
    problems: dict[str, int] = {}
    untimed: int = 0


class Tally:
    """Counts the rows of a file as they come, in their order."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._first = self._last = ""
        self._rows = 0
        self._concepts: Counter[_Keys] = Counter()
        self._unmapped: Counter[_Keys] = Counter()
        self._problems: Counter[_Keys] = Counter()
        self._untimed: set[tuple[object, ...]] = set()

    def add(self, rows: pa.Table) -> None:
        """Count ``rows``, some at least."""
        subjects = rows.column("subject_id")
        self._first = self._first if self._rows else subjects[0].as_py()
        self._last = subjects[-1].as_py()
        self._rows += rows.num_rows
        if self._shape.name == QUARANTINE:
            self._problems += _counted(rows, "table", "reason")
            return
        self._add_concepts(rows)
        self._untimed |= _untimed(self._shape, rows)

    def footer(self) -> dict[str, str]:
        """The footer's entry."""
        contents = Contents(
            self._first,
            self._last,
            self._rows,
            dict(sorted((name, n) for (name,), n in self._concepts.items() if name)),
            sorted((system or "", code, n) for (system, code), n in self._unmapped.items() if code),
            {f"{table} {reason}": n for (table, reason), n in sorted(self._problems.items(), key=str)},
            len(self._untimed),
        )
        return {_KEY: msgspec.json.encode(contents).decode()}

    def _add_concepts(self, rows: pa.Table) -> None:
        if "concepts" in self._shape.schema.names:
            lists = rows.column("concepts").combine_chunks()
            concepts = pa.table({"concept": lists.flatten()})
            none = pc.equal(pc.list_value_length(lists), 0)
        elif "concept" in self._shape.schema.names:
            concepts = rows.select(["concept"])
            none = pc.is_null(rows.column("concept"))
        else:
            return
        self._concepts += _counted(concepts, "concept")
        self._unmapped += _counted(rows.select(["system", "code"]).filter(none), "system", "code")


def _counted(rows: pa.Table, *columns: str) -> Counter[_Keys]:
    grouped = rows.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    return Counter({tuple(row[name] for name in columns): row["count_all"] for row in grouped})


def _untimed(shape: Shape, rows: pa.Table) -> set[tuple[object, ...]]:
    """Versions with an empty interval: what replaced them had no time of its own."""
    old = rows.filter(pc.invert(rows.column("current")))
    if not old.num_rows:
        return set()
    available, superseded = old.column("available_time"), old.column("superseded_time")
    same = pc.or_kleene(
        pc.fill_null(pc.equal(available, superseded), False),
        pc.and_(pc.is_null(available), pc.is_null(superseded)),
    )
    keys = [shape.id, "version", *(["resource_type"] if "resource_type" in shape.schema.names else [])]
    return {tuple(row.values()) for row in old.filter(same).select(keys).to_pylist()}


def read_contents(file: Path) -> Contents:
    """What the footer of a data file of ours says.

    Raises :class:`IntegrityError` with the file's path when it says nothing of the kind.
    """
    found: Contents | None = None
    try:
        metadata = pq.read_metadata(file).metadata or {}
        found = msgspec.json.decode(metadata.get(_KEY.encode(), b""), type=Contents)
    except (pa.ArrowException, OSError, msgspec.MsgspecError):
        pass
    if found is None:
        raise IntegrityError("A file of a silver table cannot be read", file=file)
    return found


@dataclass
class Totals:
    """The sums over the files of all tables."""

    rows: dict[str, int] = field(default_factory=dict)
    concepts: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)
    untimed: int = 0

    def add(self, table: str, files: Iterable[Contents]) -> None:
        """Add the files of one table."""
        for contents in files:
            self.rows[table] = self.rows.get(table, 0) + contents.rows
            self.concepts.update(contents.concepts)
            self.unmapped.update({(table, s, c): n for s, c, n in contents.unmapped})
            for name, count in contents.problems.items():
                of, _, reason = name.partition(" ")
                self.problems[of, reason] += count
            self.untimed += contents.untimed


__all__ = ["Contents", "Tally", "Totals", "read_contents"]
