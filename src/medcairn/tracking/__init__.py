"""Where training writes down what it did: parameters, metrics, plots, in MLflow or nowhere.

Importing this package does not import MLflow; :func:`open_tracker` does.
"""

from medcairn.tracking.client import database_uri, open_client, store_call
from medcairn.tracking.mlflow_tracker import MlflowTracker, open_tracker
from medcairn.tracking.protocol import Loggable, NoTracker, Run, Tracker, logged_text

__all__ = [
    "Loggable",
    "MlflowTracker",
    "NoTracker",
    "Run",
    "Tracker",
    "database_uri",
    "logged_text",
    "open_client",
    "open_tracker",
    "store_call",
]
