"""What is asked of a Bulk Data server: level, types, since."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import UsageError
from medcairn.export.resource_types import RESOURCE_TYPES

Level = Literal["system", "patient", "group"]

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")
"""The form of a FHIR R4 ``instant``."""


@dataclass(frozen=True)
class BulkRequest:
    """One export, as the Bulk Data Access IG 2.0 names its parameters.

    ``group`` is the id of a Group and belongs to level ``group`` alone. ``types`` becomes ``_type`` (empty:
    whatever the server exports). ``since`` becomes ``_since``: a FHIR instant, or a day, which starts at
    midnight UTC.

    Raises :class:`UsageError` for a request that no server could answer.
    """

    level: Level = "system"
    group: str | None = None
    types: tuple[str, ...] = ()
    since: str | None = None

    def __post_init__(self) -> None:
        if (self.level == "group") != (self.group is not None):
            raise UsageError("A group belongs to an export of level group, and such an export needs one")
        if self.group is not None and not _ID.match(self.group):
            raise UsageError(
                "The group's id has not the form of a FHIR id",
                hint="Letters, digits, '-' and '.', at most 64",
            )
        for position, name in enumerate(self.types, start=1):
            if name not in RESOURCE_TYPES:
                raise UsageError("This is no FHIR R4 resource type", position_in_types=position)
        if self.since is not None and not (_DATE.match(self.since) or INSTANT.match(self.since)):
            raise UsageError(
                "The time to export from is no FHIR instant",
                hint="For example 2025-01-31T00:00:00Z, or a day such as 2025-01-31",
            )

    @property
    def operation(self) -> str:
        """The operation's path below the base URL."""
        if self.level == "group" and self.group is not None:
            return f"Group/{quote(self.group, safe='')}/$export"
        return "Patient/$export" if self.level == "patient" else "$export"

    def parameters(self) -> list[tuple[str, str]]:
        """The query parameters of the kick-off, in a fixed order."""
        found: list[tuple[str, str]] = []
        if self.types:
            found.append(("_type", ",".join(self.types)))
        if self.since is not None:
            found.append(("_since", f"{self.since}T00:00:00Z" if _DATE.match(self.since) else self.since))
        return found

    def digest_at(self, base_url: str) -> Digest:
        """Names this request to this server: what a resumed job must have been started for."""
        parameters: list[JSON] = [[name, value] for name, value in self.parameters()]
        return digest_json({"base": base_url, "operation": self.operation, "parameters": parameters})


__all__ = ["INSTANT", "BulkRequest", "Level"]
