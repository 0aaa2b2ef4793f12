"""Reads an export request: headers, ``_type``, ``_since``, ``_outputFormat``."""

from __future__ import annotations

import re

from starlette.requests import Request

from medcairn.synthetic.server.answers import FHIR_JSON, FHIR_NDJSON, Refused
from medcairn.synthetic.server.jobs import Level, Wanted
from medcairn.synthetic.server.records import parse_instant
from medcairn.synthetic.server.tokens import Grant

_FORMATS = (FHIR_NDJSON, "application/ndjson", "ndjson")
_ACCEPTED = (FHIR_JSON, "application/json", "application/*", "*/*")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_PARAMETERS = frozenset({"_type", "_since", "_outputFormat"})


def read_request(request: Request, level: Level, grant: Grant, *, url: str, group: str | None) -> Wanted:
    """The export that ``request`` asks for.

    Raises :class:`Refused`: 400 without ``Prefer: respond-async`` or for a parameter that is unknown or
    malformed (``Prefer: handling=lenient`` has unknown ones ignored), 403 for types outside the token's
    scope, 406 when FHIR JSON is not accepted.
    """
    prefer = {item.strip() for value in request.headers.getlist("prefer") for item in re.split("[,;]", value)}
    if "respond-async" not in prefer:
        raise Refused(400, "invalid", "An export needs the header Prefer: respond-async")
    accept = request.headers.get("accept", "*/*")
    if not any(item.partition(";")[0].strip() in _ACCEPTED for item in accept.split(",")):
        raise Refused(406, "not-supported", "The answer to a kick-off is application/fhir+json")
    lenient = "handling=lenient" in prefer
    if not lenient and not _PARAMETERS.issuperset(request.query_params.keys()):
        raise Refused(400, "not-supported", "The request has a parameter that this server does not know")
    output_format = request.query_params.get("_outputFormat")
    # A plus sign in a query may arrive as a space when the client did not encode it.
    if output_format is not None and output_format.replace(" ", "+") not in _FORMATS:
        raise Refused(400, "not-supported", "The only _outputFormat is application/fhir+ndjson")
    since_text = request.query_params.get("_since")
    since = parse_instant(since_text.replace(" ", "+")) if since_text is not None else None
    if since_text is not None and since is None:
        raise Refused(400, "value", "_since must be a FHIR instant")
    return Wanted(
        level=level,
        url=url,
        client_id=grant.client_id,
        types=_types(request, grant),
        since=since,
        group=group,
    )


def _types(request: Request, grant: Grant) -> frozenset[str] | None:
    """The types asked for, within what the token allows; None for all."""
    named = [name for value in request.query_params.getlist("_type") for name in value.split(",") if name]
    if not named:
        return grant.types
    if not all(_TYPE.match(name) for name in named):
        raise Refused(400, "value", "_type must be a list of resource types, parted by commas")
    if grant.types is not None and not grant.types.issuperset(named):
        raise Refused(403, "forbidden", "The token's scope does not cover all types in _type")
    return frozenset(named)


__all__ = ["read_request"]
