"""Stage 6: the states of a model, the plan of its allowed changes, and the MLflow registry that follows."""

from medcairn.registry.change_assessment import assess_change
from medcairn.registry.change_control import ChangeControlPlan, read_change_control_plan
from medcairn.registry.change_record import ChangeAssessment, Clause, Estimated, Finding, ModelFacts
from medcairn.registry.mlflow_registry import follow, register_model, set_alias, set_tags
from medcairn.registry.states import TRANSITIONS, LifecycleState, check_transition

__all__ = [
    "TRANSITIONS",
    "ChangeAssessment",
    "ChangeControlPlan",
    "Clause",
    "Estimated",
    "Finding",
    "LifecycleState",
    "ModelFacts",
    "assess_change",
    "check_transition",
    "follow",
    "read_change_control_plan",
    "register_model",
    "set_alias",
    "set_tags",
]
