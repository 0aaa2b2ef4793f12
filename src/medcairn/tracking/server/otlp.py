"""What an OTLP export of spans says, as JSON values that the detector can search.

OTLP over HTTP carries an ``ExportTraceServiceRequest`` as protobuf or JSON; MLflow reads both. The message is
parsed as MLflow parses it, so that what is searched is what would be stored.
"""

from __future__ import annotations

import base64
import json

from google.protobuf.json_format import Parse, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from medcairn.core.canonical import JSON
from medcairn.tracking.server.bodies import Headers, parse_json
from medcairn.tracking.server.refusals import Check, RequestRefused

_IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
_JSON_IDS = ("traceId", "spanId", "parentSpanId")
_DEEPEST = 60


def spans_as_json(data: bytes, headers: Headers) -> JSON:
    """Every text of the export, in the shape of the message. Ids are left out: they are bits, not text.

    Raises :class:`RequestRefused` for what is no export, ids of another length, and fields that the message
    does not have (they could carry anything).
    """
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    message = ExportTraceServiceRequest()
    read = False
    try:
        if media_type == "application/json":
            Parse(_with_binary_ids(parse_json(data, headers)), message, ignore_unknown_fields=False)
        elif media_type == "application/x-protobuf":
            message.ParseFromString(data)
        else:
            raise RequestRefused(415, Check.FORM, "Spans come as application/x-protobuf or application/json")
        read = _known_only(message)
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError):
        read = False
    if not read:
        raise RequestRefused(400, Check.FORM, "The body is not one export of spans (OTLP)")
    return _texts(message, 0)


def _known_only(message: ExportTraceServiceRequest) -> bool:
    """Whether a message holds nothing but its fields: cutting out the unknown makes it no shorter."""
    known = ExportTraceServiceRequest()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() == message.ByteSize())


def _with_binary_ids(value: JSON) -> str:
    """OTLP writes ids as hex in JSON, protobuf's JSON form as base64."""
    copied = json.loads(json.dumps(value))
    for resource in copied.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for holder in (span, *span.get("links", [])):
                    for name in _JSON_IDS:
                        if holder.get(name):
                            holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode("ascii")
    return json.dumps(copied)


def _texts(message: Message, depth: int) -> dict[str, JSON]:
    if depth > _DEEPEST:
        raise RequestRefused(400, Check.FORM, "The export of spans is nested too deeply")
    found: dict[str, JSON] = {}
    for field, value in message.ListFields():
        if field.name in _IDS:
            if len(value) not in (0, _IDS[field.name]):
                raise RequestRefused(400, Check.FORM, "An id of a span has a wrong length")
            continue
        many = not isinstance(value, (str, bytes, Message)) and hasattr(value, "__len__")
        items = [_text(item, depth) for item in (value if many else [value])]
        found[field.json_name] = items if many else items[0]
    return found


def _text(value: object, depth: int) -> JSON:
    if isinstance(value, Message):
        return _texts(value, depth + 1)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return None  # numbers and enums: no text


__all__ = ["spans_as_json"]
