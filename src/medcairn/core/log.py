"""A logger that cannot carry a patient's value by accident.

A log line is an event name (constant text) and typed safe fields; free text has no way in. Lines are JSON
on standard error or in a file, one an event.
"""

from __future__ import annotations

import json
import logging
from enum import Enum
from pathlib import Path

from medcairn.core.errors import MedcairnError, SafeValue, shown
from medcairn.core.labels import Label


class SafeLogger:
    """Writes events to a standard library logger.

    Raises ``TypeError`` for a field that is not a :data:`~medcairn.core.errors.SafeValue`, in every
    environment and not only in tests: a plain ``str`` may have come from data.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: Label | str, **fields: SafeValue) -> None:
        """Something that an operator may want to know."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: Label | str, **fields: SafeValue) -> None:
        """Something that an operator should look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: Label | str, error: MedcairnError) -> None:
        """A failure of ours: its code and its recordable fields."""
        line = {"event": Label(event), "code": error.code, **error.recordable_fields()}
        self._logger.error(json.dumps(line))

    def _write(self, level: int, event: Label | str, fields: dict[str, SafeValue]) -> None:
        line: dict[str, object] = {"event": Label(event)}
        for name, value in fields.items():
            if isinstance(value, Path):
                raise TypeError("a path does not belong in a log; log a label or a digest")
            if isinstance(value, (Enum, Label)):
                line[name] = shown(value)
            elif isinstance(value, (int, float)):
                line[name] = value
            else:
                raise TypeError("a log field must be a number, an enum or a Label")
        self._logger.log(level, json.dumps(line))


def get_logger(name: str) -> SafeLogger:
    """The safe logger of a module; ``name`` is the module's ``__name__``."""
    return SafeLogger(name)


__all__ = ["SafeLogger", "get_logger"]
