"""MLflow with healthcare context: what a run is about, its FHIR Provenance, and where training writes down.

Importing this package does not import MLflow.
"""

from medcairn.tracking.client import database_uri, open_client, store_call
from medcairn.tracking.context import HealthcareRunContext, PatientContext, SmallCellWarning
from medcairn.tracking.context_log import (
    ContextChanged,
    is_mlflow_available,
    log_healthcare_context,
    tag_model_version,
)
from medcairn.tracking.failures import ContextError, MlflowMissing, NoActiveRun
from medcairn.tracking.logged_context import context_tags
from medcairn.tracking.mlflow_tracker import MlflowTracker, open_tracker
from medcairn.tracking.protocol import Loggable, NoTracker, Run, Tracker, logged_text

__all__ = [
    "ContextChanged",
    "ContextError",
    "HealthcareRunContext",
    "Loggable",
    "MlflowMissing",
    "MlflowTracker",
    "NoActiveRun",
    "NoTracker",
    "PatientContext",
    "Run",
    "SmallCellWarning",
    "Tracker",
    "context_tags",
    "database_uri",
    "is_mlflow_available",
    "log_healthcare_context",
    "logged_text",
    "open_client",
    "open_tracker",
    "store_call",
    "tag_model_version",
]
