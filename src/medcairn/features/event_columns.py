"""Columns of silver rows as columns of events; :mod:`medcairn.features.subject_rows` goes row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medcairn.core.concepts import CONCEPTS
from medcairn.features.event_rules import (
    ALWAYS,
    CLASSES,
    DAY,
    EMERGENCY_ADMISSION_CODES,
    IDENTITY_OF,
    INPATIENT,
    LONGEST_SUPPLY_DAYS,
    NEVER,
    SCALE,
    STAY_LENGTH_STEP,
    TIME_OF,
    TO_FACILITY,
    VALUE_LIMIT,
    VOID,
    impossible_value,
)
from medcairn.features.feature import (
    ALL_OF,
    INGREDIENTS,
    MEASUREMENT_TIMES,
    MEDICATION_CLASSES,
    PRIOR_STAY,
    Source,
)
from medcairn.features.silver_columns import NO_TIME, Flags, Ints, SilverRows, positions_of
from medcairn.features.streams import BIRTH_YEAR, FEMALE, NO_END, OVER_89, STAY, TABLE_OF, Carries, Stream

_Wanted = Sequence[tuple[int, Stream]]


@dataclass(frozen=True)
class EventColumns:
    """Events of rows: ``row`` is the position of the silver row; a negative ``stream`` is no event."""

    row: Ints
    stream: Ints
    time: Ints
    known: Ints
    until: Ints
    value: Ints
    identity: Ints


def event_columns(rows: SilverRows, streams: Sequence[Stream]) -> Iterator[EventColumns]:
    """The events of those of ``streams`` that come from this table, in some parts."""
    wanted = [(place, s) for place, s in enumerate(streams) if TABLE_OF[s.source] == rows.name]
    if wanted:
        yield from _OF_TABLE.get(rows.name, _coded)(rows, wanted)


@dataclass(frozen=True)
class _Interval:
    """From when to when each row counts, and whether it ever does."""

    known: Ints
    until: Ints
    counts: Flags

    @classmethod
    def of(cls, rows: SilverRows) -> _Interval:
        known, until = rows.times("available_time"), rows.ints("superseded_time", NEVER)
        column, statuses = VOID[rows.name]
        return cls(known, until, (known != NO_TIME) & ~rows.one_of(column, statuses))

    def events(
        self, chosen: Flags, place: Ints | int, time: Ints, value: Ints | int = 0, identity: Ints | int = 0
    ) -> EventColumns:
        """One event a row that is ``chosen`` and counts."""
        length = len(self.known)
        return EventColumns(
            row=np.arange(length),
            stream=np.where(chosen & self.counts, place, -1),
            time=time,
            known=self.known,
            until=self.until,
            value=np.broadcast_to(value, length),
            identity=np.broadcast_to(identity, length),
        )


def _observations(rows: SilverRows, wanted: _Wanted) -> Iterator[EventColumns]:
    facts = _Interval.of(rows)
    time = _or_else(rows.times("effective_time"), facts.known)
    unspecific = (ALL_OF[Source.MEASUREMENT], MEASUREMENT_TIMES)
    measured = [(place, s) for place, s in wanted if s.concept not in unspecific]
    if measured:
        codes, texts = rows.codes("concept")
        place = _places(texts, measured)[codes]
        floats = rows.floats("canonical_value")
        usable = np.isfinite(floats) & (place >= 0)
        scaled = np.rint(np.where(usable, floats, 0.0) * SCALE)
        beyond = facts.counts & (np.abs(scaled) >= VALUE_LIMIT)
        if np.any(beyond):
            raise impossible_value(int(np.count_nonzero(beyond)))
        yield facts.events(usable, place, time, np.where(beyond, 0, scaled).astype(np.int64))
    for number, stream in wanted:
        if stream.concept == MEASUREMENT_TIMES:
            yield facts.events(facts.counts, number, time)
        elif stream.concept == ALL_OF[Source.MEASUREMENT]:
            identity = _paired(_text_numbers(rows, ("observation_id",)), rows.ints("component", -1))
            yield facts.events(facts.counts, number, time, 0, identity)


def _coded(rows: SilverRows, wanted: _Wanted) -> Iterator[EventColumns]:
    """Conditions, medications, procedures, immunizations, allergies: rows with a list of concepts."""
    facts = _Interval.of(rows)
    time = _or_else(rows.times(TIME_OF[rows.name]), facts.known)
    identity = _text_numbers(rows, IDENTITY_OF[rows.name])
    codes = np.zeros(len(rows), np.int64)
    if any(stream.carries is Carries.CODE for _, stream in wanted):
        codes = _text_numbers(rows, ("system", "code"))
    supply = np.zeros(len(rows), np.int64)
    if any(stream.carries is Carries.SUPPLY for _, stream in wanted):
        supply = _supplies(rows, time)
    value = {Carries.VALUE: np.zeros(len(rows), np.int64), Carries.CODE: codes, Carries.SUPPLY: supply}
    everything = [(place, s) for place, s in wanted if s.concept in ALL_OF.values()]
    for place, stream in everything:
        yield facts.events(facts.counts, place, time, value[stream.carries], identity)
    yield from _of_concepts(
        rows, facts, time, value, identity, [pair for pair in wanted if pair not in everything]
    )


def _of_concepts(
    rows: SilverRows,
    facts: _Interval,
    time: Ints,
    value: Mapping[Carries, Ints],
    identity: Ints,
    wanted: _Wanted,
) -> Iterator[EventColumns]:
    """One event for each concept of a row that has a stream."""
    if not wanted:
        return
    row, code, texts = rows.items("concepts")
    for carries in sorted({stream.carries for _, stream in wanted}):
        of_kind = [(place, s) for place, s in wanted if s.carries is carries]
        named = [(place, s) for place, s in of_kind if s.concept not in (INGREDIENTS, MEDICATION_CLASSES)]
        stream = _places(texts, named)[code]
        counts = facts.counts[row] & (value[carries][row] > 0 if carries is Carries.SUPPLY else True)
        yield _of_items(row, np.where(counts, stream, -1), facts, time, value[carries][row], identity)
        for place, one in of_kind:
            if one.concept in (INGREDIENTS, MEDICATION_CLASSES):
                chosen = _classes(texts) == (one.concept == MEDICATION_CLASSES)
                stream = np.where(np.append(chosen, False)[code] & facts.counts[row], place, -1)
                yield _of_items(row, stream, facts, time, _numbers(texts)[code], identity)


def _of_items(
    row: Ints, stream: Ints, facts: _Interval, time: Ints, value: Ints, identity: Ints
) -> EventColumns:
    return EventColumns(row, stream, time[row], facts.known[row], facts.until[row], value, identity[row])


def is_class(concept: str) -> bool:
    """Whether a medication concept is a class of others rather than an ingredient."""
    known = CONCEPTS.get(concept)
    return known is not None and bool(known.members)


def _classes(texts: pa.Array) -> Flags:
    return np.array([is_class(text) for text in texts.to_pylist()], np.bool_)


def _supplies(rows: SilverRows, time: Ints) -> Ints:
    """How long each supply lasts in microseconds: the days supplied, else from start to end, else 0."""
    days, end = rows.floats("days_supply"), rows.times("end_time")
    stated = np.isfinite(days) & (days > 0)
    seconds = np.rint(np.where(stated, np.minimum(days, LONGEST_SUPPLY_DAYS), 0.0) * 86_400)
    until_end = np.where((end != NO_TIME) & (time != NO_TIME), end - time, 0)
    until_end = np.clip(until_end, 0, LONGEST_SUPPLY_DAYS * DAY)
    return np.where(stated, seconds.astype(np.int64) * 1_000_000, until_end)


def _encounters(rows: SilverRows, wanted: _Wanted) -> Iterator[EventColumns]:
    """Visits by their start; prior stays by their end, with their length in days as value.

    A stay is known one microsecond after its end, so that the stay which ends at the prediction time is the
    index stay and not a prior one.
    """
    facts = _Interval.of(rows)
    start, end = rows.times("start_time"), rows.times("end_time")
    started, ended = start != NO_TIME, (end != NO_TIME) & (end >= start)
    begun = _Interval(np.maximum(facts.known, start), facts.until, facts.counts)
    identity = _text_numbers(rows, IDENTITY_OF[rows.name])
    for place, stream in wanted:
        if stream == STAY:
            chosen = rows.one_of("class_code", INPATIENT) & started
            yield begun.events(chosen, place, start, _stay_values(rows, end), identity)
            continue
        classes = CLASSES[stream.concept]
        chosen = started & (rows.one_of("class_code", classes) if classes else True)
        if stream.concept == PRIOR_STAY:
            length = np.where(ended, end - start, 0) // STAY_LENGTH_STEP
            known = np.where(ended, np.maximum(end, facts.known), 0) + 1
            over = _Interval(known, facts.until, facts.counts)
            yield over.events(chosen & ended, place, end, length, identity)
        else:
            yield begun.events(chosen, place, start, 0, identity)


def _stay_values(rows: SilverRows, end: Ints) -> Ints:
    """As :func:`~medcairn.features.streams.stay_value`, for columns."""
    codes, _ = rows.codes("discharge_disposition")
    onward = rows.one_of("discharge_disposition", TO_FACILITY)
    disposition = np.where(codes < 0, 0, 1 + onward)
    emergency = rows.one_of("type_code", EMERGENCY_ADMISSION_CODES)
    return np.where(end == NO_TIME, NO_END, end) << 3 | disposition << 1 | emergency


def _patients(rows: SilverRows, wanted: _Wanted) -> Iterator[EventColumns]:
    available = rows.times("available_time")
    known = np.where(available == NO_TIME, ALWAYS, available)
    facts = _Interval(known, rows.ints("superseded_time", NEVER), np.ones(len(rows), np.bool_))
    for place, stream in wanted:
        if stream == BIRTH_YEAR:
            year = rows.ints("birth_year", NO_TIME)
            yield facts.events(year != NO_TIME, place, known, year)
        elif stream == OVER_89:
            yield facts.events(rows.flags("age_90_plus"), place, known, 1)
        elif stream == FEMALE:
            sex = rows.position_in("gender", ["male", "female"])
            yield facts.events(sex >= 0, place, known, sex)


_OF_TABLE: Mapping[str, Callable[[SilverRows, _Wanted], Iterator[EventColumns]]] = {
    "observation": _observations,
    "encounter": _encounters,
    "patient": _patients,
}


def _places(texts: pa.Array, wanted: _Wanted) -> Ints:
    """For each text the stream of the concept of that name, -1 for none; one more -1 at the end."""
    names = pa.array([stream.concept for _, stream in wanted], pa.string())
    places = np.array([*(place for place, _ in wanted), -1], np.int64)
    return places[positions_of(texts, names)]


def _text_numbers(rows: SilverRows, names: Sequence[str]) -> Ints:
    """One number a row for the texts in some columns, the same wherever those texts are the same."""
    numbers = np.zeros(len(rows), np.int64)
    for name in names:
        column = rows.column(name)
        if pa.types.is_dictionary(column.type):
            codes, texts = rows.codes(name)
            of_column = _numbers(texts)[codes]
        else:
            of_column = _numbers(column)[:-1]
        numbers = _paired(numbers, of_column)
    return numbers


def _numbers(texts: pa.Array) -> Ints:
    """The number of each text, and at the end that of an absent one (position -1)."""
    from medcairn.features.kernels.text_numbers import text_numbers

    return np.append(text_numbers(texts), text_numbers(pa.array([""])))


def _paired(one: Ints, other: Ints) -> Ints:
    from medcairn.features.kernels.text_numbers import paired

    return paired(one, other)


def _or_else(times: Ints, others: Ints) -> Ints:
    return np.where(times == NO_TIME, others, times)


__all__ = ["EventColumns", "event_columns", "is_class"]
