"""Features of one subject from single rows, for the online path: no Arrow, the same integers and kernels.

:mod:`medcairn.features.event_columns` makes the same events of columns; a property test holds the two
together. Rows are tuples in the column order of :data:`~medcairn.core.silver.SILVER_SCHEMAS`, with times as
whole microseconds since 1970 (UTC) and concepts as a sequence of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from medcairn.core.concepts import CONCEPTS
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features.event_columns import is_class
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
from medcairn.features.feature import ALL_OF, INGREDIENTS, MEASUREMENT_TIMES, MEDICATION_CLASSES, PRIOR_STAY
from medcairn.features.feature_set import FeatureSet
from medcairn.features.silver_columns import Floats, Ints
from medcairn.features.streams import (
    BIRTH_YEAR,
    FEMALE,
    OVER_89,
    STAY,
    TABLE_OF,
    Carries,
    Stream,
    stay_value,
    tables_of,
)

Cells: TypeAlias = Sequence[object]
Rows: TypeAlias = Iterable[Cells]
_EVENT_FIELDS = 6  # stream, time, known, until, value, identity
_NO_EVENTS = np.empty((_EVENT_FIELDS, 0), np.int64)
_CLASSES = frozenset(concept for concept in CONCEPTS if is_class(concept))
"""The medication concepts that are classes of others."""


class SubjectFeatures:
    """Computes a feature set for one subject at a time. Safe to share between threads.

    ``columns`` says for some tables in which order the rows have their cells, where not in silver's.
    :attr:`tables` are the silver tables that it reads.
    """

    def __init__(self, feature_set: FeatureSet, columns: Mapping[str, Sequence[str]] | None = None) -> None:
        from medcairn.features.plan import plan_of

        orders = {name: schema.names for name, schema in SILVER_SCHEMAS.items()} | dict(columns or {})
        self._plan = plan_of(feature_set)
        self._names = feature_set.names
        self.tables = tables_of(self._plan.streams)
        self._readers = {name: _reader(name, orders[name], self._plan.streams) for name in self.tables}

    def warm(self) -> None:
        """Compile the kernels, or load them from the cache; for the start of a service."""
        self.features({}, 0)

    def features(self, rows: Mapping[str, Rows], prediction_time: int) -> dict[str, float | None]:
        """The features at ``prediction_time`` (microseconds since 1970), None for missing.

        ``rows`` are rows of silver tables by name, all of one subject; an absent table has no rows.

        Raises :class:`~medcairn.core.errors.DataError` for an impossible value.
        """
        from medcairn.features.compute import SortedEvents, feature_values

        parts = [read(some) for name, read in self._readers.items() if (some := rows.get(name))]
        stream, time, known, until, value, identity = np.concatenate((_NO_EVENTS, *parts), axis=1)
        nobody_else = np.zeros(len(stream), np.int64)
        events = SortedEvents.of((nobody_else, stream, time, known, until, value, identity), 1, self._plan)
        at = np.array([prediction_time], np.int64)
        values = feature_values(np.zeros(1, np.int64), at, events, self._plan)[:, 0].tolist()
        return {name: None if v != v else v for name, v in zip(self._names, values, strict=True)}


def _reader(name: str, columns: Sequence[str], streams: Sequence[Stream]) -> Callable[[Rows], Ints]:
    """What turns rows of the silver table into events of those of ``streams`` that come from it."""
    wanted = [(place, stream) for place, stream in enumerate(streams) if TABLE_OF[stream.source] == name]
    kinds: Mapping[str, type[_Table]] = {
        "observation": _Observations,
        "encounter": _Encounters,
        "patient": _Patients,
    }
    return kinds.get(name, _Coded)(name, columns, wanted).read


def _columns(flat: Sequence[int]) -> Ints:
    """Events that stand one after the other."""
    return np.fromiter(flat, np.int64, len(flat)).reshape(-1, _EVENT_FIELDS).T


class _Table:
    """Where the columns of a table are, and which statuses make a row void."""

    def __init__(self, name: str, columns: Sequence[str], wanted: Sequence[tuple[int, Stream]]) -> None:
        self.at = {column: place for place, column in enumerate(columns)}
        self.wanted = wanted
        self.known, self.until = self.at["available_time"], self.at["superseded_time"]
        column, statuses = VOID.get(name, ("subject_id", ()))
        self.status, self.void = self.at[column], frozenset(statuses)
        self.time = self.at[TIME_OF[name]] if name in TIME_OF else -1
        self.identity = [self.at[part] for part in IDENTITY_OF.get(name, ())]
        self.every = [place for place, s in wanted if s.concept in ALL_OF.values()]

    def read(self, rows: Rows) -> Ints:
        """The events of the rows, a row for each field."""
        raise NotImplementedError

    def interval(self, row: Cells) -> tuple[int, int] | None:
        """From when to when the row counts; None when it never does."""
        known, until = row[self.known], row[self.until]
        if known is None or row[self.status] in self.void:
            return None
        assert isinstance(known, int)
        return known, _or(until, NEVER)


class _Observations(_Table):
    """The one table with many rows, which is read a column at a time."""

    def __init__(self, name: str, columns: Sequence[str], wanted: Sequence[tuple[int, Stream]]) -> None:
        super().__init__(name, columns, wanted)
        times = [place for place, s in wanted if s.concept == MEASUREMENT_TIMES]
        self._of_all = (*((place, False) for place in times), *((place, True) for place in self.every))
        self._places = {s.concept: place for place, s in wanted if place not in (*self.every, *times)}

    def read(self, rows: Rows) -> Ints:
        held, since, status, void = self.time, self.known, self.status, self.void
        rows = [row for row in rows if row[since] is not None and row[status] not in void]
        columns = list(zip(*rows, strict=True))
        if not columns:
            return _NO_EVENTS
        known = columns[since]
        time = [since if at is None else at for at, since in zip(columns[held], known, strict=True)]
        until = [NEVER if end is None else end for end in columns[self.until]]
        facts = np.array((time, known, until), np.int64)
        parts = [self._measured(columns, facts)] if self._places else []
        for place, each in self._of_all:
            identity = self._numbers(columns) if each else 0
            parts.append(_events(place, facts, 0, identity))
        return np.concatenate(parts, axis=1)

    def _measured(self, columns: Sequence[Any], facts: Ints) -> Ints:
        """The events of the rows with a number whose concept has a stream."""
        concepts, place_of = columns[self.at["concept"]], self._places.get
        place = np.fromiter((place_of(concept, -1) for concept in concepts), np.int64, len(concepts))
        number = np.array(columns[self.at["canonical_value"]], np.float64)  # NaN for None
        usable = np.flatnonzero((place >= 0) & np.isfinite(number))
        with np.errstate(over="ignore"):
            scaled = np.rint(number[usable] * SCALE)
        beyond = int(np.count_nonzero(np.abs(scaled) >= VALUE_LIMIT))
        if beyond:
            raise impossible_value(beyond)
        return _events(place[usable], facts[:, usable], scaled, 0)

    def _numbers(self, columns: Sequence[Any]) -> list[int]:
        """A number for each different value."""
        numbers: dict[object, int] = {}
        of, component = columns[self.at["observation_id"]], columns[self.at["component"]]
        return [numbers.setdefault(one, len(numbers)) for one in zip(of, component, strict=True)]


class _Coded(_Table):
    """Conditions, medications, procedures, immunizations, allergies."""

    def __init__(self, name: str, columns: Sequence[str], wanted: Sequence[tuple[int, Stream]]) -> None:
        super().__init__(name, columns, wanted)
        self._named: dict[str, list[tuple[int, Carries]]] = {}
        for place, stream in wanted:
            self._named.setdefault(stream.concept, []).append((place, stream.carries))
        self._all = next((found for all_ in ALL_OF.values() if (found := self._named.pop(all_, None))), [])
        self._ingredients = self._named.pop(INGREDIENTS, [])
        self._classes = self._named.pop(MEDICATION_CLASSES, [])
        carried = {stream.carries for _, stream in wanted}
        self._has_codes, self._has_supplies = Carries.CODE in carried, Carries.SUPPLY in carried

    def read(self, rows: Rows) -> Ints:
        at = self.at
        flat: list[int] = []
        numbers: dict[object, int] = {}
        concepts_at = at.get("concepts")
        for row in rows:
            interval = self.interval(row)
            if interval is None:
                continue
            known, until = interval
            time = _or(row[self.time], known)
            identity = numbers.setdefault(tuple([row[place] for place in self.identity]), len(numbers))
            # By what a stream carries: nothing, a code, a supply.
            value = (0, self._code(row, numbers), self._supply(row, time))
            for place, carries in self._all:
                flat += (place, time, known, until, value[carries], identity)
            concepts: Any = concepts_at and row[concepts_at]
            for concept in concepts or ():
                for place, carries in self._named.get(concept, ()):
                    if carries is not Carries.SUPPLY or value[carries] > 0:
                        flat += (place, time, known, until, value[carries], identity)
                for place, _ in self._classes if concept in _CLASSES else self._ingredients:
                    flat += (place, time, known, until, numbers.setdefault(concept, len(numbers)), identity)
        return _columns(flat)

    def _code(self, row: Cells, numbers: dict[object, int]) -> int:
        """A number for the code, 0 where no stream carries any."""
        if not self._has_codes:
            return 0
        return numbers.setdefault((row[self.at["system"]] or "", row[self.at["code"]] or ""), len(numbers))

    def _supply(self, row: Cells, time: int) -> int:
        """How long a supply lasts in microseconds: the days supplied, else from start to end."""
        if not self._has_supplies:
            return 0
        days, end = row[self.at["days_supply"]], row[self.at["end_time"]]
        if isinstance(days, int | float) and math.isfinite(days) and days > 0:
            return round(min(days, LONGEST_SUPPLY_DAYS) * 86_400) * 1_000_000
        return min(max(end - time, 0), LONGEST_SUPPLY_DAYS * DAY) if isinstance(end, int) else 0


class _Encounters(_Table):
    def __init__(self, name: str, columns: Sequence[str], wanted: Sequence[tuple[int, Stream]]) -> None:
        super().__init__(name, columns, wanted)
        self._stays = [(place, INPATIENT) for place, s in wanted if s == STAY]
        others = [(place, s.concept) for place, s in wanted if s != STAY]
        self._over = [(place, CLASSES[kind]) for place, kind in others if kind == PRIOR_STAY]
        self._begun = [(place, CLASSES[kind]) for place, kind in others if kind != PRIOR_STAY]

    def read(self, rows: Rows) -> Ints:
        at = self.at
        flat: list[int] = []
        numbers: dict[object, int] = {}
        for row in rows:
            interval, start, end = self.interval(row), row[at["start_time"]], row[at["end_time"]]
            if interval is None or not isinstance(start, int):
                continue
            known, until = interval
            identity = numbers.setdefault(row[at["encounter_id"]], len(numbers))
            begun, kind = max(known, start), row[at["class_code"]]
            for place, classes in self._begun:
                if not classes or kind in classes:
                    flat += (place, start, begun, until, 0, identity)
            for place, classes in self._stays:
                if kind in classes:
                    flat += (place, start, begun, until, self._stay(row, end), identity)
            for place, classes in self._over:
                if kind in classes and isinstance(end, int) and end >= start:
                    length = (end - start) // STAY_LENGTH_STEP
                    flat += (place, end, max(end, known) + 1, until, length, identity)
        return _columns(flat)

    def _stay(self, row: Cells, end: object) -> int:
        disposition = row[self.at["discharge_disposition"]]
        return stay_value(
            end if isinstance(end, int) else None,
            emergency=row[self.at["type_code"]] in EMERGENCY_ADMISSION_CODES,
            to_facility=None if disposition is None else disposition in TO_FACILITY,
        )


class _Patients(_Table):
    def read(self, rows: Rows) -> Ints:
        flat: list[int] = []
        for row in rows:
            known, until = _or(row[self.known], ALWAYS), _or(row[self.until], NEVER)
            year, sex = row[self.at["birth_year"]], row[self.at["gender"]]
            value = {
                BIRTH_YEAR: year if isinstance(year, int) else None,
                OVER_89: 1 if row[self.at["age_90_plus"]] else None,
                FEMALE: {"male": 0, "female": 1}.get(str(sex)),
            }
            for place, stream in self.wanted:
                if (fact := value[stream]) is not None:
                    flat += (place, known, known, until, fact, 0)
        return _columns(flat)


def _events(place: Ints | int, facts: Ints, value: Floats | int, identity: Sequence[int] | int) -> Ints:
    """Events at the times, known and until of ``facts``; every other field is of all of them or of each."""
    found = np.empty((_EVENT_FIELDS, facts.shape[1]), np.int64)
    found[0], found[1:4], found[4], found[5] = place, facts, value, identity
    return found


def _or(time: object, other: int) -> int:
    return time if isinstance(time, int) else other


__all__ = ["Rows", "SubjectFeatures"]
