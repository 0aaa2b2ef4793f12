"""What can be wrong with a healthcare context and with logging it.

    UsageError
    ├── ContextError       also ValueError    a field of a context cannot be used, or was changed
    ├── NoActiveRun        also RuntimeError  there is no MLflow run to log to
    └── MlflowMissing      also ImportError   MLflow is not installed
    PolicyError
    └── PhiRefused         also ValueError    the PHI guard found what looks like an identifier

Each is also the built-in error that users of MLflow expect, so that ``except ImportError`` works for people
who know nothing of medcairn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medcairn.core.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from medcairn.tracking.guard.judgement import Objection

INSTALL = "pip install 'medcairn[mlflow]'"


class ContextError(UsageError, ValueError):
    """A field of a context cannot be used. Names the field and the problem, never the value."""

    code = "context"


class NoActiveRun(UsageError, RuntimeError):
    """There is no active MLflow run."""

    code = "no_active_run"

    def __init__(self) -> None:
        super().__init__("No MLflow run is active", hint="Call this inside `with mlflow.start_run():`")


class MlflowMissing(UsageError, ImportError):
    """MLflow is not installed."""

    code = "mlflow_missing"

    def __init__(self) -> None:
        super().__init__("MLflow is not installed", hint=f"Install it with: {INSTALL}")


class PhiRefused(PolicyError, ValueError):
    """What looks like an identifier was to be written. Names the field and the class, never the value."""

    code = "phi_refused"


def phi_refused(objections: Sequence[Objection]) -> PhiRefused:
    """The error of what the guard objects to, of which there is at least one."""
    return PhiRefused(
        "The PHI guard refused a write to MLflow",
        hint="Runs hold aggregates and names of things; take the identifier out",
        field=objections[0].place,
        found=objections[0].kind,
        findings=len(objections),
    )


__all__ = ["INSTALL", "ContextError", "MlflowMissing", "NoActiveRun", "PhiRefused", "phi_refused"]
