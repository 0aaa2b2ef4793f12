"""Where MLflow comes in: it loads this module's attributes by the entry points in ``pyproject.toml``.

MLflow's own plugins replace the store of one URI scheme. That does not fit a guard: the server registers
other builders for the same schemes than the client does, and a plugin would replace those too, also when the
guard is off. So the entry points have a name of our own, and loading one installs the guard around whatever
builds the stores, or, when the guard is off, does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from medcairn.core.errors import MedcairnError, PolicyError
from medcairn.core.labels import Label
from medcairn.tracking.guard.mode import GuardMode, guard_mode

_GROUPS = ("tracking_store", "artifact_repository")


class GuardUnavailable(PolicyError):
    """The guard is switched on and cannot be installed, so MLflow is not to be used."""

    code = "guard_unavailable"


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """Install the part of the guard that ``name`` stands for, when the guard is on.

    Raises :class:`GuardUnavailable`, which MLflow does not catch: without the guard it is not imported.
    """
    if name not in _GROUPS:
        raise AttributeError(name)
    if guard_mode() is not GuardMode.OFF:
        _install(name)
    return _no_store


def _install(group: str) -> None:
    kind = ""
    try:
        import_module("medcairn.phi.artifacts")  # without the detectors every write would be refused
        import_module("medcairn.tracking.guard.installing").PARTS[group]()
    except MedcairnError:
        raise
    except Exception as failure:  # noqa: BLE001 - whatever it is, MLflow must not go on without the guard
        kind = type(failure).__name__
    if kind:
        raise GuardUnavailable(
            "The PHI guard cannot be installed in this MLflow",
            hint="Use a version of MLflow that medcairn supports, or switch the guard off",
            part=Label(group),
            kind=Label(kind),
        )


def _no_store(*_: object, **__: object) -> NoReturn:
    """What the entry points' own scheme stands for."""
    raise PolicyError("The PHI guard is no store", hint="Use the URI of the store itself")


__all__ = ["GuardUnavailable"]
