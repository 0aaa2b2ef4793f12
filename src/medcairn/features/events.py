"""Silver rows as events: what, of whom, when it held, when it could be known, and its value as an integer.

Everything here is an integer, so that what is summed later does not depend on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.features.feature_set import ALL_OF, ENCOUNTER_KINDS, PRIOR_STAY, Source
from medcairn.features.silver_columns import NO_TIME, Flags, Ints, SilverRows

SCALE = 10_000
"""Values are kept as whole multiples of 1/10,000 of the concept's canonical unit."""

_LIMIT = 1 << 40
_MICROSECONDS_PER_DAY = 86_400_000_000

INPATIENT = ("IMP", "ACUTE", "NONAC")
EMERGENCY = ("EMER",)
OUTPATIENT = ("AMB", "VR", "HH")
"""Encounter classes of HL7 v3 ActCode."""

VOID: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "encounter": ("status", ("entered-in-error", "cancelled", "planned")),
    "condition": ("verification_status", ("entered-in-error", "refuted")),
    "observation": ("status", ("entered-in-error", "cancelled", "registered")),
    "medication": ("status", ("entered-in-error", "cancelled", "draft", "not-taken")),
    "procedure": ("status", ("entered-in-error", "not-done", "preparation")),
}
"""Rows with these statuses state no fact; silver keeps them and features never see them."""


@dataclass(frozen=True, order=True)
class Stream:
    """The events of one concept. ``distinct`` streams carry a code as value, others a measured value."""

    source: Source
    concept: str
    distinct: bool = False


@dataclass(frozen=True)
class Events:
    """Events sorted by subject, stream, time, value; equal ones that came twice are there once.

    ``subject`` and ``stream`` are positions in the lists that the events were made for; ``time`` and
    ``known`` are microseconds since 1970; ``value`` is in units of 1/:data:`SCALE`, or a code's number.
    """

    subject: Ints
    stream: Ints
    time: Ints
    known: Ints
    value: Ints

    def __len__(self) -> int:
        return len(self.subject)


@dataclass(frozen=True)
class _Raw:
    subject: Ints
    stream: Ints
    time: Ints
    known: Ints
    value: Ints
    identity: Ints


def valid_rows(tables: Mapping[str, pa.Table], name: str) -> SilverRows:
    """The rows of a silver table that state a fact; see :data:`VOID`."""
    rows = SilverRows.of(tables, name)
    column, statuses = VOID[name]
    return rows.where(~rows.one_of(column, statuses))


def read_events(tables: Mapping[str, pa.Table], subjects: pa.Array, streams: Sequence[Stream]) -> Events:
    """The events of ``streams`` for ``subjects``.

    Raises :class:`DataError` for a silver table without a needed column, or a value beyond 10⁸.
    """
    parts: list[_Raw] = []
    for source in Source:
        wanted = [(place, stream) for place, stream in enumerate(streams) if stream.source is source]
        if wanted:
            parts.extend(_of_source(tables, subjects, source, wanted))
    if not parts:
        none = np.zeros(0, np.int64)
        return Events(none, none, none, none, none)
    return _sorted(parts)


def _of_source(
    tables: Mapping[str, pa.Table], subjects: pa.Array, source: Source, wanted: list[tuple[int, Stream]]
) -> list[_Raw]:
    if source is Source.ENCOUNTER:
        return _encounters(tables, subjects, wanted)
    rows = valid_rows(tables, _TABLES[source].table)
    subject = rows.position_in("subject_id", subjects)
    rows, subject = rows.where(subject >= 0), subject[subject >= 0]
    known = rows.times("available_time")
    time = _or_else(rows.times(_TABLES[source].time), known)
    identity = rows.numbers_of(_TABLES[source].identity)
    value = np.zeros(len(rows), np.int64)
    usable = np.ones(len(rows), np.bool_)
    if source is Source.MEASUREMENT:
        identity = identity * (1 << 20) + rows.ints("component", -1)
        value, usable = _scaled(rows)
    elif any(stream.distinct for _, stream in wanted):
        value = _first_code(rows, identity)
    dated = (time != NO_TIME) & (known != NO_TIME)
    facts = _Raw(subject, np.zeros_like(time), time, known, value, identity)
    return [
        _part(facts, chosen & dated, place, keeps) for chosen, place, keeps in _split(rows, wanted, usable)
    ]


def _split(
    rows: SilverRows, wanted: list[tuple[int, Stream]], usable: Flags
) -> Iterator[tuple[Flags, Ints, bool]]:
    """Which rows go to which streams, and whether their value goes with them.

    A row may go to several: to its concept's, and to the one of all facts of the source.
    """
    concepts = [(place, stream) for place, stream in wanted if stream.concept != ALL_OF[stream.source]]
    for distinct in (False, True):
        chosen = [(place, stream) for place, stream in concepts if stream.distinct is distinct]
        if chosen:
            position = rows.position_in("concept", [stream.concept for _, stream in chosen])
            places = np.array([*(place for place, _ in chosen), -1])
            yield (position >= 0) & usable, places[position], True
    everything = np.ones(len(rows), np.bool_)
    for place, stream in wanted:
        if stream.concept == ALL_OF[stream.source]:
            yield everything, np.full(len(rows), place, np.int64), stream.distinct


def _part(facts: _Raw, chosen: Flags, place: Ints, with_value: bool) -> _Raw:
    value = facts.value[chosen]
    return _Raw(
        facts.subject[chosen],
        place[chosen],
        facts.time[chosen],
        facts.known[chosen],
        value if with_value else np.zeros_like(value),
        facts.identity[chosen],
    )


@dataclass(frozen=True)
class _Table:
    table: str
    time: str
    identity: str


_TABLES: Mapping[Source, _Table] = {
    Source.MEASUREMENT: _Table("observation", "effective_time", "observation_id"),
    Source.CONDITION: _Table("condition", "onset_time", "condition_id"),
    Source.MEDICATION: _Table("medication", "start_time", "medication_id"),
    Source.PROCEDURE: _Table("procedure", "start_time", "procedure_id"),
}


def _scaled(rows: SilverRows) -> tuple[Ints, Flags]:
    """Canonical values as whole multiples of 1/SCALE (half to even), and where there is one."""
    floats = rows.floats("canonical_value")
    usable = np.isfinite(floats)
    scaled = np.rint(np.where(usable, floats, 0.0) * SCALE)
    if np.any(np.abs(scaled) >= _LIMIT):
        raise DataError(
            "A measurement's canonical value is too large to be one",
            hint="Check the concept's plausible limits, and build silver again",
            table=Label("observation"),
            rows=int(np.count_nonzero(np.abs(scaled) >= _LIMIT)),
        )
    return scaled.astype(np.int64), usable


def _first_code(rows: SilverRows, identity: Ints) -> Ints:
    """One code for each resource: of its codings the one that sorts first, so that two codings of one
    condition do not count as two conditions."""
    codes = rows.numbers_of("system", "code")
    _, inverse = np.unique(identity, return_inverse=True)
    first = np.full(int(inverse.max(initial=-1)) + 1, np.iinfo(np.int64).max, np.int64)
    np.minimum.at(first, inverse, codes)
    return first[inverse]


def _encounters(
    tables: Mapping[str, pa.Table], subjects: pa.Array, wanted: list[tuple[int, Stream]]
) -> list[_Raw]:
    """Visits by their start; prior stays by their end, with their length in days as value.

    A stay is known one microsecond after its end, so that the stay which ends at the prediction time is
    the index stay and not a prior one.
    """
    rows = valid_rows(tables, "encounter")
    subject = rows.position_in("subject_id", subjects)
    rows, subject = rows.where(subject >= 0), subject[subject >= 0]
    start, end = rows.times("start_time"), rows.times("end_time")
    available = _or_else(rows.times("available_time"), start)
    ended = (end != NO_TIME) & (start != NO_TIME)
    length = np.where(ended, end - start, 0) * SCALE // _MICROSECONDS_PER_DAY
    identity = rows.numbers_of("encounter_id")
    parts: list[_Raw] = []
    for place, stream in wanted:
        chosen = rows.one_of("class_code", _CLASSES[stream.concept]) & (start != NO_TIME)
        if stream.concept == PRIOR_STAY:
            chosen &= end >= start
            facts = _Raw(subject, start, end, np.maximum(end, available) + 1, length, identity)
        else:
            facts = _Raw(subject, start, start, np.maximum(available, start), length, identity)
        number = np.full(len(rows), place, np.int64)
        parts.append(_part(facts, chosen, number, stream.concept == PRIOR_STAY))
    return parts


_CLASSES = dict(zip(ENCOUNTER_KINDS, (INPATIENT, EMERGENCY, OUTPATIENT), strict=True))


def _or_else(times: Ints, others: Ints) -> Ints:
    return np.where(times == NO_TIME, others, times)


def _sorted(parts: Sequence[_Raw]) -> Events:
    """All events in one order; of those that are equal in everything, identity included, one."""
    subject = np.concatenate([part.subject for part in parts])
    stream = np.concatenate([part.stream for part in parts])
    time = np.concatenate([part.time for part in parts])
    known = np.concatenate([part.known for part in parts])
    value = np.concatenate([part.value for part in parts])
    identity = np.concatenate([part.identity for part in parts])
    key = subject * (int(stream.max(initial=0)) + 1) + stream
    order = np.lexsort((value, time, key))
    same = _same_as_before(order, key, time, value)
    kept = order[~_repeated(order, same, known, identity)]
    return Events(subject[kept], stream[kept], time[kept], known[kept], value[kept])


def _same_as_before(order: Ints, *keys: Ints) -> Flags:
    """Where all keys equal those of the entry before, in ``order``."""
    same = np.ones(len(order), np.bool_)
    same[:1] = False
    for key in keys:
        ordered = key[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    return same


def _repeated(order: Ints, same: Flags, known: Ints, identity: Ints) -> Flags:
    """Entries of ``order`` to leave out: equal to another one in subject, stream, time and value, and in
    when it was known and of which resource it is. Only runs of equals are looked at; they are few."""
    out = np.zeros(len(order), np.bool_)
    in_run = same.copy()
    in_run[:-1] |= same[1:]
    places = np.flatnonzero(in_run)
    run = np.cumsum(~same).astype(np.int64)[places]
    inner = np.lexsort((identity[order[places]], known[order[places]], run))
    again = _same_as_before(inner, run, known[order[places]], identity[order[places]])
    out[places[inner[again]]] = True
    return out


__all__ = [
    "EMERGENCY",
    "INPATIENT",
    "OUTPATIENT",
    "SCALE",
    "VOID",
    "Events",
    "Stream",
    "read_events",
    "valid_rows",
]
