"""The features again, slowly and in plain Python, from what README.md says: rows of dicts in, floats out.

Nothing here is shared with the package but the feature's definition and the point tables' data. Where the
package promises bits, this says which operations they are: exact integers, then the nearest double.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from medcairn.core.concepts import CONCEPTS
from medcairn.features.feature import Aggregate, Feature, Source
from medcairn.features.scores import PointTerm, scores

from .silver_rows import Row

Record = Mapping[str, Sequence[Row]]
_A = Aggregate
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_VOID = {
    "encounter": ("status", {"entered-in-error", "cancelled", "planned"}),
    "condition": ("verification_status", {"entered-in-error", "refuted"}),
    "observation": ("status", {"entered-in-error", "cancelled", "registered"}),
    "medication": (
        "status",
        {"entered-in-error", "cancelled", "draft", "not-taken", "declined", "not-done", "preparation"},
    ),
    "procedure": ("status", {"entered-in-error", "not-done", "preparation"}),
    "immunization": ("status", {"entered-in-error", "not-done"}),
    "allergy": ("verification_status", {"entered-in-error", "refuted"}),
}
_TABLE = {
    Source.MEASUREMENT: ("observation", "effective_time", "measurements"),
    Source.CONDITION: ("condition", "onset_time", "conditions"),
    Source.MEDICATION: ("medication", "start_time", "medications"),
    Source.PROCEDURE: ("procedure", "start_time", "procedures"),
    Source.IMMUNIZATION: ("immunization", "occurrence_time", "immunizations"),
    Source.ALLERGY: ("allergy", "onset_time", "allergies"),
}
_CLASSES = {
    "prior_stay": {"IMP", "ACUTE", "NONAC"},
    "emergency_visit": {"EMER"},
    "outpatient_visit": {"AMB", "VR", "HH"},
}


def micros(time: object) -> int | None:
    assert time is None or isinstance(time, datetime)
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, order=True)
class Fact:
    """When it held, its value (integers; codes as text), and what it is of."""

    time: int
    value: int
    code: tuple[str, ...] = ()
    of: tuple[object, ...] = ()


class Plain:
    """Features of one subject at one time."""

    def __init__(self, record: Record, subject: str, at: datetime) -> None:
        self._t = micros(at) or 0
        self._rows = {
            name: [row for row in rows if row["subject_id"] == subject and self._seen(name, row)]
            for name, rows in record.items()
        }
        self._stay = self._index_stay()

    def _seen(self, name: str, row: Row) -> bool:
        known, until = micros(row.get("available_time")), micros(row.get("superseded_time"))
        if name == "patient":
            return (known is None or known <= self._t) and (until is None or self._t < until)
        column, void = _VOID.get(name, ("status", set()))
        if known is None or row.get(column) in void:
            return False
        return known <= self._t and (until is None or self._t < until)

    def value(self, feature: Feature) -> float | None:
        """The feature; None is missing."""
        window = None if feature.window_days is None else feature.window_days * _DAY
        if feature.source is Source.DEMOGRAPHICS:
            return self._female() if feature.concept == "female" else self._age(self._t)
        if feature.source is Source.INDEX_STAY:
            return self._of_stay(feature.concept)
        if feature.source is Source.SCORE:
            return self._score(feature.concept, window)
        if feature.aggregate is _A.PDC:
            assert window is not None
            return self._covered(feature.concept, window)
        facts = self._within(self._facts(feature.source, feature.concept), window)
        if feature.aggregate is _A.DISTINCT:
            return float(len({fact.code for fact in facts}))
        return AGGREGATES[feature.aggregate](sorted(facts), self._t)

    def _within(self, facts: Sequence[Fact], window: int | None) -> list[Fact]:
        held = [fact for fact in facts if fact.time <= self._t]
        return held if window is None else [fact for fact in held if fact.time > self._t - window]

    def _facts(self, source: Source, concept: str) -> list[Fact]:
        """Every visible fact; of equal ones (in time, value and what they are of) one."""
        if source is Source.ENCOUNTER:
            return list(set(self._encounters(concept)))
        name, column, everything = _TABLE[source]
        found: set[Fact] = set()
        for row in self._rows.get(name, ()):
            held = micros(row.get(column)) or micros(row.get("available_time")) or 0
            if source is Source.MEASUREMENT:
                of = (row.get("observation_id"), row.get("component"))
                value = row.get("canonical_value")
                if concept == "measurement_times":
                    found.add(Fact(held, 0))
                elif concept == everything:
                    found.add(Fact(held, 0, (), of))
                elif row.get("concept") == concept and isinstance(value, float):
                    found.add(Fact(held, round(value * 10_000)))
                continue
            of = (row.get("resource_type"), row[f"{name}_id"])
            code = (str(row.get("system") or ""), str(row.get("code") or ""))
            names = row.get("concepts")
            assert isinstance(names, list)
            if concept == "ingredients":
                found.update(Fact(held, 0, (n,), of) for n in names if not _is_class(n))
            elif concept == "medication_classes":
                found.update(Fact(held, 0, (n,), of) for n in names if _is_class(n))
            elif concept == everything or concept in names:
                found.add(Fact(held, 0, code, of))
        return list(found)

    def _encounters(self, concept: str) -> Iterator[Fact]:
        for row in self._rows.get("encounter", ()):
            start, end = micros(row.get("start_time")), micros(row.get("end_time"))
            if start is None or (concept != "visit" and row.get("class_code") not in _CLASSES[concept]):
                continue
            of = (row["encounter_id"],)
            if concept != "prior_stay":
                if start <= self._t:
                    yield Fact(start, 0, (), of)
            elif (
                end is not None and start <= end < self._t and (micros(row["available_time"]) or 0) < self._t
            ):
                yield Fact(end, (end - start) * 10_000 // _DAY, (), of)

    def _age(self, time: int) -> float | None:
        for row in self._rows.get("patient", ()):
            if isinstance(born := row.get("birth_year"), int):
                return float(min((_EPOCH + timedelta(microseconds=time)).year - born, 90))
        over = any(row.get("age_90_plus") for row in self._rows.get("patient", ()))
        return 90.0 if over else None

    def _female(self) -> float | None:
        genders = {row.get("gender") for row in self._rows.get("patient", ())}
        return 1.0 if "female" in genders else 0.0 if "male" in genders else None

    def _index_stay(self) -> Row | None:
        """The stay that covers t: one that ends then, else the one that began last."""

        def rank(row: Row) -> tuple[bool, int, int]:
            ended = micros(row.get("end_time")) == self._t
            flags = int(row.get("type_code") == "183452005")
            if ended and row.get("discharge_disposition") is not None:
                flags += 2 * (1 + (row["discharge_disposition"] == "snf"))
            return ended, micros(row["start_time"]) or 0, flags

        covering = [
            row
            for row in self._rows.get("encounter", ())
            if row.get("class_code") in _CLASSES["prior_stay"]
            and (start := micros(row.get("start_time"))) is not None
            and start <= self._t
            and ((end := micros(row.get("end_time"))) is None or end >= self._t)
        ]
        return max(covering, key=rank) if covering else None

    def _of_stay(self, concept: str) -> float | None:
        if self._stay is None:
            return None
        start = micros(self._stay["start_time"]) or 0
        if concept == "length_days":
            return (self._t - start) / _DAY
        visits = [fact.time for fact in self._facts(Source.ENCOUNTER, "emergency_visit")]
        if concept == "emergency":
            led = any(start - _DAY <= visit <= start for visit in visits)
            return float(led or self._stay.get("type_code") == "183452005")
        if concept == "to_facility":
            where = self._stay.get("discharge_disposition")
            ended = micros(self._stay.get("end_time")) == self._t
            return None if not ended or where is None else float(where == "snf")
        if concept == "emergency_visits_before":
            return float(sum(start - 182 * _DAY <= visit < start - _DAY for visit in visits))
        if concept == "stays_before":
            stays = self._facts(Source.ENCOUNTER, "prior_stay")
            return float(sum(fact.time >= start - 365 * _DAY for fact in stays))
        source = next(s for s, (_, _, everything) in _TABLE.items() if everything == concept)
        facts = self._within(self._facts(source, concept), None)
        return float(sum(fact.time >= start for fact in facts))

    def _score(self, name: str, window: int | None) -> float | None:
        if name == "egfr_ckd_epi_2021":
            return self._egfr(window)
        total = 0.0
        for term in scores()[name].terms:
            if any(self._has(concept, window) for concept in term.unless):
                continue
            looked_at = self._looked_at(term, window)
            if looked_at is None:
                if term.required:
                    return None
            elif term.below is not None:
                total += term.steps[0][1] if looked_at < term.below else 0.0
            else:
                total += max((p for p in term.steps if looked_at >= p[0]), default=(0.0, 0.0))[1]
        return total

    def _looked_at(self, term: PointTerm, window: int | None) -> float | None:
        if term.index_stay:
            return self._of_stay(term.index_stay)
        if term.score:
            return self._score(term.score, window)
        if term.distinct:
            facts = self._within(self._facts(Source.MEDICATION, term.distinct), window)
            return float(len({fact.code for fact in facts}))
        if term.last_in_stay:
            if self._stay is None:
                return None
            start = micros(self._stay["start_time"]) or 0
            facts = self._within(self._facts(Source.MEASUREMENT, term.last_in_stay), None)
            during = [fact for fact in facts if fact.time >= start]
            return max(during).value / 10_000 if during else None
        return float(any(self._has(concept, window) for concept in term.condition))

    def _has(self, concept: str, window: int | None) -> bool:
        return bool(self._within(self._facts(Source.CONDITION, concept), window))

    def _egfr(self, window: int | None) -> float | None:
        facts = self._within(self._facts(Source.MEASUREMENT, "creatinine"), window)
        female = self._female()
        if not facts or female is None or max(facts).value <= 0:
            return None
        age = self._age(max(facts).time)
        if age is None:
            return None
        kappa, alpha, factor = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
        ratio = max(facts).value / 10_000 / kappa
        return float(142.0 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age * factor)

    def _covered(self, concept: str, window: int) -> float | None:
        """Which microseconds of the window a supply covers, by the ends of all intervals."""
        spans: list[tuple[int, int]] = []
        for row in self._rows.get("medication", ()):
            names, days, end = row.get("concepts"), row.get("days_supply"), micros(row.get("end_time"))
            assert isinstance(names, list)
            if concept not in names:
                continue
            start = micros(row.get("start_time")) or micros(row.get("available_time")) or 0
            if isinstance(days, float) and days > 0:
                end = start + round(min(days, 3650.0) * 86_400) * 1_000_000
            if end is not None:
                spans.append((max(start, self._t - window), min(end, self._t)))
        spans = [(start, end) for start, end in spans if end > start]
        if not spans:
            return None
        marks = sorted({mark for span in spans for mark in span})
        covered = sum(
            after - before
            for before, after in pairwise(marks)
            if any(start <= before and after <= end for start, end in spans)
        )
        return covered / (self._t - marks[0])


def _is_class(name: str) -> bool:
    return bool(CONCEPTS[name].members)


def _sd(facts: Sequence[Fact], t: int) -> float | None:
    n, total = len(facts), sum(fact.value for fact in facts)
    if n < 2:
        return None
    spread = n * sum(fact.value**2 for fact in facts) - total * total
    return math.sqrt(float(spread) / (float(n) * float(n - 1))) / 10_000


def _slope(facts: Sequence[Fact], t: int) -> float | None:
    ages = [(t - fact.time) // 1_000_000 for fact in facts]
    n, total_a, total_v = len(facts), sum(ages), sum(fact.value for fact in facts)
    bottom = n * sum(a * a for a in ages) - total_a * total_a
    if n < 2 or bottom == 0:
        return None
    top = n * sum(a * f.value for a, f in zip(ages, facts, strict=True)) - total_a * total_v
    return 0.0 - (float(top) * 86_400.0) / (float(bottom) * 10_000)


Made = Callable[[Sequence[Fact], int], float | None]


def _of_some(made: Callable[[Sequence[Fact], int], float]) -> Made:
    return lambda facts, t: made(facts, t) if facts else None


AGGREGATES: Mapping[Aggregate, Made] = {
    _A.LAST: _of_some(lambda facts, t: facts[-1].value / 10_000),
    _A.FIRST: _of_some(lambda facts, t: facts[0].value / 10_000),
    _A.MIN: _of_some(lambda facts, t: min(f.value for f in facts) / 10_000),
    _A.MAX: _of_some(lambda facts, t: max(f.value for f in facts) / 10_000),
    _A.RANGE: _of_some(lambda facts, t: (max(f.value for f in facts) - min(f.value for f in facts)) / 10_000),
    _A.MEAN: _of_some(lambda facts, t: float(sum(f.value for f in facts)) / (len(facts) * 10_000)),
    _A.DAYS_SINCE: _of_some(lambda facts, t: (t - facts[-1].time) / _DAY),
    _A.DAYS_SINCE_FIRST: _of_some(lambda facts, t: (t - facts[0].time) / _DAY),
    _A.SUM: lambda facts, t: sum(f.value for f in facts) / 10_000,
    _A.COUNT: lambda facts, t: float(len(facts)),
    _A.ANY: lambda facts, t: float(bool(facts)),
    _A.MISSING: lambda facts, t: float(not facts),
    _A.SD: _sd,
    _A.SLOPE: _slope,
}
