"""Immunization: known when recorded, and never before it was given."""

from __future__ import annotations

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed, as_they_stand, later


def _typed(
    profile: Profile,
    subject: str | None,
    id: str,
    encounter: str | None,
    occurrence: str | None,
    recorded: str | None,
) -> Typed:
    given, not_given = timed(occurrence)
    recorded_time, not_recorded = timed(recorded)
    known = later(recorded_time, given)
    return profile, not_given | not_recorded, subject, known, id, encounter, given, recorded_time


RECIPES = (
    Recipe(
        "Immunization",
        "immunization",
        "immunization",
        own=("immunization_id", "encounter_id", "occurrence_time", "recorded_time"),
        shared=("status", "system", "code", "codings", "concepts"),
        shared_from=5,
        typed=_typed,
        profile=as_they_stand(Kind.IMMUNIZATION),
    ),
)

__all__ = ["RECIPES"]
