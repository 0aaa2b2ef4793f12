"""Observation: one row a value. Known when issued (else at its end), never before the time it is about.

The original number and unit stay. ``canonical_value`` is null when the value is censored (``>60``), comes in
a unit that does not convert, or lies outside the plausible limits; nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from medcairn.core.concepts import CONCEPTS, Kind, Refusal, canonical_value, coded_value
from medcairn.lakehouse.silver.codings import Coding, coded
from medcairn.lakehouse.silver.problems import OF_REFUSAL, Problem
from medcairn.lakehouse.silver.times import micros, time_problem
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed

_Text = str | None
_Number = float | None
_Flag = bool | None
_Shared = tuple[
    _Text,
    _Text,
    _Text,
    _Text,
    _Text,
    _Flag,
    _Flag,
    _Flag,
    _Flag,
    _Flag,
    _Number,
    _Number,
    _Text,
    _Text,
    _Text,
    _Text,
    _Flag,
]
_ABOUT_THE_UNIT = (Refusal.NO_UNIT, Refusal.UNKNOWN_UNIT, Refusal.OTHER_DIMENSION)
_CENSORED = Problem.CENSORED_VALUE.bit


class _Measured(NamedTuple):
    """What a number comes to: the row's profile, problem bits, and canonical value."""

    profile: Profile
    problems: int
    canonical: float | None


class _Rule(dict[float | None, _Measured]):
    """What numbers under one profile come to (None: no number, but perhaps a coded answer). They recur.

    ``concept`` is None for what is no known measurement. ``is_panel`` tells that there are components and no
    value but, perhaps, a number. Numbers from ``low`` to ``high`` stay as they are, in rows with the profile
    ``as_it_is``: their unit is the canonical one.
    """

    _MOST = 1 << 12

    def __init__(
        self,
        facts: tuple[object, ...],
        rest: tuple[object, ...],
        value_type: str | None,
        concept: str | None,
        unit: str | None,
        censored: bool,
        answer: float | None,
        has_components: bool,
    ) -> None:
        self._facts, self._rest, self._value_type = facts, rest, value_type
        self._concept, self._unit, self._censored, self._answer = concept, unit, censored, answer
        self._profiles: dict[tuple[str | None, bool], Profile] = {}
        self.is_panel = has_components and value_type is None
        self.low, self.high = math.inf, -math.inf
        self.as_it_is: Profile | None = None
        if concept is not None and not censored and unit == CONCEPTS[concept].canonical_unit:
            low, high = CONCEPTS[concept].low, CONCEPTS[concept].high
            if low is not None and high is not None:
                self.low, self.high, self.as_it_is = low, high, self.profile("Quantity", True)

    def __missing__(self, number: float | None) -> _Measured:
        if len(self) >= self._MOST:
            self.clear()
        canonical, problems = self._canonical(number)
        value_type = self._value_type if number is None else "Quantity"
        profile = self.profile(value_type, canonical is not None)
        found = self[number] = _Measured(profile, problems, canonical)
        return found

    def _canonical(self, number: float | None) -> tuple[float | None, int]:
        if self._concept is None:
            return None, 0
        if number is None:
            return self._answer, 0
        if self._censored:
            return None, _CENSORED
        value, _, refusal = canonical_value(self._concept, number, self._unit)
        return value, 0 if refusal is None else OF_REFUSAL[refusal]

    def profile(self, value_type: str | None, is_canonical: bool) -> Profile:
        """The profile of rows with that type of value."""
        known = self._profiles.get((value_type, is_canonical))
        if known is None:
            unit = CONCEPTS[self._concept].canonical_unit if self._concept and is_canonical else None
            known = Profile((*self._facts, value_type, unit, *self._rest), rule=self)
            self._profiles[value_type, is_canonical] = known
        return known


def _profile(shared: _Shared, codings: Sequence[Coding]) -> Profile:
    (
        comparator,
        unit_code,
        unit_text,
        value_system,
        value_code,
        value_boolean,
        is_range,
        is_ratio,
        is_period,
        is_time,
        reference_low,
        reference_high,
        interpretation,
        data_absent_reason,
        status,
        category,
        has_components,
    ) = shared
    code = coded(codings, Kind.MEASUREMENT)
    concept = code.concepts[0] if code.concepts else None
    kinds = (
        ("CodeableConcept", value_system is not None or value_code is not None),
        ("boolean", value_boolean is not None),
        ("Quantity", not (comparator is None and unit_code is None and unit_text is None)),
        ("Range", is_range),
        ("Ratio", is_ratio),
        ("Period", is_period),
        ("time", is_time),
    )
    value_type = next((name for name, found in kinds if found), None)
    rule = _Rule(
        (status, category, *code[:3], concept, comparator, unit_code if unit_code is not None else unit_text),
        (
            value_system,
            value_code,
            value_boolean,
            reference_low,
            reference_high,
            interpretation,
            data_absent_reason,
        ),
        value_type,
        concept,
        None if concept is None else _usable_unit(concept, unit_code, unit_text),
        comparator is not None,
        coded_value(concept, value_system, value_code) if concept and value_system and value_code else None,
        bool(has_components),
    )
    return rule.profile(value_type, is_canonical=False)


def _usable_unit(concept: str, unit_code: str | None, unit_text: str | None) -> str | None:
    """The coded unit; the printed one where only that can be used."""
    usable = [unit for unit in (unit_code, unit_text) if unit is not None and _is_usable(concept, unit)]
    return usable[0] if usable else unit_code if unit_code is not None else unit_text


def _is_usable(concept: str, unit: str) -> bool:
    return canonical_value(concept, 1.0, unit).reason not in _ABOUT_THE_UNIT


def _typed(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    effective: _Text,
    effective_instant: _Text,
    start: _Text,
    end: _Text,
    issued: _Text,
    component: int,
    number: float | None,
    whole: int | None,
    instant: _Text,
) -> Typed | None:
    rule: _Rule = profile.rule
    if number is None and whole is not None:
        number = float(whole)
    problems, canonical = 0, number
    if number is not None and rule.low <= number <= rule.high and rule.as_it_is is not None:
        profile = rule.as_it_is
    else:
        profile, problems, canonical = rule[number]
    value_time = None
    if number is None:
        if instant is not None:
            value_time, profile = micros(instant), rule.profile("dateTime", canonical is not None)
        elif rule.is_panel and component < 0:
            return None  # a panel without a value of its own is its components and nothing more
    elif whole is not None:
        profile = rule.profile("integer", canonical is not None)
    if effective is None:
        effective = effective_instant if effective_instant is not None else start
    time = known = None
    if effective is not None:
        time = micros(effective)
        if time is None:
            problems |= time_problem(effective)
    if end is not None:
        known = micros(end)
        if known is None:
            problems |= time_problem(end)
    if issued is not None:
        issued_time = time if issued == effective else micros(issued)
        if issued_time is None:
            problems |= time_problem(issued)
        else:
            known = issued_time
    if known is None or (time is not None and time > known):
        known = time
    return profile, problems, subject, known, id, component, encounter, time, number, canonical, value_time


RECIPES = (
    Recipe(
        "Observation",
        "observation",
        "observation",
        own=(
            "observation_id",
            "component",
            "encounter_id",
            "effective_time",
            "numeric_value",
            "canonical_value",
            "value_time",
        ),
        shared=(
            "status",
            "category",
            "system",
            "code",
            "codings",
            "concept",
            "comparator",
            "unit",
            "value_type",
            "canonical_unit",
            "value_system",
            "value_code",
            "value_boolean",
            "reference_low",
            "reference_high",
            "interpretation",
            "data_absent_reason",
        ),
        shared_from=12,
        typed=_typed,
        profile=_profile,
        after=3,
    ),
)

__all__ = ["RECIPES"]
