"""What is asked of a server by plain search: types, a span of time, patients, further parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import UsageError
from medcairn.export.bulkdata.request import INSTANT
from medcairn.export.resource_types import RESOURCE_TYPES

PAGE_SIZE: Final = 500
_LARGEST_PAGE: Final = 10_000
_DATE_CHARACTERS: Final = len("2026-01-31")
_OF_NOBODY: Final = frozenset(
    {"HealthcareService", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole"}
)
_OURS: Final = frozenset({"_lastUpdated", "_count", "_sort"})

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Query:
    """One search of one type. ``parameters`` are without time, order and page size."""

    resource_type: str
    parameters: Pairs = ()


@dataclass(frozen=True)
class SearchRequest:
    """All searches of one export.

    ``since`` (from then on, inclusive) and ``until`` (before then) bound ``_lastUpdated``: a FHIR instant or
    a day. ``page_size`` becomes ``_count``; the server may give less. ``patients`` (ids) turns a type that
    belongs to patients into one search a patient, as some servers demand; types that belong to nobody are
    searched whole. ``parameters`` adds search parameters to a type, among them ``_include``.

    Raises :class:`UsageError` for a request that no server could answer.
    """

    types: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    page_size: int = PAGE_SIZE
    patients: tuple[str, ...] = ()
    parameters: Mapping[str, Pairs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.types:
            raise UsageError("A search needs at least one resource type", hint="Give them with --types")
        for position, name in enumerate(self.types, start=1):
            if name not in RESOURCE_TYPES:
                raise UsageError("This is no FHIR R4 resource type", position_in_types=position)
        if len(set(self.types)) < len(self.types):
            raise UsageError("A resource type is named twice")
        if not 1 <= self.page_size <= _LARGEST_PAGE:
            raise UsageError("The page size must be between 1 and 10,000", page_size=self.page_size)
        for text in (self.since, self.until):
            if text is not None and not INSTANT.match(_instant(text)):
                raise UsageError(
                    "A time to search from or to is no FHIR instant",
                    hint="For example 2025-01-31T00:00:00Z, or a day such as 2025-01-31",
                )
        if not set(self.parameters) <= set(self.types):
            raise UsageError("Search parameters are given for a type that is not searched")
        if any(name in _OURS for pairs in self.parameters.values() for name, _ in pairs):
            raise UsageError("_lastUpdated, _count and _sort are set by the export itself")

    @property
    def end(self) -> str | None:
        """``until`` as an instant."""
        return _instant(self.until) if self.until is not None else None

    def queries(self, resource_type: str) -> list[Query]:
        """The searches of one type, in order."""
        pairs = tuple(self.parameters.get(resource_type, ()))
        if not self.patients or resource_type in _OF_NOBODY:
            return [Query(resource_type, pairs)]
        name = "_id" if resource_type == "Patient" else "patient"
        return [Query(resource_type, ((name, patient), *pairs)) for patient in self.patients]

    def path(self, query: Query, *, ordered: bool, since: str | None = None) -> str:
        """The search below the base URL; ``since`` replaces the request's own, to go on from there."""
        pairs = list(query.parameters)
        start = since or self.since
        if start is not None:
            pairs.append(("_lastUpdated", f"ge{_instant(start)}"))
        if self.until is not None:
            pairs.append(("_lastUpdated", f"lt{_instant(self.until)}"))
        if ordered:
            pairs.append(("_sort", "_lastUpdated"))
        pairs.append(("_count", str(self.page_size)))
        return f"{query.resource_type}?{urlencode(pairs)}"

    def digest_at(self, base_url: str) -> Digest:
        """Names this request to this server: what a resumed export must have been started for."""
        parameters: JSON = {
            name: [list(pair) for pair in pairs] for name, pairs in self.parameters.items() if pairs
        }
        return digest_json(
            {
                "base": base_url,
                "types": list(self.types),
                "since": self.since,
                "until": self.until,
                "page_size": self.page_size,
                "patients": list(self.patients),
                "parameters": parameters,
            }
        )


def _instant(text: str) -> str:
    return f"{text}T00:00:00Z" if len(text) == _DATE_CHARACTERS else text


__all__ = ["PAGE_SIZE", "Pairs", "Query", "SearchRequest"]
