"""A small part of FHIR search, enough for ``_typeFilter`` and for reading without Bulk Data.

Tokens (``code``, ``category``, ``status`` …), references (``patient`` …), dates with prefixes, ``_id`` and
``_lastUpdated``; no modifiers, no chains. Commas mean "or", repeated parameters "and" (FHIR R4, 3.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_TOKENS: Final[Mapping[str, tuple[str, ...]]] = {
    "_id": ("id",),
    "category": ("category",),
    "class": ("class",),
    "clinical-status": ("clinicalStatus",),
    "code": ("code", "medicationCodeableConcept", "vaccineCode"),
    "gender": ("gender",),
    "identifier": ("identifier",),
    "intent": ("intent",),
    "status": ("status",),
    "type": ("type",),
    "verification-status": ("verificationStatus",),
}
_REFERENCES: Final[Mapping[str, tuple[str, ...]]] = {
    "encounter": ("encounter",),
    "patient": ("patient", "subject"),
    "subject": ("subject",),
}
_DATES: Final[Mapping[str, tuple[str, ...]]] = {
    "authoredon": ("authoredOn",),
    "birthdate": ("birthDate",),
    "date": (
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveInstant",
        "performedDateTime",
        "performedPeriod",
        "occurrenceDateTime",
        "period",
        "date",
        "created",
        "authoredOn",
        "recordedDate",
    ),
    "issued": ("issued",),
    "onset-date": ("onsetDateTime", "onsetPeriod"),
    "recorded-date": ("recordedDate",),
}
_PREFIX: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?(\d{4}.*)\Z")
_PARTIAL: Final = re.compile(r"(\d{4})(?:-(\d{2}))?\Z")
_INSTANT_STEP: Final = timedelta(microseconds=1)

Resource = Mapping[str, object]


@dataclass(frozen=True)
class Query:
    """Search parameters of one resource type, all of which must match."""

    resource_type: str
    parameters: tuple[tuple[str, str], ...]

    def matches(self, resource: Resource) -> bool:
        """Whether ``resource`` is found."""
        return all(_matches(resource, name, value) for name, value in self.parameters)


def known(name: str, value: str) -> bool:
    """Whether the server can search by this parameter and value."""
    if name in _TOKENS or name in _REFERENCES:
        return bool(value)
    dated = name in _DATES or name == "_lastUpdated"
    return dated and all(_period_asked(item) is not None for item in value.split(","))


def _matches(resource: Resource, name: str, value: str) -> bool:
    wanted = value.split(",")
    if name in _TOKENS:
        return _any(resource, _TOKENS[name], lambda found: any(_has_token(found, item) for item in wanted))
    if name in _REFERENCES:
        return _any(resource, _REFERENCES[name], lambda found: any(_points(found, item) for item in wanted))
    if name == "_lastUpdated":
        meta = resource.get("meta")
        changed = meta.get("lastUpdated") if isinstance(meta, Mapping) else None
        return any(_dated(changed, item) for item in wanted)
    return _any(resource, _DATES[name], lambda found: any(_dated(found, item) for item in wanted))


def _any(resource: Resource, elements: Iterable[str], test: Callable[[object], bool]) -> bool:
    return any(test(resource[element]) for element in elements if element in resource)


def _has_token(found: object, wanted: str) -> bool:
    """``code``, ``system|code``, ``|code`` or ``system|`` against codes, Codings and Identifiers."""
    system, bar, code = wanted.rpartition("|")
    for has_system, has_code in _codes(found):
        if bar and has_system != system:
            continue
        if (bar and not code) or has_code == code:
            return True
    return False


def _codes(found: object) -> Iterator[tuple[str, object]]:
    if isinstance(found, str):
        yield "", found
    elif isinstance(found, list):
        for item in found:
            yield from _codes(item)
    elif isinstance(found, Mapping):
        if "coding" in found:
            yield from _codes(found["coding"])
        code = found.get("code", found.get("value"))
        if code is not None:
            yield str(found.get("system", "")), code


def _points(found: object, wanted: str) -> bool:
    items = found if isinstance(found, list) else [found]
    for item in items:
        reference = item.get("reference") if isinstance(item, Mapping) else None
        if isinstance(reference, str) and wanted in (reference, reference.rpartition("/")[2]):
            return True
    return False


def _dated(found: object, wanted: str) -> bool:
    asked, has = _period_asked(wanted), _period_found(found)
    if asked is None or has is None:
        return False
    prefix, (low, high) = asked
    first, last = has
    return {
        "eq": low <= first and last <= high,
        "ne": not (low <= first and last <= high),
        "gt": last > high,
        "ge": last >= low,
        "lt": first < low,
        "le": first <= high,
        "sa": first > high,
        "eb": last < low,
    }[prefix]


def _period_asked(text: str) -> tuple[str, tuple[datetime, datetime]] | None:
    match = _PREFIX.match(text)
    period = _period(match.group(2).replace(" ", "+")) if match else None
    return None if match is None or period is None else (match.group(1) or "eq", period)


def _period_found(found: object) -> tuple[datetime, datetime] | None:
    if isinstance(found, str):
        return _period(found)
    if not isinstance(found, Mapping):
        return None
    start, end = found.get("start"), found.get("end")
    first = _period(start) if isinstance(start, str) else None
    last = _period(end) if isinstance(end, str) else None
    earliest, latest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return (first[0] if first else earliest, last[1] if last else latest)


def _period(text: str) -> tuple[datetime, datetime] | None:
    """The first and the last instant that a FHIR date, dateTime or instant may mean; UTC without a zone."""
    partial = _PARTIAL.match(text)
    try:
        if partial:
            year, month = int(partial.group(1)), int(partial.group(2) or 1)
            first = datetime(year, month, 1, tzinfo=UTC)
            months = 1 if partial.group(2) else 12
            after = datetime(year + (month + months > 12), (month + months - 1) % 12 + 1, 1, tzinfo=UTC)
            return first, after - _INSTANT_STEP
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment, moment + timedelta(days=1) - _INSTANT_STEP if len(text) == 10 else moment
    except (ValueError, OverflowError):
        return None


__all__ = ["Query", "Resource", "known"]
