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
_Emit: TypeAlias = Callable[[tuple[int, int, int, int, int, int]], None]
_EVENT_FIELDS = 6  # stream, time, known, until, value, identity


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

        flat: list[int] = []
        for name, read in self._readers.items():
            if some := rows.get(name):
                read(some, flat.extend)
        columns = np.array(flat, np.int64).reshape(-1, _EVENT_FIELDS)
        stream, time, known, until, value, identity = (columns[:, n].copy() for n in range(_EVENT_FIELDS))
        nobody_else = np.zeros(len(columns), np.int64)
        events = SortedEvents.of((nobody_else, stream, time, known, until, value, identity), 1, self._plan)
        at = np.array([prediction_time], np.int64)
        values = feature_values(np.zeros(1, np.int64), at, events, self._plan)[:, 0].tolist()
        return {name: None if v != v else v for name, v in zip(self._names, values, strict=True)}


def _reader(name: str, columns: Sequence[str], streams: Sequence[Stream]) -> Callable[[Rows, _Emit], None]:
    """What turns rows of the silver table into events of those of ``streams`` that come from it."""
    wanted = [(place, stream) for place, stream in enumerate(streams) if TABLE_OF[stream.source] == name]
    kinds: Mapping[str, type[_Table]] = {
        "observation": _Observations,
        "encounter": _Encounters,
        "patient": _Patients,
    }
    return kinds.get(name, _Coded)(name, columns, wanted).read


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

    def read(self, rows: Rows, emit: _Emit) -> None:
        """Emit the events of the rows."""
        raise NotImplementedError

    def interval(self, row: Cells) -> tuple[int, int] | None:
        """From when to when the row counts; None when it never does."""
        known, until = row[self.known], row[self.until]
        if known is None or row[self.status] in self.void:
            return None
        assert isinstance(known, int)
        return known, _or(until, NEVER)


class _Observations(_Table):
    """The one table with many rows."""

    def __init__(self, name: str, columns: Sequence[str], wanted: Sequence[tuple[int, Stream]]) -> None:
        super().__init__(name, columns, wanted)
        self._times = [place for place, s in wanted if s.concept == MEASUREMENT_TIMES]
        self._places = {s.concept: place for place, s in wanted if place not in (*self.every, *self._times)}

    def read(self, rows: Rows, emit: _Emit) -> None:
        of, component = self.at.get("observation_id", 0), self.at.get("component", 0)  # for ``every`` only
        concept, number, time = self.at["concept"], self.at["canonical_value"], self.time
        known, until, status, void = self.known, self.until, self.status, self.void
        place_of, numbers = self._places.get, dict[object, int]()
        row: Any
        for row in rows:
            since, held, ends, place, value = (
                row[known],
                row[time],
                row[until],
                place_of(row[concept]),
                row[number],
            )
            if since is None or row[status] in void:
                continue
            if held is None:
                held = since
            if ends is None:
                ends = NEVER
            if place is not None and value is not None and value - value == 0.0:  # finite
                scaled = round(value * SCALE)
                if not -VALUE_LIMIT < scaled < VALUE_LIMIT:
                    raise impossible_value(1)
                emit((place, held, since, ends, scaled, 0))
            for place in self._times:
                emit((place, held, since, ends, 0, 0))
            for place in self.every:
                identity = numbers.setdefault((row[of], row[component]), len(numbers))
                emit((place, held, since, ends, 0, identity))


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

    def read(self, rows: Rows, emit: _Emit) -> None:
        at = self.at
        numbers: dict[object, int] = {}
        for row in rows:
            interval = self.interval(row)
            if interval is None:
                continue
            known, until = interval
            time = _or(row[self.time], known)
            identity = numbers.setdefault(tuple([row[place] for place in self.identity]), len(numbers))
            code = (row[at["system"]] or "", row[at["code"]] or "")
            value = {
                Carries.VALUE: 0,
                Carries.CODE: numbers.setdefault(code, len(numbers)),
                Carries.SUPPLY: self._supply(row, time),
            }
            for place, carries in self._all:
                emit((place, time, known, until, value[carries], identity))
            concepts = row[at["concepts"]] or ()
            assert isinstance(concepts, Sequence)
            for concept in concepts:
                for place, carries in self._named.get(concept, ()):
                    if carries is not Carries.SUPPLY or value[carries] > 0:
                        emit((place, time, known, until, value[carries], identity))
                for place, _ in self._classes if is_class(concept) else self._ingredients:
                    emit((place, time, known, until, numbers.setdefault(concept, len(numbers)), identity))

    def _supply(self, row: Cells, time: int) -> int:
        """How long a supply lasts in microseconds: the days supplied, else from start to end."""
        if "days_supply" not in self.at:
            return 0
        days, end = row[self.at["days_supply"]], row[self.at["end_time"]]
        if isinstance(days, int | float) and math.isfinite(days) and days > 0:
            return round(min(days, LONGEST_SUPPLY_DAYS) * 86_400) * 1_000_000
        return min(max(end - time, 0), LONGEST_SUPPLY_DAYS * DAY) if isinstance(end, int) else 0


class _Encounters(_Table):
    def read(self, rows: Rows, emit: _Emit) -> None:
        at = self.at
        numbers: dict[object, int] = {}
        for row in rows:
            interval, start, end = self.interval(row), row[at["start_time"]], row[at["end_time"]]
            if interval is None or not isinstance(start, int):
                continue
            known, until = interval
            identity = numbers.setdefault(row[at["encounter_id"]], len(numbers))
            for place, stream in self.wanted:
                classes = INPATIENT if stream == STAY else CLASSES[stream.concept]
                if classes and row[at["class_code"]] not in classes:
                    continue
                begun = max(known, start)
                if stream == STAY:
                    emit((place, start, begun, until, self._stay(row, end), identity))
                elif stream.concept != PRIOR_STAY:
                    emit((place, start, begun, until, 0, identity))
                elif isinstance(end, int) and end >= start:
                    length = (end - start) // STAY_LENGTH_STEP
                    emit((place, end, max(end, known) + 1, until, length, identity))

    def _stay(self, row: Cells, end: object) -> int:
        disposition = row[self.at["discharge_disposition"]]
        return stay_value(
            end if isinstance(end, int) else None,
            emergency=row[self.at["type_code"]] in EMERGENCY_ADMISSION_CODES,
            to_facility=None if disposition is None else disposition in TO_FACILITY,
        )


class _Patients(_Table):
    def read(self, rows: Rows, emit: _Emit) -> None:
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
                    emit((place, known, known, until, fact, 0))


def _or(time: object, other: int) -> int:
    return time if isinstance(time, int) else other


__all__ = ["Rows", "SubjectFeatures"]
