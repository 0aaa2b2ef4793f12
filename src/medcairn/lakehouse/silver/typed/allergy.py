"""AllergyIntolerance: known when recorded, and never before its onset."""

from __future__ import annotations

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed, as_they_stand, later


def _typed(
    profile: Profile,
    subject: str | None,
    id: str,
    onset: str | None,
    onset_start: str | None,
    recorded: str | None,
    category: list[str],
) -> Typed:
    onset_time, no_onset = timed(onset if onset is not None else onset_start)
    recorded_time, not_recorded = timed(recorded)
    problems, known = no_onset | not_recorded, later(recorded_time, onset_time)
    return profile, problems, subject, known, id, tuple(category), onset_time, recorded_time


RECIPES = (
    Recipe(
        "AllergyIntolerance",
        "allergy",
        "allergy",
        own=("allergy_id", "category", "onset_time", "recorded_time"),
        shared=(
            "clinical_status",
            "verification_status",
            "type",
            "criticality",
            "system",
            "code",
            "codings",
            "concepts",
        ),
        shared_from=6,
        typed=_typed,
        profile=as_they_stand(Kind.ALLERGY),
    ),
)

__all__ = ["RECIPES"]
