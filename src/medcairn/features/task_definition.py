"""A task: what is predicted, when, and for whom, as one checked record."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pydantic import Field

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.features.feature_set import Source, is_known
from medcairn.features.policy_file import PolicyRecord, safe_label
from medcairn.features.task_index import (
    AdmissionIndex,
    ConditionIndex,
    DischargeIndex,
    Index,
    MeasurementIndex,
)
from medcairn.features.task_outcome import (
    AdmissionOutcome,
    DeathInStayOutcome,
    DeathOutcome,
    FallOutcome,
    FirstValueOutcome,
    OnsetOutcome,
    Outcome,
    SingleOutcome,
    StageRiseOutcome,
    single_outcomes,
)
from medcairn.features.task_rules import DiedInStay, EverBefore, MeasuredAtLeast, MeasuredBelow, Rule

CODED = frozenset({Kind.CONDITION, Kind.MEDICATION, Kind.PROCEDURE})
_CONDITION, _MEASUREMENT = frozenset({Kind.CONDITION}), frozenset({Kind.MEASUREMENT})


class DeathPolicy(StrEnum):
    """What a death between prediction and the end of the horizon, without the outcome, makes of a row."""

    NEGATIVE = "negative"
    EXCLUDE = "exclude"


class Task(PolicyRecord):
    """A prediction task.

    Days are 24 hours on the time axis. With *t* the prediction time, inputs lie in (t - lookback, t], the
    outcome in (t + gap, t + gap + horizon]. ``washout_days`` is how long before *t* the subject's record
    must have begun, so that "not before" has been observed. ``without_concepts`` are left out of any
    feature set, because the task makes them constant or they tell the outcome; names of the index stay's
    facts and of scores may be among them. ``death_in_horizon`` is not needed where death is the outcome.
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
    death_in_horizon: DeathPolicy | None = None
    inclusions: tuple[Rule, ...] = ()
    exclusions: tuple[Rule, ...] = ()
    without_concepts: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """Digest of the whole definition."""
        return digest_json(self.about())

    def about(self) -> dict[str, JSON]:
        """The whole definition, as a feature spec records it."""
        return dict(self.model_dump(mode="json", by_alias=True))

    @property
    def outcomes(self) -> tuple[SingleOutcome, ...]:
        """The outcome, or those that it is made of."""
        return single_outcomes(self.outcome)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Rules of inclusion, then of exclusion."""
        return (*self.inclusions, *self.exclusions)


def concepts_in(task: Task) -> Iterator[tuple[str, str, frozenset[Kind]]]:
    """Key, concept and the kinds that it may be, for every concept that decides who is in and the label."""
    if isinstance(task.index, ConditionIndex):
        yield from (("index.concepts", name, _CONDITION) for name in task.index.concepts)
    elif isinstance(task.index, MeasurementIndex):
        yield "index.concept", task.index.concept, _MEASUREMENT
    for outcome in task.outcomes:
        yield from _of_outcome(outcome)
    for section, rules in (("inclusions", task.inclusions), ("exclusions", task.exclusions)):
        for place, rule in enumerate(rules):
            if isinstance(rule, EverBefore):
                yield from ((f"{section}.{place}.concepts", name, CODED) for name in rule.concepts)
            elif isinstance(rule, (MeasuredAtLeast, MeasuredBelow)):
                yield f"{section}.{place}.concept", rule.concept, _MEASUREMENT


def _of_outcome(outcome: SingleOutcome) -> Iterator[tuple[str, str, frozenset[Kind]]]:
    if isinstance(outcome, OnsetOutcome):
        yield from (("outcome.concepts", name, CODED) for name in outcome.concepts)
    elif isinstance(outcome, StageRiseOutcome):
        yield from (("outcome.stages", name, _CONDITION) for name in outcome.stages)
    elif isinstance(outcome, AdmissionOutcome):
        yield from (("outcome.planned_concepts", name, CODED) for name in outcome.planned_concepts)
    elif isinstance(outcome, (FallOutcome, FirstValueOutcome)):
        yield "outcome.concept", outcome.concept, _MEASUREMENT


def check_definition(task: Task) -> None:
    """Refuse what contradicts itself or is not known. Raises :class:`SettingsError` with the key."""
    for key, name, kinds in concepts_in(task):
        _check_concept(key, name, kinds)
    for outcome in task.outcomes:
        for name in outcome.markers if isinstance(outcome, OnsetOutcome) else ():
            _check_concept("outcome.markers", name, frozenset(Kind))
    for name in task.without_concepts:
        if not any(is_known(source, name) for source in Source):
            raise _unknown("without_concepts", name)
    _check_index(task)
    _check_outcome(task)


def _check_concept(key: str, name: str, kinds: frozenset[Kind]) -> None:
    known = CONCEPTS.get(name)
    if known is None or known.kind not in kinds:
        raise _unknown(key, name)


def _unknown(key: str, name: str) -> SettingsError:
    return SettingsError(
        "A task names a concept that is not known, or is of the wrong kind",
        hint="core/concepts lists the concepts",
        key=Label(key),
        concept=safe_label(name),
    )


def _check_index(task: Task) -> None:
    for section, rules in (("inclusions", task.inclusions), ("exclusions", task.exclusions)):
        for place, rule in enumerate(rules):
            if isinstance(rule, DiedInStay) and not isinstance(task.index, DischargeIndex):
                raise SettingsError(
                    "Only a discharge can be one by death, and this task's index is none",
                    key=Label(f"{section}.{place}"),
                )
    if isinstance(task.index, MeasurementIndex):
        _check_limits(task.index.at_least, task.index.below, "index", needed=False)


def _check_outcome(task: Task) -> None:
    deaths = (DeathOutcome, DeathInStayOutcome)
    for outcome in task.outcomes:
        if isinstance(outcome, FirstValueOutcome):
            _check_limits(outcome.at_least, outcome.below, "outcome", needed=True)
        if isinstance(outcome, DeathInStayOutcome) and not isinstance(
            task.index, (AdmissionIndex, DischargeIndex)
        ):
            raise SettingsError(
                "Death in the stay needs a stay, and this task's index is none",
                hint="Take inpatient_admission as index event",
                key=Label("outcome"),
            )
    of_death = any(isinstance(outcome, deaths) for outcome in task.outcomes)
    if of_death == (task.death_in_horizon is not None):
        raise SettingsError(
            "death_in_horizon is needed where death is not the outcome, and says nothing where it is",
            key=Label("death_in_horizon"),
        )


def _check_limits(low: float | None, high: float | None, key: str, *, needed: bool) -> None:
    if (needed and low is None and high is None) or (low is not None and high is not None and low >= high):
        raise SettingsError("A measurement's limits leave out no value, or every value", key=Label(key))


__all__ = ["CODED", "DeathPolicy", "Task", "check_definition", "concepts_in"]
