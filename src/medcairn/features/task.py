"""A task: what is predicted, when, and for whom. YAML in, one checked record out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.features.policy_file import PolicyRecord, read_policy, safe_label

BUILT_IN_TASKS = Path(__file__).parent / "tasks"


class Which(StrEnum):
    """Which of a subject's eligible index dates count. ``random`` is one, drawn by a hash of the subject."""

    FIRST = "first"
    LAST = "last"
    EVERY = "every"
    RANDOM = "random"


class DeathPolicy(StrEnum):
    """What a death between prediction and the end of the horizon, without the outcome, makes of a row."""

    NEGATIVE = "negative"
    EXCLUDE = "exclude"


class DischargeIndex(PolicyRecord):
    """Prediction at the end of an inpatient stay; stays that follow within hours are one (a transfer)."""

    event: Literal["inpatient_discharge"]
    which: Which = Which.EVERY
    transfer_hours: int = Field(default=8, ge=0, le=72)


class VisitIndex(PolicyRecord):
    """Prediction at the start of an outpatient visit."""

    event: Literal["outpatient_visit"]
    which: Which = Which.FIRST


class AdmissionOutcome(PolicyRecord):
    """The next inpatient admission. ``planned_types`` are encounter types that are not the outcome."""

    event: Literal["inpatient_admission"]
    planned_types: tuple[str, ...] = ()


class OnsetOutcome(PolicyRecord):
    """The first condition of any of these concepts. Subjects who had one before are not eligible."""

    event: Literal["first_condition"]
    concepts: tuple[str, ...] = Field(min_length=1)


class AgeBelow(PolicyRecord):
    """Leaves out index dates below an age in years."""

    rule: Literal["age_below"]
    years: int = Field(ge=0, le=120)


class DiedInStay(PolicyRecord):
    """Leaves out stays that ended with death."""

    rule: Literal["died_in_stay"]


class EverBefore(PolicyRecord):
    """Leaves out subjects with a condition or medication of these concepts at or before the index."""

    rule: Literal["ever_before"]
    concepts: tuple[str, ...] = Field(min_length=1)


class MeasuredAtLeast(PolicyRecord):
    """Leaves out subjects with a measurement of at least ``value`` (canonical unit) before the index."""

    rule: Literal["measured_at_least"]
    concept: str
    value: float


Index = Annotated[DischargeIndex | VisitIndex, Field(discriminator="event")]
Outcome = Annotated[AdmissionOutcome | OnsetOutcome, Field(discriminator="event")]
Exclusion = Annotated[AgeBelow | DiedInStay | EverBefore | MeasuredAtLeast, Field(discriminator="rule")]


class Task(PolicyRecord):
    """A prediction task.

    Days are 24 hours on the time axis. With *t* the prediction time, inputs lie in (t - lookback, t], the
    outcome in (t + gap, t + gap + horizon]. ``washout_days`` is how long before *t* the subject's record
    must have begun, so that "not before" has been observed. ``without_concepts`` are left out of any
    feature set, because the task makes them constant.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    version: int = Field(ge=1)
    title: str = Field(default="", max_length=500)
    index: Index
    lookback_days: int = Field(gt=0, le=36_500)
    gap_days: int = Field(default=0, ge=0, le=3_650)
    horizon_days: int = Field(gt=0, le=3_650)
    washout_days: int = Field(default=0, ge=0, le=3_650)
    outcome: Outcome
    death_in_horizon: DeathPolicy
    exclusions: tuple[Exclusion, ...] = ()
    without_concepts: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """Digest of the whole definition."""
        return digest_json(self.about())

    def about(self) -> dict[str, JSON]:
        """The whole definition, as a feature spec records it."""
        return dict(self.model_dump(mode="json"))


def load_task(name_or_file: str | Path) -> Task:
    """A built-in task by name, or one of your own by its YAML file.

    Raises :class:`SettingsError` that names the key at fault.
    """
    task = read_policy(Task, name_or_file, BUILT_IN_TASKS)
    if isinstance(task.outcome, OnsetOutcome):
        _check_concepts(task.outcome.concepts, "outcome.concepts", {Kind.CONDITION})
    for place, rule in enumerate(task.exclusions):
        if isinstance(rule, EverBefore):
            kinds = {Kind.CONDITION, Kind.MEDICATION}
            _check_concepts(rule.concepts, f"exclusions.{place}.concepts", kinds)
        elif isinstance(rule, MeasuredAtLeast):
            _check_concepts((rule.concept,), f"exclusions.{place}.concept", {Kind.MEASUREMENT})
        elif isinstance(rule, DiedInStay) and not isinstance(task.index, DischargeIndex):
            raise SettingsError(
                "Only a stay can end with death, and this task's index is none",
                key=Label(f"exclusions.{place}"),
            )
    _check_concepts(task.without_concepts, "without_concepts", set(Kind))
    return task


def _check_concepts(names: tuple[str, ...], key: str, kinds: set[Kind]) -> None:
    for name in names:
        known = CONCEPTS.get(name)
        if known is None or known.kind not in kinds:
            raise SettingsError(
                "A task names a concept that is not known, or is of the wrong kind",
                hint="core/concepts lists the concepts",
                key=Label(key),
                concept=safe_label(name),
            )


__all__ = [
    "BUILT_IN_TASKS",
    "AdmissionOutcome",
    "AgeBelow",
    "DeathPolicy",
    "DiedInStay",
    "DischargeIndex",
    "EverBefore",
    "Exclusion",
    "MeasuredAtLeast",
    "OnsetOutcome",
    "Task",
    "VisitIndex",
    "Which",
    "load_task",
]
