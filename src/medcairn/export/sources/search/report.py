"""What a search brought, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medcairn.core.canonical import JSON
from medcairn.export.report import ExportReport


@dataclass(frozen=True)
class SearchReport:
    """The export, and what is particular to a search.

    ``pages`` were read. ``repeated`` lines came more than once and count once, ``included`` came along with
    matches. ``short`` has, by type, how many matches the server counted and did not send; ``refused`` the
    types that it did not let be searched (with the HTTP status).
    """

    export: ExportReport
    pages: int = 0
    repeated: int = 0
    included: int = 0
    short: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers, with the facts of the export."""
        return {
            **self.export.facts(),
            "repeated": self.repeated,
            "included": self.included,
            "short": dict(sorted(self.short.items())),
            "refused": dict(sorted(self.refused.items())),
        }


__all__ = ["SearchReport"]
