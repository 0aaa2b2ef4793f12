"""The whole exception tree.

    MedcairnError
    ├── UsageError          2   the command, a setting or a path is wrong; nothing was read
    │   └── SettingsError   2   study.yaml or another policy file
    ├── DataError           3   data that was read cannot be used
    ├── PolicyError         4   a policy said no
    │   ├── GateRefused     4   a gate's checks are not all met
    │   └── LeakFound       4   the leak scan found an identifier in de-identified output
    ├── IntegrityError      5   something recorded is not what it was
    ├── ExternalError       6   a server, the disk or another system failed
    │   ├── StorageError    6   writing failed: disk full, no permission
    │   └── TransientError  6   may succeed when tried again
    └── Interrupted       130   the user stopped the command

A message is constant text. What varies goes into typed safe fields: counts, digests, line numbers,
column names, labels that we minted. A value taken from source data never enters an error, because
errors travel: to terminals, logs, tickets and the ledger.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import ClassVar, NoReturn

from medcairn.core.labels import Label

SafeValue = int | float | bool | Enum | Label | Path
"""What a safe field may hold. A ``Path`` is shown on the terminal and kept out of logs and ledger."""


class MedcairnError(Exception):
    """Base of every error that medcairn raises on purpose.

    ``message`` says what failed, ``hint`` what to do next; both are constant text. ``fields`` locate it.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **fields: SafeValue) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.fields: dict[str, SafeValue] = fields

    def __str__(self) -> str:
        located = ", ".join(f"{name}={shown(value)}" for name, value in self.fields.items())
        text = f"{self.message} ({located})" if located else self.message
        return f"{text}. {self.hint}" if self.hint else text

    def recordable_fields(self) -> dict[str, int | float | bool | str]:
        """The fields that may be written to a log or the ledger: all but paths."""
        return {
            name: shown(value) if isinstance(value, (Enum, Label)) else value
            for name, value in self.fields.items()
            if not isinstance(value, Path)
        }


def shown(value: SafeValue) -> str:
    """The text of a safe field."""
    return str(value.value if isinstance(value, Enum) else value)


def raise_alone(error: MedcairnError) -> NoReturn:
    """Raise ``error`` without the foreign error that caused it, also from within a context manager.

    Python runs a context manager's exit while the foreign error is still being handled, so leaving the
    ``except`` block is not enough there: the new error would carry the old one, and its text, along.
    """
    try:
        raise error
    finally:
        error.__context__ = None


class UsageError(MedcairnError):
    """The command, a setting or a path is wrong."""

    code = "usage"
    exit_code = 2


class SettingsError(UsageError):
    """A settings or policy file cannot be used. Names keys, never values."""

    code = "settings"


class DataError(MedcairnError):
    """Data that was read cannot be used. Located by file, line and column, never quoted."""

    code = "data"
    exit_code = 3


class PolicyError(MedcairnError):
    """A policy said no."""

    code = "policy"
    exit_code = 4


class GateRefused(PolicyError):
    """A gate's checks are not all met."""

    code = "gate_refused"


class LeakFound(PolicyError):
    """The leak scan found an identifier of the source in de-identified output."""

    code = "leak_found"


class IntegrityError(MedcairnError):
    """Something recorded is not what it was."""

    code = "integrity"
    exit_code = 5


class ExternalError(MedcairnError):
    """A server or another system outside the process failed."""

    code = "external"
    exit_code = 6


class StorageError(ExternalError):
    """Writing failed: the disk is full, or permission is missing."""

    code = "storage"


class TransientError(ExternalError):
    """A failure of another system that may pass when tried again."""

    code = "transient"


class Interrupted(MedcairnError):
    """The user stopped the command. What was finished is kept."""

    code = "interrupted"
    exit_code = 130


__all__ = [
    "DataError",
    "ExternalError",
    "GateRefused",
    "IntegrityError",
    "Interrupted",
    "LeakFound",
    "MedcairnError",
    "PolicyError",
    "SafeValue",
    "SettingsError",
    "StorageError",
    "TransientError",
    "UsageError",
    "raise_alone",
    "shown",
]
