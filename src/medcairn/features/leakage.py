"""A task and a feature set together: what is left out, and what is refused.

Time alone keeps most leakage out: every window ends at the prediction time, facts count only once they
were available, and the outcome lies strictly after it. What time does not keep out is an input that is the
outcome under another name. The rules here:

1. An *onset* outcome (the first condition of some concepts) and inputs share no concept. By the washout
   such an input is constant; where it is not, a diagnosis made at the visit itself is being read as a
   predictor of that diagnosis.
2. The same for concepts that the task excludes on ("ever before"): constant, or an error.
3. A recurring outcome (the next admission) may have its own kind as input: earlier stays end before the
   prediction time and the outcome begins after it, so that no fact is in both.
4. No window reaches further back than the task's lookback. Windows of "ever" are exempt: what holds from
   its onset on (a lasting condition) has no lookback.

A task's ``without_concepts`` leaves features out before these rules are applied.
"""

from __future__ import annotations

from medcairn.core.concepts import CONCEPTS, Concept
from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label
from medcairn.features.feature_set import FeatureSet, Source
from medcairn.features.task import DischargeIndex, EverBefore, OnsetOutcome, Task


def inputs_for(task: Task, feature_set: FeatureSet) -> FeatureSet:
    """The features of the set that mean something for the task, checked.

    Leaves out the task's ``without_concepts``, and the index stay where the index is no discharge.

    Raises :class:`PolicyError` as :func:`check_no_leakage`, and
    :class:`~medcairn.core.errors.SettingsError` when no feature is left.
    """
    sources = () if isinstance(task.index, DischargeIndex) else (Source.INDEX_STAY,)
    inputs = feature_set.without(concepts=task.without_concepts, sources=sources)
    check_no_leakage(task, inputs)
    return inputs


def check_no_leakage(task: Task, feature_set: FeatureSet) -> None:
    """Refuse a feature set whose inputs hold the task's answer; the module says by which rules.

    Raises :class:`PolicyError` that names the task, the feature and the shared concept.
    """
    outcome = set(task.outcome.concepts) if isinstance(task.outcome, OnsetOutcome) else set()
    excluded = {name for rule in task.exclusions if isinstance(rule, EverBefore) for name in rule.concepts}
    for feature in feature_set.features:
        shared = _sharing(feature.concept, outcome | excluded)
        if shared is not None:
            raise PolicyError(
                "A feature and the task's outcome or exclusions share codes",
                hint="Leave the feature out, or list its concept in the task's without_concepts",
                task=Label(task.name),
                feature=Label(feature.name),
                concept=Label(shared),
            )
        if feature.window_days is not None and feature.window_days > task.lookback_days:
            raise PolicyError(
                "A feature's window reaches further back than the task's lookback",
                hint="Raise lookback_days in the task, or take a shorter window",
                task=Label(task.name),
                feature=Label(feature.name),
                lookback_days=task.lookback_days,
            )


def _sharing(concept: str, forbidden: set[str]) -> str | None:
    """The forbidden concept that is this one or shares a code with it, if any."""
    if concept in forbidden:
        return concept
    mine = CONCEPTS.get(concept)
    if mine is not None:
        for name in sorted(forbidden):
            theirs = CONCEPTS.get(name)
            if theirs is not None and _share_codes(mine, theirs):
                return name
    return None


def _share_codes(one: Concept, other: Concept) -> bool:
    if one.kind is not other.kind:
        return False
    if any(other.matches(*code) for code in one.codes) or any(one.matches(*code) for code in other.codes):
        return True
    return any(
        system == theirs and (code.startswith(prefix) or prefix.startswith(code))
        for system, code in one.prefixes
        for theirs, prefix in other.prefixes
    )


__all__ = ["check_no_leakage", "inputs_for"]
