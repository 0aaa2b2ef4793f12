"""Searches what is about to be written, and refuses it, or tells of it, by what was found."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medcairn.core.canonical import JSON
from medcairn.core.errors import MedcairnError, UsageError
from medcairn.core.labels import Label
from medcairn.tracking.guard.mode import KEY_FILE, GuardMode, guard_mode

if TYPE_CHECKING:
    from medcairn.phi import PhiDetector, PhiFinding

Search = Callable[["PhiDetector"], Sequence["PhiFinding"]]

_logger = logging.getLogger("medcairn.tracking.guard")


@dataclass(frozen=True)
class Objection:
    """What speaks against a write: what kind of identifier is where, or why nobody could look."""

    place: Label
    kind: Label
    searched: bool = True

    def __str__(self) -> str:
        if self.searched:
            return f"{self.place} looks like {self.kind}"
        return f"{self.place} could not be checked ({self.kind})"


def in_fields(detector: PhiDetector, prefix: str, fields: Mapping[str, JSON]) -> list[PhiFinding]:
    """What is in ``fields``, whose names are ours, so that a place may tell them: ``log_param.param.value``.

    The detector tells names that it does not know by position, because a key may be data.
    """
    names = list(fields)
    found = detector.find_in_json(fields, location=Label(prefix))
    return [replace(one, location=_with_name(one.location, prefix, names)) for one in found]


def _with_name(location: Label, prefix: str, names: Sequence[str]) -> Label:
    told = re.match(rf"{re.escape(prefix)}\.<(\d+)>", location)
    return location if told is None else Label(f"{prefix}.{names[int(told[1])]}{location[told.end() :]}")


def judge(action: str, search: Search) -> None:
    """Let ``action`` pass when ``search`` finds nothing.

    In block mode, raises ``MlflowException`` (INVALID_PARAMETER_VALUE, status 400) that names the class and
    the place of the first finding; in warn mode, logs each. A search that fails counts as a finding: what
    cannot be searched is not written. No value is in the error or the log.
    """
    if objections := against(action, search):
        raise _refusal(action, objections)


def passes(action: str, search: Search) -> bool:
    """As :func:`judge`, where nobody is there to take an error: logs it, and says whether to go on."""
    objections = against(action, search)
    for objection in objections:
        _logger.warning("PHI guard refused %s: %s", action, objection)
    return not objections


def against(action: str, search: Search) -> list[Objection]:
    """What speaks against ``action``; in warn mode it is logged, and nothing does."""
    mode = guard_mode()
    objections = [] if mode is GuardMode.OFF else _objections(action, search)
    if mode is GuardMode.BLOCK:
        return objections
    for objection in objections:
        _logger.warning("PHI guard, %s: %s", action, objection)
    return []


def _objections(action: str, search: Search) -> list[Objection]:
    try:
        return [Objection(found.location, Label(found.phi_class.value)) for found in search(detector())]
    except MedcairnError as failure:  # an artifact that is refused, a key that cannot be read
        why = ":".join([failure.code, *map(str, failure.recordable_fields().values())])
    except Exception as failure:  # noqa: BLE001 - a guard that fails is closed
        why = type(failure).__name__
    return [Objection(Label(action), Label(why), searched=False)]


def _refusal(action: str, objections: Sequence[Objection]) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    first = objections[0]
    more = f" (and {len(objections) - 1} more)" if len(objections) > 1 else ""
    hint = "Take the identifier out and try again" if first.searched else "Nothing goes out unsearched"
    text = f"The PHI guard refused {action}: {first}{more}. {hint}."
    error = MlflowException(text, error_code=INVALID_PARAMETER_VALUE)
    error.objections = tuple(objections)  # type: ignore[attr-defined]  # read by medcairn.tracking.client
    return error


def detector() -> PhiDetector:
    """The detector of this process.

    Raises :class:`UsageError` when the key file cannot be used.
    """
    return _detector(os.environ.get(KEY_FILE) or None)


@cache
def _detector(key_file: str | None) -> PhiDetector:
    from medcairn.phi import PhiDetector

    if key_file is None:
        return PhiDetector(os.urandom(32))
    key: bytes | None = None
    with suppress(OSError):
        key = Path(key_file).read_bytes().strip()
    if key is None:
        raise UsageError("The file of the PHI guard's key cannot be read", variable=Label(KEY_FILE))
    return PhiDetector(key)


__all__ = ["Objection", "Search", "against", "detector", "in_fields", "judge", "passes"]
