"""Stage 7, serving: predictions over HTTP, each recorded durably before it is answered."""

from medcairn.serving.app import Limits, create_app
from medcairn.serving.model import KnownScore, ServedModel, check_known_scores
from medcairn.serving.predictions import Prediction, inputs_digest
from medcairn.serving.predictor import BundleFeatures, Predictor
from medcairn.serving.reading import (
    RecordedPrediction,
    prediction_digests,
    read_predictions,
    recorded_predictions,
)
from medcairn.serving.recorder import EventSink, PredictionRecorder, SqlitePredictionRecorder
from medcairn.serving.requests import Purpose, RequestRefused
from medcairn.serving.sealing import SealedSink
from medcairn.serving.server import BackgroundServer, run_server

__all__ = [
    "BackgroundServer",
    "BundleFeatures",
    "EventSink",
    "KnownScore",
    "Limits",
    "Prediction",
    "PredictionRecorder",
    "Predictor",
    "Purpose",
    "RecordedPrediction",
    "RequestRefused",
    "SealedSink",
    "ServedModel",
    "SqlitePredictionRecorder",
    "check_known_scores",
    "create_app",
    "inputs_digest",
    "prediction_digests",
    "read_predictions",
    "recorded_predictions",
    "run_server",
]
