"""Stage 6: gates before a model's states, its history, planned changes, and MLflow's registry."""

from medcairn.core.lifecycle import TRANSITIONS, LifecycleState, check_transition
from medcairn.registry.change_assessment import assess_change
from medcairn.registry.change_control import ChangeControlPlan, read_change_control_plan
from medcairn.registry.change_record import ChangeAssessment, Clause, Estimated, Finding, ModelFacts
from medcairn.registry.gate import HINTS, Approval, Case, is_signed, opens, pass_gate, refused_checks
from medcairn.registry.gates import Check, Gates, SignerRule, parse_gates, read_gates
from medcairn.registry.history import BY_PLAN, BY_SIGNATURE, ModelHistory, Move, Transition, transition_of
from medcairn.registry.mlflow_registry import follow, register_model, set_alias, set_tags

__all__ = [
    "BY_PLAN",
    "BY_SIGNATURE",
    "HINTS",
    "TRANSITIONS",
    "Approval",
    "Case",
    "ChangeAssessment",
    "ChangeControlPlan",
    "Check",
    "Clause",
    "Estimated",
    "Finding",
    "Gates",
    "LifecycleState",
    "ModelFacts",
    "ModelHistory",
    "Move",
    "SignerRule",
    "Transition",
    "assess_change",
    "check_transition",
    "follow",
    "is_signed",
    "opens",
    "parse_gates",
    "pass_gate",
    "read_change_control_plan",
    "read_gates",
    "refused_checks",
    "register_model",
    "set_alias",
    "set_tags",
    "transition_of",
]
