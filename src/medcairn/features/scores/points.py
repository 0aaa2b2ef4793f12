"""Additive scores: each term looks at facts and gives points; the sum is the score.

The YAML files beside this module are the published tables, with their citation and our reading of what a
health record does not state. A term names what it looks at by exactly one of:

- ``condition``: condition concepts, in the feature's window; the term holds when any of them is on record
- ``distinct``: how many different codes of a medication name, in the feature's window
- ``index_stay``: a fact of the index stay
- ``last_in_stay``: the last value of a measurement during the index stay
- ``score``: another score with the same window, so that a part can have steps of its own

``points`` is a number (given when the term holds), or steps: {5: 2, 9: 3} gives 2 from 5 on and 3 from 9 on.
With ``below`` the term holds when the value is under it. ``unless`` names conditions that silence the term:
the milder form of a disease does not count beside the severe one. A term that is ``required`` and has no
value leaves the whole score missing; any other term without a value gives no points.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import Field, model_validator

from medcairn.features.policy_file import PolicyRecord, read_policy

SCORE_FILES = Path(__file__).parent


class PointTerm(PolicyRecord):
    """One line of a point table; see the module."""

    condition: tuple[str, ...] = ()
    distinct: str | None = None
    index_stay: str | None = None
    last_in_stay: str | None = None
    score: str | None = None
    points: float | dict[float, float]
    below: float | None = None
    unless: tuple[str, ...] = ()
    required: bool = False

    @model_validator(mode="after")
    def _looks_at_one_thing(self) -> PointTerm:
        named = (self.condition, self.distinct, self.index_stay, self.last_in_stay, self.score)
        if sum(bool(name) for name in named) != 1:
            raise ValueError("a term looks at one thing")
        if self.below is not None and isinstance(self.points, dict):
            raise ValueError("below and steps exclude each other")
        return self

    @property
    def steps(self) -> tuple[tuple[float, float], ...]:
        """(from which value on, points), ascending. A single number of points is a step at 1."""
        if isinstance(self.points, dict):
            return tuple(sorted(self.points.items()))
        return ((1.0, self.points),)


class PointScore(PolicyRecord):
    """A point table."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    title: str
    citation: str
    terms: tuple[PointTerm, ...] = Field(min_length=1)

    def concepts(self) -> frozenset[str]:
        """Concepts whose facts the score reads, those of the scores inside it included."""
        found: set[str] = set()
        for term in self.terms:
            found.update(term.condition, term.unless)
            found.update(name for name in (term.distinct, term.last_in_stay) if name)
            if term.score:
                found |= scores()[term.score].concepts()
        return frozenset(found)

    def reads_index_stay(self) -> bool:
        """Whether any term looks at the index stay."""
        inner = (scores()[term.score].reads_index_stay() for term in self.terms if term.score)
        return any(term.index_stay or term.last_in_stay for term in self.terms) or any(inner)


@cache
def score_names() -> tuple[str, ...]:
    """Names of the point tables, sorted; each is the name of its file."""
    return tuple(sorted(file.stem for file in SCORE_FILES.glob("*.yaml")))


@cache
def scores() -> Mapping[str, PointScore]:
    """Every point table by name. Raises :class:`~medcairn.core.errors.SettingsError` for a broken file."""
    return {name: read_policy(PointScore, name, SCORE_FILES) for name in score_names()}


__all__ = ["SCORE_FILES", "PointScore", "PointTerm", "score_names", "scores"]
