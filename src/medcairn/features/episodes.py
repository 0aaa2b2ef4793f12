"""Inpatient episodes: stays, with those that continue one another (transfers) joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from medcairn.features.events import INPATIENT, valid_rows
from medcairn.features.instants import before
from medcairn.features.silver_columns import NO_TIME, Flags, Ints

EXPIRED = ("exp", "20", "40", "41", "42")
"""Discharge dispositions of a patient who died: HL7's, and those of NUBC (UB-04 patient discharge status)."""

_MICROSECONDS_PER_HOUR = 3_600_000_000
_OPEN = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Episodes:
    """Sorted by subject and start. ``end`` is :data:`NO_TIME` while a stay has no end.

    ``planned`` is about the first stay of an episode, ``expired`` about the last; ``stays`` is how many
    were joined.
    """

    subject: Ints
    start: Ints
    end: Ints
    planned: Flags
    expired: Flags
    stays: Ints

    def next_after(self, subject: Ints, time: Ints) -> Ints:
        """For each (subject, time) the position of the subject's next episode that starts later, or -1."""
        if len(self.start) == 0:
            return np.full(len(subject), -1, np.int64)
        place = before(self.subject, self.start, subject, time, or_at=True)
        inside = np.minimum(place, len(self.start) - 1)
        found = (place < len(self.start)) & (self.subject[inside] == subject)
        return np.where(found, place, -1)

    def planned_by(self, subject: Ints, time: Ints, emergency_of: Ints, emergency: Ints) -> Episodes:
        """The same, where a sign (``subject``, ``time``) within a stay makes it planned too.

        Unless an emergency visit began in the 24 hours before the stay or at its start: who comes that way is
        not planned, whatever is done then.
        """
        end = np.where(self.end == NO_TIME, _OPEN, self.end)
        signs = _inside(subject, time, self.subject, self.start, end)
        sudden = _inside(
            emergency_of, emergency, self.subject, self.start - 24 * _MICROSECONDS_PER_HOUR, self.start
        )
        return replace(self, planned=self.planned | (signs & ~sudden))


def _inside(owner: Ints, time: Ints, subject: Ints, start: Ints, end: Ints) -> Flags:
    """Which of the stretches [start, end] hold an instant of their subject."""
    order = np.lexsort((time, owner))
    owner, time = owner[order], time[order]
    first = before(owner, time, subject, start, or_at=False)
    return np.asarray(before(owner, time, subject, end, or_at=True) > first)


@dataclass
class _Open:
    """An episode while stays are being joined to it."""

    subject: int
    start: int
    end: int
    planned: bool
    expired: bool
    stays: int = 1


def read_episodes(
    tables: Mapping[str, pa.Table],
    subjects: pa.Array,
    *,
    transfer_hours: int,
    planned_types: Sequence[str],
) -> Episodes:
    """The inpatient episodes of ``subjects``, as they are on record now.

    A stay that starts before, or up to ``transfer_hours`` after, the end of what precedes it continues it.
    Stays without a start, or that end before they start, are none.
    """
    rows = valid_rows(tables, "encounter", current=True)
    owner = rows.position_in("subject_id", subjects)
    start, end = rows.times("start_time"), rows.times("end_time")
    good = (owner >= 0) & rows.one_of("class_code", INPATIENT) & (start != NO_TIME)
    good &= (end == NO_TIME) | (end >= start)
    rows, owner, start = rows.where(good), owner[good], start[good]
    end = np.where(end[good] == NO_TIME, _OPEN, end[good])
    planned = rows.one_of("type_code", planned_types)
    expired = rows.one_of("discharge_disposition", EXPIRED)
    order = np.lexsort((expired, planned, rows.numbers_of("encounter_id"), end, start, owner))
    gap = transfer_hours * _MICROSECONDS_PER_HOUR
    joined: list[_Open] = []
    for at in order.tolist():
        last = joined[-1] if joined else None
        if last is not None and last.subject == owner[at] and start[at] - gap <= last.end:
            last.stays += 1
            if end[at] >= last.end:
                last.end, last.expired = int(end[at]), bool(expired[at])
        else:
            joined.append(
                _Open(int(owner[at]), int(start[at]), int(end[at]), bool(planned[at]), bool(expired[at]))
            )
    return _frozen(joined)


def _frozen(joined: Sequence[_Open]) -> Episodes:
    end = np.array([episode.end for episode in joined], np.int64)
    return Episodes(
        subject=np.array([episode.subject for episode in joined], np.int64),
        start=np.array([episode.start for episode in joined], np.int64),
        end=np.where(end == _OPEN, NO_TIME, end),
        planned=np.array([episode.planned for episode in joined], np.bool_),
        expired=np.array([episode.expired for episode in joined], np.bool_),
        stays=np.array([episode.stays for episode in joined], np.int64),
    )


__all__ = ["EXPIRED", "Episodes", "read_episodes"]
