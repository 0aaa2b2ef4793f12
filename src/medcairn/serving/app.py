"""The service's HTTP surface: predictions, health, the model card, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, Ids
from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.labels import Label
from medcairn.core.log import get_logger
from medcairn.core.scoring import Scorer
from medcairn.serving.description import PREDICT_DESCRIPTION
from medcairn.serving.metrics import Outcome, ServiceMetrics
from medcairn.serving.model import ServedModel, check_known_scores
from medcairn.serving.predictions import Prediction
from medcairn.serving.predictor import BundleFeatures, Predictor
from medcairn.serving.recorder import PredictionRecorder
from medcairn.serving.requests import RequestRefused, parse_request
from medcairn.serving.safe_errors import SafeErrors, error_response, json_response

_log = get_logger(__name__)
_JSON_TYPES = frozenset({"application/json", "application/fhir+json"})
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}


@dataclass(frozen=True)
class Limits:
    """What one client may use up."""

    body_bytes: int = 8 * 1024 * 1024
    body_seconds: float = 20.0
    workers: int = 32


@dataclass(frozen=True)
class _Service:
    predictor: Predictor
    metrics: ServiceMetrics
    limits: Limits
    workers: ThreadPoolExecutor
    names: dict[str, int]


def create_app(
    model: ServedModel,
    *,
    scorer: Scorer,
    recorder: PredictionRecorder,
    clock: Clock,
    ids: Ids,
    bundle_features: BundleFeatures | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """The service of one model. ``recorder`` stays the caller's: close it after the server has stopped.

    Without ``bundle_features`` requests with a FHIR Bundle are refused.
    """
    limits = limits or Limits()
    service = _Service(
        Predictor(model, scorer, recorder, clock, ids, bundle_features),
        ServiceMetrics(model),
        limits,
        ThreadPoolExecutor(limits.workers, thread_name_prefix="predict"),
        {name: position for position, name in enumerate(scorer.feature_names)},
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.workers.shutdown()

    app = FastAPI(
        title=f"medcairn: {model.name}",
        version=str(model.version),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(SafeErrors)
    app.add_exception_handler(HTTPException, _http_error)
    _add_prediction(app, service)
    _add_health(app, service)
    _add_card(app, model)
    return app


def _add_prediction(app: FastAPI, service: _Service) -> None:
    @app.post("/predict", summary="One prediction", openapi_extra=PREDICT_DESCRIPTION)
    async def predict(request: Request) -> Response:
        started = time.perf_counter()
        outcome, response = await _answer(service, request)
        service.metrics.count(outcome, time.perf_counter() - started)
        return response

    @app.get("/metrics", summary="Counters for Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.as_text(), media_type=service.metrics.content_type)


async def _answer(service: _Service, request: Request) -> tuple[Outcome, Response]:
    try:
        body = await _body(request, service.limits)
        loop = asyncio.get_running_loop()
        prediction = await loop.run_in_executor(service.workers, _predict, service, body)
    except RequestRefused as refusal:
        return Outcome.REFUSED, json_response(refusal.status, refusal.as_json())
    except ExternalError as failure:
        _log.error("prediction_not_recorded", failure)
        message = "The prediction could not be recorded and so is not given; try again"
        return Outcome.NOT_RECORDED, error_response(503, "not_recorded", message)
    except MedcairnError as failure:
        _log.error("prediction_failed", failure)
        return Outcome.FAILED, error_response(500, "prediction_failed", failure.message)
    service.metrics.observe(prediction)
    return Outcome.ANSWERED, json_response(200, _answered(prediction))


def _predict(service: _Service, body: bytes) -> Prediction:
    """Runs in a worker thread: a large Bundle must not hold up the others, and recording waits for disk."""
    return service.predictor.predict(parse_request(body, service.names))


def _answered(prediction: Prediction) -> dict[str, JSON]:
    return {
        "prediction_id": prediction.id,
        "probability": prediction.probability,
        "model": {
            "name": prediction.model_name,
            "version": prediction.model_version,
            "digest": prediction.package_digest,
        },
        "missing_features": prediction.missing_features,
        "inputs_digest": prediction.inputs_digest,
    }


async def _body(request: Request, limits: Limits) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise RequestRefused(415, "not_json", "Send application/json or application/fhir+json")
    refused = RequestRefused(408, "too_slow", "The body did not arrive in time")
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _bounded_body(request, limits.body_bytes)
    except TimeoutError:
        pass
    except ClientDisconnect:
        refused = RequestRefused(400, "cut_off", "The body did not arrive whole")
    raise refused


async def _bounded_body(request: Request, limit: int) -> bytes:
    too_large = RequestRefused(413, "too_large", "The body is too large", limit_bytes=limit)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > limit):
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _add_health(app: FastAPI, service: _Service) -> None:
    predictor = service.predictor
    checks: dict[str, Callable[[], None]] = {
        "model": lambda: check_known_scores(predictor.scorer, predictor.model),
        "record": predictor.recorder.check_ready,
    }

    @app.get("/health/live", summary="Whether the process answers")
    async def live() -> Response:
        return json_response(200, {"status": "live"})

    @app.get("/health/ready", summary="Whether a prediction could be made and recorded now")
    async def ready() -> Response:
        loop = asyncio.get_running_loop()
        for name, check in checks.items():
            if not await loop.run_in_executor(service.workers, _passes, check):
                return json_response(503, {"status": "not_ready", "check": name})
        return json_response(200, {"status": "ready", "model": predictor.model.as_json()})


def _passes(check: Callable[[], None]) -> bool:
    kind = ""
    try:
        check()
    except Exception as failure:  # noqa: BLE001 - whatever it is, the service is not ready
        kind = type(failure).__name__
    if kind:
        _log.warning("not_ready", kind=Label(kind))
    return not kind


def _add_card(app: FastAPI, model: ServedModel) -> None:
    @app.get("/model-card", summary="What the model is for, how good it is, and its limits")
    async def model_card(request: Request) -> Response:
        if _wants_page(request.headers.get("accept", "")):
            return Response(model.card_page, media_type="text/html", headers=_PAGE_HEADERS)
        return Response(model.card_json, media_type="application/json", headers={"Vary": "Accept"})


def _wants_page(accept: str) -> bool:
    """Browsers name text/html; programs name application/json, anything or nothing."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    if "text/html" not in kinds:
        return False
    return "application/json" not in kinds or kinds.index("text/html") < kinds.index("application/json")


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    reasons = {404: "There is nothing here", 405: "This address does not take this method"}
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    return error_response(status, code, reasons.get(status, "The request was refused"))


__all__ = ["Limits", "create_app"]
