"""MLflow with healthcare context: what a run is about, its FHIR Provenance, and where training writes down.

Importing this package imports neither MLflow nor, until a name is asked for, its own modules: MLflow itself
imports it when it looks for plugins (``guard/plugin.py``), and then nothing else is wanted.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medcairn.tracking.client import database_uri, open_client, store_call
    from medcairn.tracking.context import HealthcareRunContext, PatientContext, SmallCellWarning
    from medcairn.tracking.context_log import (
        ContextChanged,
        is_mlflow_available,
        log_healthcare_context,
        tag_model_version,
    )
    from medcairn.tracking.failures import ContextError, MlflowMissing, NoActiveRun, PhiRefused
    from medcairn.tracking.logged_context import context_tags
    from medcairn.tracking.mlflow_tracker import MlflowTracker, PastRun, open_tracker
    from medcairn.tracking.protocol import Loggable, NoTracker, Run, Tracker, logged_text
    from medcairn.tracking.stage_runs import follow_ledger, log_stage_runs

_MODULES = (
    "failures",
    "context",
    "context_log",
    "logged_context",
    "client",
    "protocol",
    "mlflow_tracker",
    "stage_runs",
)

__all__ = [
    "ContextChanged",
    "ContextError",
    "HealthcareRunContext",
    "Loggable",
    "MlflowMissing",
    "MlflowTracker",
    "NoActiveRun",
    "NoTracker",
    "PastRun",
    "PatientContext",
    "PhiRefused",
    "Run",
    "SmallCellWarning",
    "Tracker",
    "context_tags",
    "database_uri",
    "follow_ledger",
    "is_mlflow_available",
    "log_healthcare_context",
    "log_stage_runs",
    "logged_text",
    "open_client",
    "open_tracker",
    "store_call",
    "tag_model_version",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """A public name, from the first module that has it."""
        if name in __all__:
            for home in _MODULES:
                module = import_module(f"{__name__}.{home}")
                if name in module.__all__:
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
