"""Outcomes: what a task predicts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medcairn.features.policy_file import PolicyRecord


class AdmissionOutcome(PolicyRecord):
    """The next inpatient admission.

    A planned one is not the outcome: its encounter type is one of ``planned_types``, or something of
    ``planned_concepts`` (procedures, conditions) falls into the stay and no emergency visit led to it.
    """

    event: Literal["inpatient_admission"]
    planned_types: tuple[str, ...] = ()
    planned_concepts: tuple[str, ...] = ()


class OnsetOutcome(PolicyRecord):
    """The first condition, procedure or medication of any of these concepts.

    Subjects who had one before are not eligible. ``markers`` are concepts that stand for the outcome under
    another name (its treatment, its test): no input may be one.
    """

    event: Literal["first_condition"]
    concepts: tuple[str, ...] = Field(min_length=1)
    markers: tuple[str, ...] = ()


class FirstValueOutcome(PolicyRecord):
    """The first measurement with a value (canonical unit) within the limits; at least one limit is needed."""

    event: Literal["first_measurement"]
    concept: str
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)


class FallOutcome(PolicyRecord):
    """A measurement falls by ``fall_percent`` or more from its baseline, and stays there.

    The baseline is the last value that was known at the index date, at most ``baseline_days`` old; who has
    none is not eligible. The fall counts when a later value, at least ``confirm_days`` after the first low
    one, is low too and none in between is not. Its time is that of the confirming value.
    """

    event: Literal["measurement_fall"]
    concept: str
    fall_percent: float = Field(gt=0, lt=100)
    baseline_days: int = Field(gt=0, le=36_500)
    confirm_days: int = Field(default=0, ge=0, le=365)


class StageRiseOutcome(PolicyRecord):
    """The first condition of a higher stage than the highest on record at the index date.

    ``stages`` go from low to high. Without a stage on record at the index date a first one is no rise.
    """

    event: Literal["stage_rise"]
    stages: tuple[str, ...] = Field(min_length=2)


class DeathOutcome(PolicyRecord):
    """Death, as the patient's record states it."""

    event: Literal["death"]


class DeathInStayOutcome(PolicyRecord):
    """Death before the end of the stay in which the prediction is made.

    The discharge disposition says so, or the patient's time of death lies before the stay's end.
    """

    event: Literal["death_in_stay"]


SingleOutcome = (
    AdmissionOutcome
    | OnsetOutcome
    | FirstValueOutcome
    | FallOutcome
    | StageRiseOutcome
    | DeathOutcome
    | DeathInStayOutcome
)


class AnyOutcome(PolicyRecord):
    """Whichever of several outcomes comes first."""

    event: Literal["any_of"]
    of: tuple[Annotated[SingleOutcome, Field(discriminator="event")], ...] = Field(min_length=2)


Outcome = Annotated[SingleOutcome | AnyOutcome, Field(discriminator="event")]


def single_outcomes(outcome: SingleOutcome | AnyOutcome) -> tuple[SingleOutcome, ...]:
    """The outcome itself, or those that it is made of."""
    return outcome.of if isinstance(outcome, AnyOutcome) else (outcome,)


__all__ = [
    "AdmissionOutcome",
    "AnyOutcome",
    "DeathInStayOutcome",
    "DeathOutcome",
    "FallOutcome",
    "FirstValueOutcome",
    "OnsetOutcome",
    "Outcome",
    "SingleOutcome",
    "StageRiseOutcome",
    "single_outcomes",
]
