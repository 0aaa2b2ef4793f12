"""An ACES task as a checked record: predicates, a trigger, and windows around it.

ACES (Automatic Cohort Extraction System, https://github.com/justin13601/ACES) describes cohorts over event
streams such as MEDS. The words here are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json

TRIGGER = "trigger"
ANY_EVENT, RECORD_START, RECORD_END = "_ANY_EVENT", "_RECORD_START", "_RECORD_END"
SPECIAL = (ANY_EVENT, RECORD_START, RECORD_END)
"""Predicates that every record has: any instant with an event, its first one, its last one."""


@dataclass(frozen=True)
class Plain:
    """Events of some codes, whose number lies within limits.

    ``codes`` are exact; else ``pattern`` is a regular expression (RE2) that is searched in the code.
    ``columns`` are further columns that must hold a text. ``static`` events have no time, and a subject
    needs all static predicates that the task has.
    """

    codes: tuple[str, ...]
    pattern: str | None = None
    value_min: float | None = None
    value_max: float | None = None
    value_min_inclusive: bool = False
    value_max_inclusive: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    static: bool = False


@dataclass(frozen=True)
class Derived:
    """An instant at which all (``every``) or any of the ``inputs`` hold."""

    every: bool
    inputs: tuple[str, ...]


Predicate = Plain | Derived


@dataclass(frozen=True)
class Bound:
    """One end of a window: ``reference``, moved by ``shift_us``, or the next event from there.

    ``reference`` is ``trigger``, ``start`` or ``end`` of this window, or ``name.start``, ``name.end`` of
    another one. ``event`` is a predicate; ``forward`` says whether it is sought after or before.
    """

    reference: str
    shift_us: int = 0
    event: str | None = None
    forward: bool = True

    @property
    def is_reference(self) -> bool:
        """Whether it is the reference itself."""
        return self.event is None and self.shift_us == 0


@dataclass(frozen=True)
class Count:
    """How often a predicate may hold in a window; both limits are included, None is no limit."""

    predicate: str
    least: int | None
    most: int | None


@dataclass(frozen=True)
class Window:
    """A stretch of a record. Exactly one end refers to the other; see :attr:`from_end`."""

    name: str
    start: Bound
    end: Bound
    start_inclusive: bool
    end_inclusive: bool
    has: tuple[Count, ...] = ()
    label: str | None = None
    index_timestamp: str | None = None

    @property
    def from_end(self) -> bool:
        """Whether the end is placed first, and the start from there."""
        return self.start.reference == "end"

    @property
    def root(self) -> Bound:
        """The end that refers to something outside of this window."""
        return self.end if self.from_end else self.start

    @property
    def other(self) -> Bound:
        """The end that refers to the root."""
        return self.start if self.from_end else self.end

    def place(self, end: str) -> str:
        """The name of one of its ends, as other windows refer to it."""
        return f"{self.name}.{end}"


@dataclass(frozen=True)
class AcesTask:
    """A task in ACES form. ``windows`` are in an order in which each refers to earlier ones only.

    ``definition`` is what the file says, which :attr:`digest` covers.
    """

    name: str
    predicates: Mapping[str, Predicate]
    demographics: tuple[str, ...]
    trigger: str
    windows: tuple[Window, ...]
    definition: Mapping[str, JSON]

    @property
    def label_window(self) -> Window:
        """The window whose label predicate is the outcome."""
        return next(window for window in self.windows if window.label)

    @property
    def index_window(self) -> Window:
        """The window with the prediction time at one of its ends."""
        return next(window for window in self.windows if window.index_timestamp)

    @property
    def digest(self) -> Digest:
        """Digest of the whole definition."""
        return digest_json(self.about())

    def about(self) -> dict[str, JSON]:
        """The whole definition, as a feature spec records it."""
        return {"name": self.name, "form": "aces", **self.definition}


__all__ = [
    "ANY_EVENT",
    "RECORD_END",
    "RECORD_START",
    "SPECIAL",
    "TRIGGER",
    "AcesTask",
    "Bound",
    "Count",
    "Derived",
    "Plain",
    "Predicate",
    "Window",
]
