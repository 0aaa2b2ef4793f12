"""What is asked of a Bulk Data server: level, and the parameters of the kick-off.

Named and read as in the Bulk Data Access IG 2.0 and 3.0; ready for STU4, which knows no lists parted by
commas.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qsl, quote

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import UsageError
from medcairn.export.resource_types import RESOURCE_TYPES

Level = Literal["system", "patient", "group"]
Method = Literal["GET", "POST"]
Lists = Literal["auto", "commas", "repeated"]

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")
_ELEMENT: Final = re.compile(r"(?:([A-Z][A-Za-z]{1,63})\.)?[a-z][A-Za-z0-9]{0,63}\Z")
_ASSOCIATED: Final = re.compile(
    r"(LatestProvenanceResources|RelevantProvenanceResources|_[A-Za-z0-9_-]{1,63})\Z"
)
_PATIENT: Final = re.compile(r"(?:https?://[^\s?#]{1,500}/)?Patient/[A-Za-z0-9\-.]{1,64}\Z")
_SEARCH: Final = re.compile(r"([A-Z][A-Za-z]{1,63})\?([\x21-\x7e]{1,2000})\Z")
_RESULT_PARAMETERS: Final = frozenset(
    {"_sort", "_include", "_revinclude", "_count", "_summary", "_elements", "_total", "_format"}
)
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")
"""The form of a FHIR R4 ``instant``."""


@dataclass(frozen=True)
class BulkRequest:
    """One export, as the Bulk Data Access IG names its parameters.

    - ``group``: the id of a Group; belongs to level ``group`` alone.
    - ``types``: ``_type``; empty means whatever the server exports.
    - ``since``, ``until``: ``_since`` and ``_until``, a FHIR instant, or a day, which starts at midnight UTC.
    - ``type_filters``: ``_typeFilter``, searches such as ``Observation?category=laboratory``. Those of one
      type are alternatives.
    - ``elements``: ``_elements``, root elements such as ``Patient.birthDate`` or ``id``.
    - ``include_associated_data``: ``includeAssociatedData``.
    - ``organize_output_by``: ``organizeOutputBy``, a resource type. Its files hold several types; they are
      sorted into files by type when all are there.
    - ``allow_partial_manifests``: ``allowPartialManifests``.
    - ``patients``: references such as ``Patient/123``; not with level ``system``, and by POST only.
    - ``method``: None is POST for ``patients`` and else GET, with POST when the server takes nothing else.
    - ``lists``: several values of one parameter in one, parted by commas (IG 2.0; some servers know nothing
      else), or the parameter repeated (STU4); ``auto`` repeats when the server refuses commas.

    Raises :class:`UsageError` for a request that no server could answer.
    """

    level: Level = "system"
    group: str | None = None
    types: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    type_filters: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    include_associated_data: tuple[str, ...] = ()
    organize_output_by: str | None = None
    allow_partial_manifests: bool = False
    patients: tuple[str, ...] = ()
    method: Method | None = None
    lists: Lists = "auto"

    def __post_init__(self) -> None:
        self._check_level()
        for position, name in enumerate(self.types, start=1):
            if name not in RESOURCE_TYPES:
                raise UsageError("This is no FHIR R4 resource type", position_in_types=position)
        if self.organize_output_by is not None and self.organize_output_by not in RESOURCE_TYPES:
            raise UsageError("Output can be organized by a FHIR R4 resource type alone, such as Patient")
        self._check_times()
        for position, text in enumerate(self.type_filters, start=1):
            self._check_filter(text, position)
        _check_each(
            _ELEMENT, self.elements, "This is no root element", "For example Patient.birthDate, or id"
        )
        _check_each(
            _ASSOCIATED,
            self.include_associated_data,
            "This is no value of includeAssociatedData",
            "LatestProvenanceResources, RelevantProvenanceResources, or a server's own that begins with _",
        )

    def _check_level(self) -> None:
        if (self.level == "group") != (self.group is not None):
            raise UsageError("A group belongs to an export of level group, and such an export needs one")
        if self.group is not None and not _ID.match(self.group):
            raise UsageError(
                "The group's id has not the form of a FHIR id",
                hint="Letters, digits, '-' and '.', at most 64",
            )
        if self.patients and self.level == "system":
            raise UsageError("Patients cannot be named in an export of the whole system")
        if self.patients and self.method == "GET":
            raise UsageError("Patients can be named in a POST alone: their ids have no place in an address")
        _check_each(_PATIENT, self.patients, "This is no reference to a Patient", "For example Patient/123")

    def _check_times(self) -> None:
        for text in (self.since, self.until):
            if text is not None and not _is_time(text):
                raise UsageError(
                    "The time to export from or until is no FHIR instant",
                    hint="For example 2025-01-31T00:00:00Z, or a day such as 2025-01-31",
                )
        if self.since and self.until and _moment(self.since) >= _moment(self.until):
            raise UsageError("The export would end before it starts: since is not before until")

    def _check_filter(self, text: str, position: int) -> None:
        match = _SEARCH.match(text)
        if match is None:
            raise UsageError(
                "This is no search to filter a type by",
                hint="For example Observation?category=laboratory, with reserved characters percent-encoded",
                position=position,
            )
        if match[1] not in RESOURCE_TYPES or (self.types and match[1] not in self.types):
            raise UsageError("A filter is for a type that is not exported", position=position)
        names = {name.partition(":")[0] for name, _ in parse_qsl(match[2], keep_blank_values=True)}
        if names & _RESULT_PARAMETERS:
            raise UsageError(
                "A filter selects resources; it cannot sort, include or count", position=position
            )

    @property
    def operation(self) -> str:
        """The operation's path below the base URL."""
        if self.level == "group" and self.group is not None:
            return f"Group/{quote(self.group, safe='')}/$export"
        return "Patient/$export" if self.level == "patient" else "$export"

    @property
    def first_method(self) -> Method:
        """The method to begin with."""
        return self.method or ("POST" if self.patients else "GET")

    @property
    def has_lists(self) -> bool:
        """Whether commas and repetition make a difference."""
        return any(len(values) > 1 for _, values in self._listed())

    def parameters(self, *, repeated: bool | None = None) -> list[tuple[str, str]]:
        """The parameters in a fixed order, without the patients. ``repeated`` overrides ``lists``."""
        repeats = self.lists == "repeated" if repeated is None else repeated
        found: list[tuple[str, str]] = []
        for name, values in self._listed():
            # A search may hold commas itself, and nothing tells those from commas between searches.
            apart = repeats or (name == "_typeFilter" and any("," in value for value in values))
            if values:
                found += [(name, value) for value in values] if apart else [(name, ",".join(values))]
        for name, text in (("_since", self.since), ("_until", self.until)):
            if text is not None:
                found.append((name, _instant(text)))
        if self.organize_output_by is not None:
            found.append(("organizeOutputBy", self.organize_output_by))
        if self.allow_partial_manifests:
            found.append(("allowPartialManifests", "true"))
        return found

    def body(self, *, repeated: bool | None = None) -> bytes:
        """The parameters as the FHIR Parameters resource of a POST."""
        entries: list[JSON] = [_entry(name, text) for name, text in self.parameters(repeated=repeated)]
        entries += [{"name": "patient", "valueReference": {"reference": text}} for text in self.patients]
        return json.dumps({"resourceType": "Parameters", "parameter": entries}).encode()

    def digest_at(self, base_url: str) -> Digest:
        """Names this request to this server: what a resumed job must have been started for."""
        parameters: list[JSON] = [[name, value] for name, value in self.parameters()]
        asked: dict[str, JSON] = {"base": base_url, "operation": self.operation, "parameters": parameters}
        if self.patients:
            asked["patients"] = list(self.patients)
        return digest_json(asked)

    def loggable(self) -> dict[str, str]:
        """The parameters as an event log may hold them: no patients, no values of searches."""
        shown: dict[str, str] = {}
        for name, text in self.parameters(repeated=True):
            text = _without_values(text) if name == "_typeFilter" else text
            shown[name] = f"{shown[name]},{text}" if name in shown else text
        return shown

    def _listed(self) -> list[tuple[str, tuple[str, ...]]]:
        return [
            ("_type", self.types),
            ("_typeFilter", self.type_filters),
            ("_elements", self.elements),
            ("includeAssociatedData", self.include_associated_data),
        ]


def _check_each(form: re.Pattern[str], values: tuple[str, ...], message: str, hint: str) -> None:
    for position, text in enumerate(values, start=1):
        if not form.match(text):
            raise UsageError(message, hint=hint, position=position)


def _is_time(text: str) -> bool:
    if not (_DATE.match(text) or INSTANT.match(text)):
        return False
    try:
        _moment(text)
    except ValueError:
        return False
    return True


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(_instant(text))


def _instant(text: str) -> str:
    return f"{text}T00:00:00Z" if _DATE.match(text) else text


def _entry(name: str, text: str) -> dict[str, JSON]:
    """A parameter with the type that the operation's definition gives it."""
    if name in ("_since", "_until"):
        return {"name": name, "valueInstant": text}
    if name == "allowPartialManifests":
        return {"name": name, "valueBoolean": text == "true"}
    return {"name": name, "valueString": text}


def _without_values(search: str) -> str:
    resource_type, _, query = search.partition("?")
    return f"{resource_type}?" + "&".join(name for name, _ in parse_qsl(query, keep_blank_values=True))


__all__ = ["INSTANT", "BulkRequest", "Level", "Lists", "Method"]
