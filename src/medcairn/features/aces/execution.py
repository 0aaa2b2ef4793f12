"""Executes an ACES task: every trigger is followed through the windows, and those that meet all are rows.

A window's ends are instants. An end that is an event is the nearest one in its direction; where there is
none, the row is left out. The meaning of every construct is that of the es-aces package, version 0.7, except
that rows which it returns without a trigger or time (an event that never comes in the last window of a
branch) are not returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from medcairn.core.errors import PolicyError
from medcairn.features.aces.grid import Grid, grid_of
from medcairn.features.aces.task import TRIGGER, AcesTask, Bound, Count, Window
from medcairn.features.policy_file import safe_label
from medcairn.features.silver_columns import Flags, Ints


@dataclass(frozen=True)
class Passed:
    """How many rows and subjects a step left."""

    name: str
    rows: int
    subjects: int


@dataclass(frozen=True)
class AcesRows:
    """Rows sorted by subject and prediction time (microseconds), and the steps that led to them.

    ``subject`` is a position in ``ids``.
    """

    ids: pa.Array
    subject: Ints
    prediction_time: Ints
    label: Flags
    steps: tuple[Passed, ...]


def execute(task: AcesTask, data: pa.Table) -> AcesRows:
    """The cohort of a task over MEDS rows of whole subjects, in any order.

    Raises :class:`PolicyError` when the label's window begins at or before the prediction time of a row,
    and what :func:`~medcairn.features.aces.grid.grid_of` raises.
    """
    return _Execution(task, grid_of(task, data)).rows()


@dataclass
class _Execution:
    task: AcesTask
    grid: Grid
    steps: list[Passed] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = np.flatnonzero(self.grid.counts[self.task.trigger] > 0)
        self.subject: Ints = self.grid.subject[at]
        self.places: dict[str, Ints] = {TRIGGER: self.grid.time[at]}
        self.labels: Ints = np.zeros(len(at), np.int64)

    def rows(self) -> AcesRows:
        self._passed(f"trigger_{self.task.trigger}")
        for window in self.task.windows:
            self._follow(window)
            self._passed(f"window_{window.name}")
        index = self.task.index_window
        time = self.places[index.place(index.index_timestamp or "end")]
        self._check_label(time)
        order = np.lexsort((self.labels, time, self.subject))
        return AcesRows(
            self.grid.ids, self.subject[order], time[order], self.labels[order] > 0, tuple(self.steps)
        )

    def _follow(self, window: Window) -> None:
        """Place both ends of a window, and keep the rows that have them and meet its counts."""
        root, other = ("end", "start") if window.from_end else ("start", "end")
        # The end that other windows share is placed without regard to this window's inclusiveness.
        self._place(window.place(root), window.root.reference, window.root, at=False)
        at = window.start_inclusive if window.from_end else window.end_inclusive
        self._place(window.place(other), window.place(root), window.other, at=at)
        start, end = self.places[window.place("start")], self.places[window.place("end")]
        first = self.grid.lines_before(self.subject, start, or_at=not window.start_inclusive)
        last = np.maximum(first, self.grid.lines_before(self.subject, end, or_at=window.end_inclusive))
        if window.label:
            self.labels = self._counted(window.label, first, last)
        kept = np.ones(len(first), np.bool_)
        for count in window.has:
            kept &= _meets(self._counted(count.predicate, first, last), count)
        self._keep(kept)

    def _place(self, name: str, reference: str, bound: Bound, *, at: bool) -> None:
        """Where an end lies for each row; ``at`` says whether the reference itself may be the event."""
        begin = self.places[reference]
        if bound.event is None:
            self.places[name] = begin + bound.shift_us
            return
        lines = np.flatnonzero(self.grid.counts[bound.event] > 0)
        before = self.grid.lines_before(self.subject, begin, or_at=at != bound.forward)
        place = np.searchsorted(lines, before, "left") - (0 if bound.forward else 1)
        there = (place >= 0) & (place < len(lines))
        line = lines[np.where(there, place, 0)] if len(lines) else np.zeros(len(place), np.int64)
        if len(lines):
            there &= self.grid.subject[line] == self.subject
            self.places[name] = self.grid.time[line]
        else:
            self.places[name] = begin
        self._keep(there)

    def _counted(self, predicate: str, first: Ints, last: Ints) -> Ints:
        totals = self.grid.totals(predicate)
        return totals[last] - totals[first]

    def _keep(self, mask: Flags) -> None:
        self.subject, self.labels = self.subject[mask], self.labels[mask]
        self.places = {name: times[mask] for name, times in self.places.items()}

    def _passed(self, name: str) -> None:
        self.steps.append(Passed(name, len(self.subject), len(np.unique(self.subject))))

    def _check_label(self, time: Ints) -> None:
        window = self.task.label_window
        start = self.places[window.place("start")]
        early = (start < time) | ((start == time) & window.start_inclusive)
        if early.any():
            raise PolicyError(
                "The label's window begins at or before the prediction time",
                hint="Begin it after the input and gap windows",
                task=safe_label(self.task.name),
                window=safe_label(window.name),
                rows=int(np.count_nonzero(early)),
            )


def _meets(found: Ints, count: Count) -> Flags:
    good = np.ones(len(found), np.bool_)
    if count.least is not None:
        good &= found >= count.least
    if count.most is not None:
        good &= found <= count.most
    return good


__all__ = ["AcesRows", "Passed", "execute"]
