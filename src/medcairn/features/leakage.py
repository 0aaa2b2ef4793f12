"""A task and a feature set: what holds the task's own answer is refused.

Time alone keeps most leakage out: every window ends at the prediction time, facts count only once they
were available, and the outcome lies strictly after it. What time does not keep out is an input that is the
outcome under another name. The rules here:

1. An *onset* outcome (the first condition of some concepts), its ``markers`` and inputs share no code, also
   not through a score or a class of drugs. By the washout such an input is constant; where it is not, a
   diagnosis made at the visit itself is being read as a predictor of that diagnosis.
2. The same for what the task excludes on: constant, or an error.
3. A recurring outcome (the next admission, a falling value, a higher stage) may have its own kind as input:
   every fact before the prediction time is on one side, the outcome on the other.
4. Where the outcome lies in the stay of the prediction, what describes the stay's end is no input: its
   length, where the patient went from it, and scores that count them.
5. No window reaches further back than the task's lookback. Windows of "ever" are exempt: what holds from
   its onset on (a lasting condition) has no lookback.
6. The index event is not the outcome, and what must not have been there before is not asked for.

Counts of everything (all conditions, all medications) may stay: at the prediction time none of them is of
the outcome. A task's ``without_concepts`` leaves features out before these rules are applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from medcairn.core.concepts import CONCEPTS
from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label
from medcairn.features.aces import AcesTask
from medcairn.features.aces_leakage import constant_concepts
from medcairn.features.feature_set import Feature, FeatureSet, Source, concepts_behind
from medcairn.features.scores import scores
from medcairn.features.task_definition import Task
from medcairn.features.task_index import (
    AdmissionIndex,
    ConditionIndex,
    DischargeIndex,
    MeasurementIndex,
)
from medcairn.features.task_outcome import DeathInStayOutcome, FirstValueOutcome, OnsetOutcome
from medcairn.features.task_rules import EverBefore, MeasuredAtLeast, MeasuredBelow

_END_OF_STAY = frozenset({"length_days", "to_facility"})


def inputs_for(task: Task | AcesTask, feature_set: FeatureSet) -> FeatureSet:
    """The features of the set that mean something for the task, checked.

    Leaves out what reads the task's ``without_concepts`` or shares codes with them, and the index stay where
    the index is in none. An ACES task cannot say what to leave out: what it makes constant is left out.

    Raises :class:`PolicyError` as :func:`check_no_leakage`, and
    :class:`~medcairn.core.errors.SettingsError` when no feature is left.
    """
    stays = (DischargeIndex, AdmissionIndex)
    in_stay = isinstance(task, Task) and isinstance(task.index, stays)
    sources = () if in_stay else (Source.INDEX_STAY,)
    without = frozenset(task.without_concepts) if isinstance(task, Task) else constant_concepts(task)
    shared = {f.concept for f in feature_set.features if shared_concept(concepts_behind(f), without)}
    inputs = feature_set.without(concepts=shared | without, sources=sources)
    check_no_leakage(task, inputs)
    return inputs


def check_no_leakage(task: Task | AcesTask, feature_set: FeatureSet) -> None:
    """Refuse a feature set whose inputs hold the task's answer; the module says by which rules.

    Raises :class:`PolicyError` that names the task, the feature and the shared concept.
    """
    if isinstance(task, AcesTask):
        constant = constant_concepts(task)
        for feature in feature_set.features:
            _refuse_shared(task.name, feature, constant)
        return
    check_task(task)
    for feature in feature_set.features:
        _refuse_shared(task.name, feature, _forbidden(task, feature))
        _refuse_end_of_stay(task, feature)
        if feature.window_days is not None and feature.window_days > task.lookback_days:
            raise PolicyError(
                "A feature's window reaches further back than the task's lookback",
                hint="Raise lookback_days in the task, or take a shorter window",
                task=Label(task.name),
                feature=Label(feature.name),
                lookback_days=task.lookback_days,
            )


def check_task(task: Task) -> None:
    """Refuse a task whose index event or criteria hold its answer.

    Raises :class:`PolicyError` that names the task and the key.
    """
    for outcome in task.outcomes:
        if isinstance(outcome, OnsetOutcome):
            _check_onset(task, frozenset(outcome.concepts))
        elif isinstance(outcome, FirstValueOutcome):
            _check_first_value(task, outcome)
        elif isinstance(outcome, DeathInStayOutcome) and isinstance(task.index, DischargeIndex):
            _refuse_task(task, "index", "The index is the end of the stay in which the outcome lies")


def _check_onset(task: Task, concepts: frozenset[str]) -> None:
    if isinstance(task.index, ConditionIndex):
        shared = shared_concept(task.index.concepts, concepts)
        if shared:
            _refuse_task(task, "index", "The index event is the outcome", shared)
    for place, rule in enumerate(task.inclusions):
        if isinstance(rule, EverBefore):
            shared = shared_concept(rule.concepts, concepts)
            if shared:
                message = "An inclusion asks for the outcome, which nobody may have had before"
                _refuse_task(task, f"inclusions.{place}", message, shared)


def _check_first_value(task: Task, outcome: FirstValueOutcome) -> None:
    low, high = outcome.at_least, outcome.below
    index = task.index
    same = isinstance(index, MeasurementIndex) and index.concept == outcome.concept
    if isinstance(index, MeasurementIndex) and same and _overlap((low, high), (index.at_least, index.below)):
        _refuse_task(task, "index", "The index event is the outcome", outcome.concept)
    for place, rule in enumerate(task.inclusions):
        if isinstance(rule, (MeasuredAtLeast, MeasuredBelow)) and rule.concept == outcome.concept:
            above = isinstance(rule, MeasuredAtLeast)
            asked = (rule.value, None) if above else (None, rule.value)
            if _within(asked, (low, high)):
                message = "An inclusion asks for the outcome, which nobody may have had before"
                _refuse_task(task, f"inclusions.{place}", message, outcome.concept)


_Limits = tuple[float | None, float | None]


def _overlap(one: _Limits, other: _Limits) -> bool:
    """Whether [low, high) intervals have a value in common; None is no limit."""
    infinite = float("inf")
    low = max(-infinite if limits[0] is None else limits[0] for limits in (one, other))
    return low < min(infinite if limits[1] is None else limits[1] for limits in (one, other))


def _within(inner: _Limits, outer: _Limits) -> bool:
    """Whether every value within ``inner`` is within ``outer``."""
    low = outer[0] is None or (inner[0] is not None and inner[0] >= outer[0])
    return low and (outer[1] is None or (inner[1] is not None and inner[1] <= outer[1]))


def _forbidden(task: Task, feature: Feature) -> frozenset[str]:
    """Concepts that the feature may share no code with."""
    found: set[str] = set()
    for outcome in task.outcomes:
        if isinstance(outcome, OnsetOutcome):
            found.update(outcome.concepts, outcome.markers)
    for rule in task.exclusions:
        if isinstance(rule, EverBefore):
            window = feature.window_days
            if rule.within_days is None or (window is not None and window <= rule.within_days):
                found.update(rule.concepts)
    return frozenset(found)


def _refuse_shared(task: str, feature: Feature, forbidden: frozenset[str]) -> None:
    shared = shared_concept(concepts_behind(feature), forbidden)
    if shared is not None:
        raise PolicyError(
            "A feature and the task's outcome or exclusions share codes",
            hint="Leave the feature out, or list its concept in the task's without_concepts",
            task=Label(task),
            feature=Label(feature.name),
            concept=Label(shared),
        )


def _refuse_end_of_stay(task: Task, feature: Feature) -> None:
    if not any(isinstance(outcome, DeathInStayOutcome) for outcome in task.outcomes):
        return
    told = _END_OF_STAY.intersection(_stay_facts(feature))
    if told:
        raise PolicyError(
            "A feature describes the end of the stay in which the outcome lies",
            hint="Leave the feature out, or list its name in the task's without_concepts",
            task=Label(task.name),
            feature=Label(feature.name),
            fact=Label(min(told)),
        )


def _stay_facts(feature: Feature) -> Iterator[str]:
    """The facts of the index stay that a feature reads, also through a score."""
    if feature.source is Source.INDEX_STAY:
        yield feature.concept
    elif feature.source is Source.SCORE:
        waiting = [feature.concept]
        while waiting:
            score = scores().get(waiting.pop())
            for term in score.terms if score else ():
                if term.index_stay:
                    yield term.index_stay
                if term.score:
                    waiting.append(term.score)


def _refuse_task(task: Task, key: str, message: str, concept: str | None = None) -> None:
    fields = {} if concept is None else {"concept": Label(concept)}
    raise PolicyError(
        message,
        hint="Predict it from before it is there; features/README.md says what a task is",
        task=Label(task.name),
        key=Label(key),
        **fields,
    )


def shared_concept(ours: Iterable[str], forbidden: Iterable[str]) -> str | None:
    """The forbidden concept that is one of ours, or shares a code with one, if any."""
    theirs = sorted(forbidden)
    for name in sorted(ours):
        found = next((other for other in theirs if _share_codes(name, other)), None)
        if found is not None:
            return found
    return None


@cache
def _share_codes(one: str, other: str) -> bool:
    if one == other:
        return True
    mine, theirs = CONCEPTS.get(one), CONCEPTS.get(other)
    if mine is None or theirs is None or mine.kind is not theirs.kind:
        return False
    if any(theirs.matches(*code) for code in mine.codes) or any(mine.matches(*code) for code in theirs.codes):
        return True
    return any(
        system == its and (code.startswith(prefix) or prefix.startswith(code))
        for system, code in mine.prefixes
        for its, prefix in theirs.prefixes
    )


__all__ = ["check_no_leakage", "check_task", "inputs_for", "shared_concept"]
