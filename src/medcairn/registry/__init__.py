"""Stage 6: gates before a model's states, its history, and the MLflow registry that follows."""

from medcairn.core.lifecycle import TRANSITIONS, LifecycleState, check_transition
from medcairn.registry.gate import HINTS, Approval, Case, is_signed, opens, pass_gate, refused_checks
from medcairn.registry.gates import Check, Gates, SignerRule, parse_gates, read_gates
from medcairn.registry.history import ModelHistory, Move, Transition, transition_of
from medcairn.registry.mlflow_registry import follow, register_model, set_alias, set_tags

__all__ = [
    "HINTS",
    "TRANSITIONS",
    "Approval",
    "Case",
    "Check",
    "Gates",
    "LifecycleState",
    "ModelHistory",
    "Move",
    "SignerRule",
    "Transition",
    "check_transition",
    "follow",
    "is_signed",
    "opens",
    "parse_gates",
    "pass_gate",
    "read_gates",
    "refused_checks",
    "register_model",
    "set_alias",
    "set_tags",
    "transition_of",
]
