"""From a parsed request to a recorded prediction. Knows nothing of HTTP; runs in a worker thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from medcairn.core.clock import Clock, Ids
from medcairn.core.errors import DataError, ExternalError, IntegrityError, MedcairnError
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.serving.model import ServedModel, row_of
from medcairn.serving.predictions import Prediction, inputs_digest
from medcairn.serving.recorder import PredictionRecorder
from medcairn.serving.requests import BundleRequest, FeatureRequest, RequestRefused

BundleFeatures = Callable[[Sequence[bytes], datetime], Mapping[str, float | None]]
"""Computes the features of one subject's resources as they could be known at an instant."""


@dataclass(frozen=True)
class Predictor:
    """Scores a request and records the answer before giving it."""

    model: ServedModel
    scorer: Scorer
    recorder: PredictionRecorder
    clock: Clock
    ids: Ids
    bundle_features: BundleFeatures | None = None

    def predict(self, request: FeatureRequest | BundleRequest) -> Prediction:
        """The prediction, durably recorded.

        Raises :class:`RequestRefused` when the request cannot be answered, :class:`ExternalError` when it
        could not be recorded, and other errors of ours when the model or the features fail.
        """
        names = self.scorer.feature_names
        features = self._features(request)
        row = row_of(names, features)
        prediction = Prediction(
            id=Label(self.ids.new()),
            predicted_at=self.clock.now(),
            prediction_time=request.prediction_time if isinstance(request, BundleRequest) else None,
            purpose=request.purpose,
            model_name=self.model.name,
            model_version=self.model.version,
            package_digest=self.model.digest,
            features={name: features.get(name) for name in names},
            inputs_digest=inputs_digest(row),
            probability=self._probability(row),
        )
        self._record(prediction)
        return prediction

    def _features(self, request: FeatureRequest | BundleRequest) -> Mapping[str, float | None]:
        if isinstance(request, FeatureRequest):
            return request.features
        if self.bundle_features is None:
            raise RequestRefused(422, "no_bundles", "This service takes features and no FHIR Bundles")
        refused: RequestRefused | None = None
        kind = ""
        try:
            computed = self.bundle_features(request.resources, request.prediction_time)
            return {name: _finite_or_none(value) for name, value in computed.items()}
        except DataError as failure:
            refused = RequestRefused(422, "unusable_bundle", failure.message)
        except Exception as failure:  # noqa: BLE001 - what it says may hold a patient's value
            kind = type(failure).__name__
        raise refused or IntegrityError("Features could not be computed from a Bundle", kind=Label(kind))

    def _probability(self, row: NDArray[np.float64]) -> float:
        kind = "NoProbability"
        try:
            score = float(self.scorer.score(row)[0])
            if 0.0 <= score <= 1.0:
                return score
        except Exception as failure:  # noqa: BLE001 - what it says may hold a patient's value
            kind = type(failure).__name__
        raise IntegrityError("The model gave no probability", kind=Label(kind))

    def _record(self, prediction: Prediction) -> None:
        kind = ""
        try:
            self.recorder.record(prediction)
        except ExternalError:
            raise
        except MedcairnError as failure:
            kind = failure.code
        except Exception as failure:  # noqa: BLE001 - a recorder of any kind must not leak
            kind = type(failure).__name__
        if kind:
            raise ExternalError("A prediction could not be recorded", kind=Label(kind))


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


__all__ = ["BundleFeatures", "Predictor"]
