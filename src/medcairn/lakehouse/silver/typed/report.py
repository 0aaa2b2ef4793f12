"""DiagnosticReport: known when issued (else at its end), and never before the time that it is about."""

from __future__ import annotations

from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Profile, Recipe, Typed, as_they_stand, later

_Text = str | None


def _typed(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    effective: _Text,
    start: _Text,
    end: _Text,
    issued: _Text,
    result_ids: list[str],
) -> Typed:
    effective_time, no_effective = timed(effective if effective is not None else start)
    end_time, no_end = timed(end)
    issued_time, not_issued = timed(issued)
    problems = no_effective | no_end | not_issued
    known = later(issued_time if issued_time is not None else end_time, effective_time)
    return profile, problems, subject, known, id, encounter, effective_time, issued_time, tuple(result_ids)


RECIPES = (
    Recipe(
        "DiagnosticReport",
        "diagnostic_report",
        "diagnostic_report",
        own=("report_id", "encounter_id", "effective_time", "issued_time", "result_ids"),
        shared=("status", "category", "system", "code", "codings", "concepts"),
        shared_from=8,
        typed=_typed,
        profile=as_they_stand(None),
    ),
)

__all__ = ["RECIPES"]
