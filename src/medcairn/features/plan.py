"""A feature set compiled: the streams it reads, their cells, and how each column is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from medcairn.features.feature import ALL_OF, PRIOR_STAY, Aggregate, Feature, Source
from medcairn.features.feature_set import FeatureSet
from medcairn.features.kernels.finisher import Op
from medcairn.features.kernels.moments import ASIDE, DISTINCT, PLAIN, SUPPLY, WITH_PRODUCTS
from medcairn.features.scores import EGFR, PointTerm, scores
from medcairn.features.silver_columns import Floats, Ints
from medcairn.features.streams import (
    BIRTH_YEAR,
    FEMALE,
    OVER_89,
    STAY,
    Carries,
    Stream,
    columns_of,
    tables_of,
)

_DAY = 86_400_000_000
_EVER = -1
_BEFORE_LACE_DAYS, _BEFORE_STAYS_DAYS = 182, 365
_EMERGENCY_VISIT = Stream(Source.ENCOUNTER, "emergency_visit")
_STAY_FACTS = {
    "length_days": Op.STAY_LENGTH,
    "emergency": Op.STAY_EMERGENCY,
    "to_facility": Op.STAY_TO_FACILITY,
}
_OPS: Mapping[Aggregate, Op] = {
    Aggregate.DISTINCT: Op.COUNT,
    **{a: Op[a.name] for a in Aggregate if a.name in Op.__members__},
}


@dataclass(frozen=True, order=True)
class Cell:
    """One window of one stream: the last ``length`` microseconds (-1: ever) before the prediction time, or,
    with ``of_stay``, from ``length`` before the index stay's start on."""

    stream: Stream
    of_stay: bool
    length: int


_Argument: TypeAlias = Cell | int
_Slot: TypeAlias = tuple[Op, tuple[_Argument, ...]]


@dataclass(frozen=True)
class Plan:
    """What the kernels need to know of a feature set; see ``moments.moments`` and ``finisher.finish``."""

    streams: tuple[Stream, ...]
    mode: Ints
    cells_of: Ints
    kind: Ints
    length: Ints
    stay_stream: int
    visit_stream: int
    slots: Ints
    columns: Ints
    terms_of: Ints
    terms: Ints
    inputs: Ints
    guards: Ints
    steps: Floats

    @property
    def cells(self) -> int:
        """How many cells a row has."""
        return len(self.kind)


@lru_cache(maxsize=64)
def plan_of(feature_set: FeatureSet) -> Plan:
    """The plan of a feature set; the same object for an equal set."""
    return _Compiler().plan(feature_set)


def streams_of(feature_set: FeatureSet) -> tuple[Stream, ...]:
    """The streams that a feature set reads; an event's ``stream`` is the position in this tuple."""
    return plan_of(feature_set).streams


@dataclass
class _PointTables:
    """Point tables as flat arrays; ends are cumulative."""

    terms_of: list[int] = field(default_factory=lambda: [0])
    terms: list[list[int]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    guards: list[int] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)

    def begin_term(self, required: bool, below: bool) -> None:
        self.terms.append([len(self.inputs), len(self.guards), len(self.steps), required, below])

    def end_score(self) -> int:
        """The number of the score whose terms were added since the last one."""
        self.terms_of.append(len(self.terms))
        return len(self.terms_of) - 2

    def term_ends(self) -> list[list[int]]:
        return [*self.terms, [len(self.inputs), len(self.guards), len(self.steps), 0, 0]]


class _Compiler:
    """One call of :func:`plan_of`."""

    def __init__(self) -> None:
        self._slots: dict[_Slot, int] = {}
        self._scores: dict[tuple[str, int], int] = {}
        self._points = _PointTables()

    def plan(self, feature_set: FeatureSet) -> Plan:
        columns = [self._feature(feature) for feature in feature_set.features]
        cells = sorted({a for _, arguments in self._slots for a in arguments if isinstance(a, Cell)})
        streams = {cell.stream for cell in cells}
        if any(cell.of_stay for cell in cells) or any(op >= Op.STAY_LENGTH for op, _ in self._slots):
            streams |= {STAY, _EMERGENCY_VISIT}
        ordered = tuple(sorted(streams))
        place = {stream: number for number, stream in enumerate(ordered)}
        number_of = {cell: number for number, cell in enumerate(cells)}
        per_stream = np.bincount([place[cell.stream] for cell in cells], minlength=len(ordered))
        return Plan(
            streams=ordered,
            mode=np.array([self._mode(stream) for stream in ordered], np.int64),
            cells_of=np.concatenate([[0], np.cumsum(per_stream)]).astype(np.int64),
            kind=np.array([cell.of_stay for cell in cells], np.int64),
            length=np.array([cell.length for cell in cells], np.int64),
            stay_stream=place.get(STAY, -1),
            visit_stream=place.get(_EMERGENCY_VISIT, -1) if STAY in place else -1,
            slots=np.array([_numbers(slot, number_of) for slot in self._slots], np.int64),
            columns=np.array(columns, np.int64),
            terms_of=np.array(self._points.terms_of, np.int64),
            terms=np.array(self._points.term_ends(), np.int64),
            inputs=np.array(self._points.inputs, np.int64),
            guards=np.array(self._points.guards, np.int64),
            steps=np.array(self._points.steps, np.float64).reshape(-1, 2),
        )

    def _mode(self, stream: Stream) -> int:
        if stream == STAY:
            return ASIDE
        if stream.carries is Carries.CODE:
            return DISTINCT
        if stream.carries is Carries.SUPPLY:
            return SUPPLY
        second_order = any(
            op in (Op.SD, Op.SLOPE) and isinstance(arguments[0], Cell) and arguments[0].stream == stream
            for op, arguments in self._slots
        )
        return WITH_PRODUCTS if second_order else PLAIN

    def _slot(self, op: Op, *arguments: _Argument) -> int:
        return self._slots.setdefault((op, arguments), len(self._slots))

    def _feature(self, feature: Feature) -> int:
        """The slot of a feature, after the slots it needs."""
        special: Mapping[Source, Callable[[Feature], int]] = {
            Source.DEMOGRAPHICS: self._demographic,
            Source.INDEX_STAY: lambda one: self._of_stay(one.concept),
            Source.SCORE: lambda one: self._score(one.concept, _length(one.window_days)),
        }
        if feature.source in special:
            return special[feature.source](feature)
        carries = {Aggregate.DISTINCT: Carries.CODE, Aggregate.PDC: Carries.SUPPLY}
        stream = Stream(feature.source, feature.concept, carries.get(feature.aggregate, Carries.VALUE))
        return self._slot(_OPS[feature.aggregate], Cell(stream, False, _length(feature.window_days)))

    def _demographic(self, feature: Feature) -> int:
        if feature.concept == "female":
            return self._slot(Op.RAW, _ever(FEMALE))
        return self._slot(Op.AGE, _ever(BIRTH_YEAR), _ever(OVER_89))

    def _of_stay(self, concept: str) -> int:
        if concept in _STAY_FACTS:
            return self._slot(_STAY_FACTS[concept])
        if concept == "emergency_visits_before":
            before = Cell(_EMERGENCY_VISIT, True, _BEFORE_LACE_DAYS * _DAY)
            return self._slot(Op.STAY_LESS, before, Cell(_EMERGENCY_VISIT, True, _DAY))
        if concept == "stays_before":
            prior = Stream(Source.ENCOUNTER, PRIOR_STAY)
            return self._slot(Op.STAY_COUNT, Cell(prior, True, _BEFORE_STAYS_DAYS * _DAY))
        source = next(source for source, name in ALL_OF.items() if name == concept)
        return self._slot(Op.STAY_COUNT, Cell(Stream(source, concept), True, 0))

    def _score(self, name: str, length: int) -> int:
        if name == EGFR:
            creatinine = Cell(Stream(Source.MEASUREMENT, "creatinine"), False, length)
            return self._slot(Op.EGFR, creatinine, _ever(BIRTH_YEAR), _ever(OVER_89), _ever(FEMALE))
        if (name, length) not in self._scores:
            looked_at = [
                (term, self._inputs(term, length), [self._condition(c, length) for c in term.unless])
                for term in scores()[name].terms
            ]  # before any term is added, for a score inside this one adds its own
            for term, inputs, guards in looked_at:
                self._points.begin_term(term.required, term.below is not None)
                self._points.inputs += inputs
                self._points.guards += guards
                first = term.steps if term.below is None else ((term.below, term.steps[0][1]),)
                self._points.steps += first
            self._scores[name, length] = self._slot(Op.POINTS, self._points.end_score())
        return self._scores[name, length]

    def _inputs(self, term: PointTerm, length: int) -> list[int]:
        if term.index_stay:
            return [self._of_stay(term.index_stay)]
        if term.last_in_stay:
            return [self._slot(Op.LAST, Cell(Stream(Source.MEASUREMENT, term.last_in_stay), True, 0))]
        if term.distinct:
            codes = Stream(Source.MEDICATION, term.distinct, Carries.CODE)
            return [self._slot(Op.COUNT, Cell(codes, False, length))]
        if term.score:
            return [self._score(term.score, length)]
        return [self._condition(concept, length) for concept in term.condition]

    def _condition(self, concept: str, length: int) -> int:
        return self._slot(Op.ANY, Cell(Stream(Source.CONDITION, concept), False, length))


def _ever(stream: Stream) -> Cell:
    return Cell(stream, False, _EVER)


def _length(window_days: int | None) -> int:
    return _EVER if window_days is None else window_days * _DAY


def _numbers(slot: _Slot, number_of: Mapping[Cell, int]) -> list[int]:
    op, arguments = slot
    numbers = [number_of[a] if isinstance(a, Cell) else a for a in arguments]
    return [int(op), *numbers, *[0] * (4 - len(numbers))]


__all__ = ["Cell", "Plan", "columns_of", "plan_of", "streams_of", "tables_of"]
