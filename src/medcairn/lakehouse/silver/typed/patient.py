"""Patient: one row a subject. Its facts have no time of their own; a birth date is shown as its year."""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.lakehouse.silver.codings import Coding
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed

_Shared = tuple[str | None, str | None, str | None, str | None, bool | None, str | None]


def _profile(shared: _Shared, codings: Sequence[Coding]) -> Profile:
    gender, birth_sex, race, ethnicity, aged, postal_area = shared
    return Profile((gender, birth_sex, race, ethnicity, bool(aged), postal_area))


def _typed(
    profile: Profile,
    subject: str | None,
    birth_date: str | None,
    deceased: str | None,
    followed_until: str | None,
) -> Typed:
    year = birth_date[:4] if birth_date is not None else ""
    birth_year = int(year) if len(year) == 4 and year.isascii() and year.isdigit() else None
    deceased_time, problems = timed(deceased)
    end, _ = timed(followed_until)
    return profile, problems, subject, None, birth_year, deceased_time, end


RECIPES = (
    Recipe(
        "Patient",
        "patient",
        "patient",
        own=("birth_year", "deceased_time", "follow_up_end"),
        shared=("gender", "birth_sex", "race", "ethnicity", "age_90_plus", "postal_area"),
        shared_from=4,
        typed=_typed,
        profile=_profile,
        coded=False,
    ),
)

__all__ = ["RECIPES"]
