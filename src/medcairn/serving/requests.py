"""What a client may ask, and how it hears that it asked wrongly.

A refusal names only what is ours: a code, a feature of the model, a position. Nothing that the client sent
comes back, neither values nor names, because either may be about a patient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, SafeValue
from medcairn.core.labels import Label

_LONGEST_NAME = 200


class Purpose(StrEnum):
    """Why a prediction was asked for. Both are recorded; monitoring counts only those for care."""

    CARE = "care"
    SMOKE_TEST = "smoke_test"


@dataclass(frozen=True)
class FeatureRequest:
    """A row of features by name; None is missing."""

    features: Mapping[str, float | None]
    purpose: Purpose


@dataclass(frozen=True)
class BundleRequest:
    """The resources of a FHIR Bundle, each as the bytes that were sent, and the instant of prediction."""

    resources: tuple[bytes, ...]
    prediction_time: datetime
    purpose: Purpose


class RequestRefused(DataError):
    """The request cannot be answered. ``status`` is the HTTP status; the rest is safe to send back."""

    code = "request_refused"

    def __init__(self, status: int, reason: str, message: str, **fields: SafeValue) -> None:
        super().__init__(message, hint="", **fields)
        self.status, self.reason = status, Label(reason)

    def as_json(self) -> dict[str, JSON]:
        """The body of the answer."""
        return {"error": {"code": self.reason, "message": self.message, **self.recordable_fields()}}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    features: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    bundle: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    prediction_time: str | msgspec.UnsetType = msgspec.UNSET
    purpose: Purpose = Purpose.CARE


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct, rename={"resource_type": "resourceType"}):
    resource_type: str
    entry: list[_Entry] = msgspec.field(default_factory=list)


_BODY = msgspec.json.Decoder(_Body)
_BUNDLE = msgspec.json.Decoder(_Bundle)
_ROW = msgspec.json.Decoder(dict[str, Any])


def parse_request(body: bytes, names: Mapping[str, int]) -> FeatureRequest | BundleRequest:
    """The request in ``body``. ``names`` are the model's features.

    Raises :class:`RequestRefused`: 400 for what is no JSON, 422 for JSON that asks for nothing known.
    """
    parsed = _decode(_BODY, body)
    has_features = parsed.features is not msgspec.UNSET
    if has_features == (parsed.bundle is not msgspec.UNSET):
        raise RequestRefused(422, "unclear_request", 'Send either "features" or "bundle", and one of them')
    if isinstance(parsed.features, msgspec.Raw):
        return FeatureRequest(_features(parsed.features, names), parsed.purpose)
    assert isinstance(parsed.bundle, msgspec.Raw)
    moment = _instant(parsed.prediction_time)
    return BundleRequest(_resources(parsed.bundle), moment, parsed.purpose)


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes | msgspec.Raw) -> Any:
    refused: RequestRefused | None = None
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        refused = RequestRefused(
            422, "wrong_shape", "The JSON does not have the shape that /openapi.json describes"
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refused = RequestRefused(400, "not_json", "The body is not JSON")
    raise refused


def _features(raw: msgspec.Raw, names: Mapping[str, int]) -> dict[str, float | None]:
    given: dict[str, object] = _decode(_ROW, raw)
    features: dict[str, float | None] = {}
    for position, (name, value) in enumerate(given.items(), start=1):
        if name not in names:
            raise _unknown_feature(name, position, names)
        features[name] = None if value is None else _number(name, value)
    return features


def _number(name: str, value: object) -> float:
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.nan
    if not math.isfinite(number):
        raise RequestRefused(
            422,
            "not_a_number",
            "A feature must be a finite number, or null when missing",
            feature=Label(name),
        )
    return number


def _unknown_feature(name: str, position: int, names: Mapping[str, int]) -> RequestRefused:
    fields: dict[str, SafeValue] = {"position": position}
    close = get_close_matches(name, names, n=1, cutoff=0.8) if len(name) <= _LONGEST_NAME else []
    if close:
        fields["did_you_mean"] = Label(close[0])
    return RequestRefused(
        422,
        "unknown_feature",
        "The model has no feature of the name at this position; /model-card lists the features",
        **fields,
    )


def _instant(text: str | msgspec.UnsetType) -> datetime:
    moment: datetime | None = None
    if isinstance(text, str):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestRefused(
            422, "no_instant", 'A bundle needs "prediction_time", an instant such as 2026-01-31T09:30:00Z'
        )
    return moment.astimezone(UTC)


def _resources(raw: msgspec.Raw) -> tuple[bytes, ...]:
    bundle = _decode(_BUNDLE, raw)
    if bundle.resource_type != "Bundle":
        raise RequestRefused(422, "no_bundle", "The bundle is not a FHIR Bundle")
    resources = [bytes(entry.resource) for entry in bundle.entry]
    return tuple(resource for resource in resources if resource not in (b"", b"null"))


__all__ = ["BundleRequest", "FeatureRequest", "Purpose", "RequestRefused", "parse_request"]
