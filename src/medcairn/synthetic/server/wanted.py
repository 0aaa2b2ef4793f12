"""An export request, as read: what is wanted, of whom, changed when, and in what form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from medcairn.synthetic.server.searching import Query


class Level(StrEnum):
    """The three places from which an export starts."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


class Provenances(StrEnum):
    """Values of ``includeAssociatedData``, the least restrictive first."""

    RELEVANT = "RelevantProvenanceResources"
    LATEST = "LatestProvenanceResources"


@dataclass(frozen=True)
class Wanted:
    """An export request. What is None or empty does not restrict it.

    ``filters`` holds, by resource type, queries of which one must match; ``elements`` the root elements to
    keep, by resource type or ``""`` for all types; ``ignored`` the names of parameters that the server does
    not know and was told to ignore.
    """

    level: Level
    url: str
    client_id: str
    types: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    group: str | None = None
    patients: frozenset[str] | None = None
    filters: Mapping[str, tuple[Query, ...]] = field(default_factory=dict)
    elements: Mapping[str, frozenset[str]] = field(default_factory=dict)
    provenances: Provenances | None = None
    by_patient: bool = False
    partial_manifests: bool = False
    ignored: tuple[str, ...] = ()

    def takes_all(self, resource_type: str) -> bool:
        """Whether every stored line of a type goes out as it is."""
        restricted = (self.since, self.until, self.filters.get(resource_type), self.elements)
        return self.level is Level.SYSTEM and not self.by_patient and not any(restricted)

    def wants(self, resource_type: str) -> bool:
        """Whether resources of this type are asked for."""
        return self.types is None or resource_type in self.types


__all__ = ["Level", "Provenances", "Wanted"]
