"""Reads an export request: headers, and parameters from the query or from a Parameters resource."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from medcairn.synthetic.server.answers import FHIR_JSON, FHIR_NDJSON, Refused
from medcairn.synthetic.server.faults import Faults
from medcairn.synthetic.server.records import parse_instant
from medcairn.synthetic.server.searching import Query, known
from medcairn.synthetic.server.tokens import Grant
from medcairn.synthetic.server.wanted import Level, Provenances, Wanted

_FORMATS: Final = (FHIR_NDJSON, "application/ndjson", "ndjson")
_ACCEPTED: Final = (FHIR_JSON, "application/json", "application/*", "*/*")
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_ELEMENT: Final = re.compile(r"(?:([A-Z][A-Za-z]{1,63})\.)?([a-z][A-Za-z0-9]{0,63})\Z")
_PATIENT: Final = re.compile(r"(?:\S*/)?Patient/([A-Za-z0-9.-]{1,64})\Z")
_NEXT_QUERY: Final = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_LISTS: Final = frozenset({"_type", "_elements", "includeAssociatedData"})
_PARAMETERS: Final = frozenset(
    {
        *_LISTS,
        *("_since", "_until", "_outputFormat", "_typeFilter", "patient", "organizeOutputBy"),
        "allowPartialManifests",
    }
)

Pairs = list[tuple[str, str]]


def read_request(
    request: Request, body: bytes, level: Level, grant: Grant, *, group: str | None, faults: Faults
) -> Wanted:
    """The export that ``request`` asks for, by its query and by ``body`` when there is one.

    Raises :class:`Refused`: 400 without ``Prefer: respond-async`` or for a parameter that is unknown or
    malformed (``Prefer: handling=lenient`` has unknown ones ignored and told in the manifest), 403 for types
    outside the token's scope, 406 when FHIR JSON is not accepted.
    """
    _check_headers(request)
    pairs: Pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        pairs += _posted(body)
    offered = _PARAMETERS - faults.unsupported - ({"patient"} if request.method == "GET" else frozenset())
    ignored = tuple(sorted({name for name, _ in pairs if name not in offered}))
    if ignored and not is_lenient(request):
        raise Refused(400, "not-supported", "The request has a parameter that this server does not know")
    asked = _Asked([pair for pair in pairs if pair[0] in offered], no_comma_lists=faults.no_comma_lists)
    return Wanted(
        level=level,
        url=str(request.url),
        client_id=grant.client_id,
        types=_types(asked, grant),
        since=asked.instant("_since"),
        until=asked.instant("_until"),
        group=group,
        patients=_patients(asked, level),
        filters=_filters(asked),
        elements=_elements(asked),
        provenances=_provenances(asked),
        by_patient=_by_patient(asked),
        partial_manifests=asked.flag("allowPartialManifests"),
        ignored=ignored,
    )


def is_lenient(request: Request) -> bool:
    """Whether the server may ignore what it does not know (``Prefer: handling=lenient``)."""
    return "handling=lenient" in _preferences(request)


def _preferences(request: Request) -> set[str]:
    values = request.headers.getlist("prefer")
    return {item.strip() for value in values for item in re.split("[,;]", value)}


def _check_headers(request: Request) -> None:
    if "respond-async" not in _preferences(request):
        raise Refused(400, "invalid", "An export needs the header Prefer: respond-async")
    accept = request.headers.get("accept", "*/*")
    if not any(item.partition(";")[0].strip() in _ACCEPTED for item in accept.split(",")):
        raise Refused(406, "not-supported", "The answer to a kick-off is application/fhir+json")


class _Asked:
    """The parameters by name, each with its values."""

    def __init__(self, pairs: Pairs, *, no_comma_lists: bool) -> None:
        self._pairs = pairs
        self._no_comma_lists = no_comma_lists
        if any(value not in _FORMATS for value in self.plain("_outputFormat")):
            raise Refused(400, "not-supported", "The only _outputFormat is application/fhir+ndjson")

    def values(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def plain(self, name: str) -> list[str]:
        """Values in which a plus sign may have arrived as a space, because the client did not encode it."""
        return [value.replace(" ", "+") for value in self.values(name)]

    def items(self, name: str) -> list[str]:
        """The items of a list, whether parted by commas or by repeating the parameter."""
        return self._split(name, lambda value: value.split(","))

    def queries(self) -> list[str]:
        """The searches of ``_typeFilter``, which may hold commas themselves."""
        return self._split("_typeFilter", _NEXT_QUERY.split)

    def _split(self, name: str, parts: Callable[[str], list[str]]) -> list[str]:
        found: list[str] = []
        for value in self.values(name):
            items = parts(value)
            if self._no_comma_lists and len(items) > 1:
                raise Refused(400, "not-supported", "Lists parted by commas are not supported: repeat")
            found.extend(item for item in items if item)
        return found

    def instant(self, name: str) -> datetime | None:
        texts = self.plain(name)
        moments = [parse_instant(text) for text in texts]
        if len(texts) > 1 or None in moments:
            raise Refused(400, "value", f"{name} must be one FHIR instant")
        return moments[0] if moments else None

    def flag(self, name: str) -> bool:
        values = self.values(name)
        if not {"true", "false"}.issuperset(values):
            raise Refused(400, "value", f"{name} is true or false")
        return "true" in values


def _types(asked: _Asked, grant: Grant) -> frozenset[str] | None:
    """The types asked for, within what the token allows; None for all."""
    named = asked.items("_type")
    if not named:
        return grant.types
    if not all(_TYPE.match(name) for name in named):
        raise Refused(400, "value", "_type must be a list of resource types")
    if grant.types is not None and not grant.types.issuperset(named):
        raise Refused(403, "forbidden", "The token's scope does not cover all types in _type")
    return frozenset(named)


def _patients(asked: _Asked, level: Level) -> frozenset[str] | None:
    found = [_PATIENT.match(value) for value in asked.values("patient")]
    if found and level is Level.SYSTEM:
        raise Refused(400, "not-supported", "patient does not go with an export of the whole system")
    ids = [match.group(1) for match in found if match]
    if len(ids) < len(found):
        raise Refused(400, "value", "patient must be a reference to a Patient")
    return frozenset(ids) if ids else None


def _filters(asked: _Asked) -> dict[str, tuple[Query, ...]]:
    """The searches by type. Those of one type are alternatives."""
    types = asked.items("_type")
    found: dict[str, tuple[Query, ...]] = {}
    for text in asked.queries():
        name, _, query = text.partition("?")
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        if not _TYPE.match(name) or not pairs or not all(known(key, value) for key, value in pairs):
            raise Refused(400, "not-supported", "_typeFilter has a search that this server does not know")
        if types and name not in types:
            raise Refused(400, "invalid", "_typeFilter names a type that is not in _type")
        found[name] = (*found.get(name, ()), Query(name, pairs))
    return found


def _elements(asked: _Asked) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for item in asked.items("_elements"):
        match = _ELEMENT.match(item)
        if match is None:
            raise Refused(400, "value", "_elements holds Type.element or element, root elements only")
        resource_type = match.group(1) or ""
        found[resource_type] = found.get(resource_type, frozenset()) | {match.group(2)}
    return found


def _provenances(asked: _Asked) -> Provenances | None:
    """The least restrictive of the values asked for, as the guide has it."""
    names = asked.items("includeAssociatedData")
    if not {str(value) for value in Provenances}.issuperset(names):
        raise Refused(
            400, "not-supported", "includeAssociatedData has a value that this server does not know"
        )
    return next((value for value in Provenances if value in names), None)


def _by_patient(asked: _Asked) -> bool:
    values = asked.values("organizeOutputBy")
    if any(value != "Patient" for value in values):
        raise Refused(400, "not-supported", "Output can be organized by Patient alone")
    return bool(values)


class _Parameter(msgspec.Struct, rename="camel"):
    name: str
    value_string: str | None = None
    value_code: str | None = None
    value_instant: str | None = None
    value_uri: str | None = None
    value_boolean: bool | None = None
    value_reference: dict[str, object] | None = None

    def text(self) -> str | None:
        """The value as it would stand in a query."""
        if self.value_boolean is not None:
            return "true" if self.value_boolean else "false"
        if self.value_reference is not None:
            return str(self.value_reference.get("reference", ""))
        return self.value_string or self.value_code or self.value_instant or self.value_uri


class _Parameters(msgspec.Struct, rename="camel", tag_field="resourceType", tag="Parameters"):
    parameter: list[_Parameter] = []


def _posted(body: bytes) -> Pairs:
    """The parameters of a Parameters resource."""
    try:
        posted = msgspec.json.decode(body, type=_Parameters)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        posted = None
    if posted is None:
        raise Refused(400, "structure", "The body of a kick-off is a Parameters resource")
    texts = [(item.name, item.text()) for item in posted.parameter]
    if any(text is None for _, text in texts):
        raise Refused(400, "value", "A parameter has no value of a type that this server knows")
    return [(name, text or "") for name, text in texts]


__all__ = ["is_lenient", "read_request"]
