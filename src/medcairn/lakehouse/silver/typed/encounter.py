"""Encounter: known from its start."""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.lakehouse.silver.codings import Coding
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed


def _profile(shared: tuple[str | None, ...], codings: Sequence[Coding]) -> Profile:
    return Profile(shared)


def _typed(
    profile: Profile,
    subject: str | None,
    id: str,
    start: str | None,
    end: str | None,
) -> Typed:
    start_time, no_start = timed(start)
    end_time, no_end = timed(end)
    return profile, no_start | no_end, subject, start_time, id, start_time, end_time


RECIPES = (
    Recipe(
        "Encounter",
        "encounter",
        "encounter",
        own=("encounter_id", "start_time", "end_time"),
        shared=(
            "status",
            "class_code",
            "type_system",
            "type_code",
            "admit_source",
            "discharge_disposition",
            "reason_system",
            "reason_code",
        ),
        shared_from=4,
        typed=_typed,
        profile=_profile,
        coded=False,
    ),
)

__all__ = ["RECIPES"]
