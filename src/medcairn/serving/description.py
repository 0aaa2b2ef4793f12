"""The OpenAPI description of ``/predict``; the body is parsed by :mod:`medcairn.serving.requests`."""

from __future__ import annotations

from typing import Any

_FEATURES = {
    "type": "object",
    "required": ["features"],
    "additionalProperties": False,
    "properties": {
        "features": {
            "type": "object",
            "description": "Features by name. What is absent or null counts as missing.",
            "additionalProperties": {"type": ["number", "null"]},
        },
        "purpose": {"enum": ["care", "smoke_test"], "default": "care"},
    },
}
_BUNDLE = {
    "type": "object",
    "required": ["bundle", "prediction_time"],
    "additionalProperties": False,
    "properties": {
        "bundle": {"type": "object", "description": "A FHIR R4 Bundle with one subject's resources."},
        "prediction_time": {
            "type": "string",
            "format": "date-time",
            "description": "Only facts that were available at this instant count.",
        },
        "purpose": {"enum": ["care", "smoke_test"], "default": "care"},
    },
}
_ANSWER = {
    "type": "object",
    "properties": {
        "prediction_id": {"type": "string", "format": "uuid"},
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "model": {
            "type": "object",
            "properties": {key: {"type": "string"} for key in ("name", "version", "digest")},
        },
        "missing_features": {"type": "integer", "minimum": 0},
        "inputs_digest": {"type": "string"},
    },
}

PREDICT_DESCRIPTION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"oneOf": [_FEATURES, _BUNDLE]}}},
    },
    "responses": {
        "200": {
            "description": "The prediction, recorded before it is given.",
            "content": {"application/json": {"schema": _ANSWER}},
        },
        "400": {"description": "The body is not JSON."},
        "408": {"description": "The body did not arrive in time."},
        "413": {"description": "The body is too large."},
        "415": {"description": "The body is of another media type."},
        "422": {"description": "The JSON asks for nothing that the model knows."},
        "503": {"description": "The prediction could not be recorded and is not given."},
    },
}

__all__ = ["PREDICT_DESCRIPTION"]
