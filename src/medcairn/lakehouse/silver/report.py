"""What a run of silver gave, in aggregate numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest

_MOST_UNMAPPED = 100


@dataclass(frozen=True)
class UnmappedCode:
    """A code that belongs to no concept: how many rows of a table carry it, and their share of its rows."""

    table: str
    system: str
    code: str
    rows: int
    share: float


@dataclass(frozen=True)
class SilverReport:
    """What silver holds now, and what this run did.

    ``rows`` by table and ``concepts`` (rows by concept) are of all known versions. ``unmapped`` are the most
    frequent codes of each table, most frequent first. ``quarantined`` counts by reason, ``unusable`` the same
    by table. ``untimed_corrections`` are corrections and deletions for which no time was stated. ``versions``
    are the Delta versions of the tables. ``content`` is the digest of the tables' current data files.
    ``renewed`` counts the resources that this run typed, ``files_written`` its data files.
    """

    rows: Mapping[str, int]
    concepts: Mapping[str, int]
    unmapped: tuple[UnmappedCode, ...]
    quarantined: Mapping[str, int]
    unusable: Mapping[str, Mapping[str, int]]
    untimed_corrections: int
    only_in_bronze: tuple[str, ...]
    content: Digest
    versions: Mapping[str, int]
    renewed: int
    files_written: int

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the manifest and the ledger: what silver holds, however many runs it took."""
        return {
            "rows": dict(self.rows),
            "concepts": dict(self.concepts),
            "unmapped": [
                {"table": u.table, "system": u.system, "code": u.code, "rows": u.rows, "share": u.share}
                for u in self.unmapped
            ],
            "quarantined": dict(self.quarantined),
            "unusable": {table: dict(reasons) for table, reasons in self.unusable.items()},
            "untimed_corrections": self.untimed_corrections,
            "only_in_bronze": list(self.only_in_bronze),
        }

    def unmapped_text(self, most: int = 20) -> str:
        """The most frequent unmapped codes of each table, for people."""
        lines = [f"{'table':18} {'rows':>10} {'share':>6}  code"]
        seen: dict[str, int] = {}
        for code in self.unmapped:
            seen[code.table] = seen.get(code.table, 0) + 1
            if seen[code.table] <= most:
                named = f"{code.system}|{code.code}"
                lines.append(f"{code.table:18} {code.rows:>10,} {code.share:>6.1%}  {named}")
        return "\n".join(lines)


def unmapped_codes(
    counts: Mapping[tuple[str, str, str], int], rows: Mapping[str, int]
) -> tuple[UnmappedCode, ...]:
    """The most frequent codes of each table, of rows by (table, system, code)."""
    found: list[UnmappedCode] = []
    for table in rows:
        own = [(-n, system, code) for (of, system, code), n in counts.items() if of == table]
        found += [
            UnmappedCode(table, system, code, -n, round(-n / rows[table], 6))
            for n, system, code in sorted(own)[:_MOST_UNMAPPED]
        ]
    return tuple(found)


__all__ = ["SilverReport", "UnmappedCode", "unmapped_codes"]
