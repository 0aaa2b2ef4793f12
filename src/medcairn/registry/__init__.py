"""Stage 6: the states of a model, and the MLflow registry that follows the ledger."""

from medcairn.registry.mlflow_registry import follow, register_model, set_alias, set_tags
from medcairn.registry.states import TRANSITIONS, LifecycleState, check_transition

__all__ = [
    "TRANSITIONS",
    "LifecycleState",
    "check_transition",
    "follow",
    "register_model",
    "set_alias",
    "set_tags",
]
