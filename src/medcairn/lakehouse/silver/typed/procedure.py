"""Procedure: known when it was over."""

from __future__ import annotations

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed, as_they_stand


def _typed(
    profile: Profile,
    subject: str | None,
    id: str,
    encounter: str | None,
    performed: str | None,
    start: str | None,
    end: str | None,
) -> Typed:
    start_time, no_start = timed(performed if performed is not None else start)
    end_time, no_end = timed(end)
    known = end_time if end_time is not None else start_time
    return profile, no_start | no_end, subject, known, id, encounter, start_time, end_time


RECIPES = (
    Recipe(
        "Procedure",
        "procedure",
        "procedure",
        own=("procedure_id", "encounter_id", "start_time", "end_time"),
        shared=("status", "system", "code", "codings", "concepts"),
        shared_from=6,
        typed=_typed,
        profile=as_they_stand(Kind.PROCEDURE),
    ),
)

__all__ = ["RECIPES"]
