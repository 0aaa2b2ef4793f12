"""Index events: from which instants of a subject's record a task predicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medcairn.features.policy_file import PolicyRecord


class Which(StrEnum):
    """Which of a subject's eligible index dates count. ``random`` is one, drawn by a hash with a ``seed``."""

    FIRST = "first"
    LAST = "last"
    EVERY = "every"
    RANDOM = "random"


class _Index(PolicyRecord):
    which: Which = Which.FIRST
    seed: int | None = Field(default=None, ge=0, le=2**53)

    @model_validator(mode="after")
    def _seed_only_for_random(self) -> _Index:
        if self.seed is not None and self.which is not Which.RANDOM:
            raise ValueError("a seed goes with random only")
        return self


class DischargeIndex(_Index):
    """The end of an inpatient stay; stays that follow within hours are one (a transfer)."""

    event: Literal["inpatient_discharge"]
    which: Which = Which.EVERY
    transfer_hours: int = Field(default=8, ge=0, le=72)


class AdmissionIndex(_Index):
    """``hours_after`` the start of an inpatient stay that lasts at least until then."""

    event: Literal["inpatient_admission"]
    which: Which = Which.EVERY
    hours_after: int = Field(default=0, ge=0, le=24 * 14)
    transfer_hours: int = Field(default=8, ge=0, le=72)


class VisitIndex(_Index):
    """The start of an outpatient visit."""

    event: Literal["outpatient_visit"]


class EncounterIndex(_Index):
    """The start of an encounter of one of these classes (HL7 v3 ActCode: AMB, EMER, IMP, …)."""

    event: Literal["encounter"]
    classes: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2,8}$")], ...] = Field(min_length=1)


class ConditionIndex(_Index):
    """When the first condition of any of these concepts became known."""

    event: Literal["first_condition"]
    concepts: tuple[str, ...] = Field(min_length=1)


class MeasurementIndex(_Index):
    """When a measurement became known, of a value (canonical unit) within the limits where there are any."""

    event: Literal["measurement"]
    concept: str
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    below: float | None = Field(default=None, allow_inf_nan=False)


Index = Annotated[
    DischargeIndex | AdmissionIndex | VisitIndex | EncounterIndex | ConditionIndex | MeasurementIndex,
    Field(discriminator="event"),
]

__all__ = [
    "AdmissionIndex",
    "ConditionIndex",
    "DischargeIndex",
    "EncounterIndex",
    "Index",
    "MeasurementIndex",
    "VisitIndex",
    "Which",
]
