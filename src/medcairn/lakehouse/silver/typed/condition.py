"""Condition: known when recorded, and never before its onset."""

from __future__ import annotations

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed, as_they_stand, later

_Text = str | None


def _typed(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    onset: _Text,
    onset_start: _Text,
    abatement: _Text,
    abatement_end: _Text,
    recorded: _Text,
) -> Typed:
    onset_time, no_onset = timed(onset if onset is not None else onset_start)
    abatement_time, no_abatement = timed(abatement if abatement is not None else abatement_end)
    recorded_time, not_recorded = timed(recorded)
    problems, known = no_onset | no_abatement | not_recorded, later(recorded_time, onset_time)
    return profile, problems, subject, known, id, encounter, onset_time, abatement_time, recorded_time


RECIPES = (
    Recipe(
        "Condition",
        "condition",
        "condition",
        own=("condition_id", "encounter_id", "onset_time", "abatement_time", "recorded_time"),
        shared=(
            "category",
            "clinical_status",
            "verification_status",
            "system",
            "code",
            "codings",
            "concepts",
        ),
        shared_from=8,
        typed=_typed,
        profile=as_they_stand(Kind.CONDITION),
    ),
)

__all__ = ["RECIPES"]
