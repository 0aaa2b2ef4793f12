"""What a search for index dates looks at: subjects, stays, and facts as known or as they happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from medcairn.core.concepts import CONCEPTS
from medcairn.features.episodes import Episodes, read_episodes
from medcairn.features.events import Events, Stream, read_events, valid_rows
from medcairn.features.feature_set import Source
from medcairn.features.instants import NEVER
from medcairn.features.silver_columns import NO_TIME, Ints
from medcairn.features.subjects import Subjects, read_subjects
from medcairn.features.task_definition import Task
from medcairn.features.task_index import AdmissionIndex, DischargeIndex
from medcairn.features.task_outcome import AdmissionOutcome


@dataclass(frozen=True)
class Rows:
    """Index rows sorted by subject (a position) and time; ``episode`` is the stay's position, -1 for none."""

    subject: Ints
    time: Ints
    episode: Ints

    def where(self, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Rows:
        """The rows for which ``mask`` is true."""
        return Rows(self.subject[mask], self.time[mask], self.episode[mask])

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Encounters:
    """Encounters of one or more classes: of whom (a position), when begun, from when until when known."""

    subject: Ints
    start: Ints
    known: Ints
    until: Ints


@dataclass(frozen=True)
class Record:
    """Silver tables as one task needs them.

    *Happened* looks at current rows: the newest version of each resource, what labels look at. *Known*
    looks at every version, each in the time in which it was the newest that could be known.
    """

    tables: Mapping[str, pa.Table]
    task: Task

    @cached_property
    def subjects(self) -> Subjects:
        """Every subject with a patient row."""
        return read_subjects(self.tables)

    @cached_property
    def episodes(self) -> Episodes:
        """Inpatient stays as they happened, transfers joined."""
        index = self.task.index
        hours = index.transfer_hours if isinstance(index, (DischargeIndex, AdmissionIndex)) else 0
        planned = [outcome for outcome in self.task.outcomes if isinstance(outcome, AdmissionOutcome)]
        episodes = read_episodes(
            self.tables,
            self.subjects.ids,
            transfer_hours=hours,
            planned_types=[name for outcome in planned for name in outcome.planned_types],
        )
        concepts = [name for outcome in planned for name in outcome.planned_concepts]
        if not concepts:
            return episodes
        signs = self.happened(concepts)
        emergencies = self.encounters(("EMER",))
        return episodes.planned_by(signs.subject, signs.time, emergencies.subject, emergencies.start)

    def happened(self, concepts: Sequence[str]) -> Events:
        """Facts of any of the concepts, as they are on record now."""
        return read_events(self.tables, self.subjects.ids, _streams(concepts), current=True)

    def known(self, concepts: Sequence[str]) -> Events:
        """Facts of any of the concepts in all versions; one counts from ``known`` until ``until``."""
        return read_events(self.tables, self.subjects.ids, _streams(concepts))

    def encounters(self, classes: Sequence[str], *, current: bool = True) -> Encounters:
        """Encounters of these classes (any: empty) that have a start."""
        rows = valid_rows(self.tables, "encounter", current=current)
        owner, start = rows.position_in("subject_id", self.subjects.ids), rows.times("start_time")
        known, until = rows.times("available_time"), rows.times("superseded_time")
        good = (owner >= 0) & (start != NO_TIME) & (known != NO_TIME)
        if classes:
            good &= rows.one_of("class_code", classes)
        until = np.where(until == NO_TIME, NEVER, until)
        return Encounters(owner[good], start[good], known[good], until[good])


def _streams(concepts: Sequence[str]) -> list[Stream]:
    return [Stream(Source(CONCEPTS[name].kind.value), name) for name in concepts]


__all__ = ["Encounters", "Record", "Rows"]
