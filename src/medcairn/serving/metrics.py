"""What the service counts, in Prometheus's text form. Labels say nothing about a subject."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from medcairn.serving.model import ServedModel
from medcairn.serving.predictions import Prediction

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_PROBABILITIES = tuple(tenth / 10 for tenth in range(1, 11))
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Outcome(StrEnum):
    """How a request for a prediction ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    NOT_RECORDED = "not_recorded"
    FAILED = "failed"


class ServiceMetrics:
    """The counters of one service, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, model: ServedModel) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "medcairn_prediction_requests", "Requests by outcome.", ["outcome"], registry=self._registry
        )
        self._seconds = Histogram(
            "medcairn_prediction_seconds",
            "Time from request to answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._scores = Histogram(
            "medcairn_prediction_score",
            "Probabilities that were answered.",
            buckets=_PROBABILITIES,
            registry=self._registry,
        )
        self._missing = Histogram(
            "medcairn_prediction_missing_share",
            "Share of features that were missing.",
            buckets=_SHARES,
            registry=self._registry,
        )
        info = Gauge(
            "medcairn_model_info", "The model served.", ["name", "version", "digest"], registry=self._registry
        )
        info.labels(model.name, model.version, model.digest).set(1)
        for outcome in Outcome:
            self._requests.labels(outcome.value)

    def count(self, outcome: Outcome, seconds: float) -> None:
        """One request ended."""
        self._requests.labels(outcome.value).inc()
        self._seconds.observe(seconds)

    def observe(self, prediction: Prediction) -> None:
        """One prediction was answered."""
        self._scores.observe(prediction.probability)
        self._missing.observe(prediction.missing_features / max(1, len(prediction.features)))

    def as_text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)


__all__ = ["Outcome", "ServiceMetrics"]
