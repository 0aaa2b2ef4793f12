"""What the ledger says of any version of a model: the facts that a change is held against.

Version N of a model is the Nth distinct digest of an artifact "model". Everything is read from the ends of
steps that the ledger holds, never from a folder that a later run may have replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medcairn.audit.events import StoredEvent
from medcairn.audit.record.stages import looked_up
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.registry import Estimated, ModelFacts

_MODEL = "model"


@dataclass(frozen=True)
class VersionHistory:
    """The ends of the steps behind one version, oldest source first, and of its validations.

    ``made`` holds the end of each step that the version stands on, by the step's name; ``validations`` are
    all of this version, the earliest first.
    """

    version: Label
    model: Digest
    made: Mapping[str, StoredEvent]
    validations: tuple[StoredEvent, ...]


def model_digests(finished: Iterable[StoredEvent]) -> tuple[Digest, ...]:
    """The digests of the study's models, version 1 first, from events STAGE_FINISHED in order."""
    seen: dict[Digest, None] = {}
    for stored in finished:
        for ref in stored.event.outputs:
            if ref.name == _MODEL:
                seen.setdefault(ref.digest)
    return tuple(seen)


def version_history(finished: Sequence[StoredEvent], version: str) -> VersionHistory:
    """How ``version`` came to be, from events STAGE_FINISHED in order.

    Raises :class:`UsageError` that says how many versions there are.
    """
    digests = model_digests(finished)
    numbers = [str(number) for number in range(1, len(digests) + 1)]
    if version not in numbers:
        there = "Versions: " + ", ".join(numbers) if numbers else "medcairn run --until train"
        raise UsageError("There is no such version of the model", hint=there, versions=len(digests))
    model = digests[numbers.index(version)]
    validations = tuple(
        stored
        for stored in finished
        if stored.event.stage == "validate" and any(ref.digest == model for ref in stored.event.inputs)
    )
    return VersionHistory(Label(version), model, _sources(finished, model), validations)


def _sources(finished: Sequence[StoredEvent], model: Digest) -> dict[str, StoredEvent]:
    """From the training back to the export: for each input the last step before that made it."""
    made: dict[str, StoredEvent] = {}
    wanted = {model}
    for stored in reversed(finished):
        stage = stored.event.stage
        if stage is None or stage in made or not wanted & {ref.digest for ref in stored.event.outputs}:
            continue
        made[stage] = stored
        wanted |= {ref.digest for ref in stored.event.inputs}
    return dict(reversed(made.items()))


def model_facts(finished: Sequence[StoredEvent], version: str) -> ModelFacts:
    """The facts of ``version``, from events STAGE_FINISHED in order; of its validations the latest counts.

    Raises :class:`UsageError` when there is no such version.
    """
    history = version_history(finished, version)
    gold = _facts(history.made.get("features"), "gold")
    trained = _facts(history.made.get("train"), "model")
    validated = _facts(history.validations[-1] if history.validations else None, "validation")
    dataset = next((ref.digest for ref in history.made["train"].event.inputs if ref.name == "gold"), None)
    settings = trained.get("hyperparameters")
    return ModelFacts(
        version=history.version,
        model=history.model,
        dataset=dataset,
        task=_text(gold.get("task")),
        task_digest=_text(gold.get("task_digest")),
        feature_set=_text(gold.get("feature_set")),
        feature_spec=_text(trained.get("feature_spec_digest")),
        algorithm=_text(trained.get("algorithm")),
        hyperparameters=settings if isinstance(settings, Mapping) else None,
        threshold=_number(looked_up(validated, ("operating_point", "threshold"))),
        rows=_count(trained.get("rows")),
        positives=_count(trained.get("positives")),
        estimates=_estimates(validated.get("metrics")),
        criteria=_text(validated.get("criteria_digest")),
        validated=validated.get("verdict") == "passed",
    )


def _facts(stored: StoredEvent | None, name: str) -> dict[str, JSON]:
    value = stored.event.record.get(name) if stored is not None else None
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _estimates(metrics: JSON) -> dict[str, Estimated]:
    """The metrics that could be computed."""
    found: dict[str, Estimated] = {}
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else ():
        if isinstance(metric, Mapping):
            numbers = [_number(metric.get(key)) for key in ("value", "low", "high")]
            value, low, high = numbers
            if value is not None and low is not None and high is not None:
                found[name] = Estimated(value, low, high)
    return found


__all__ = ["VersionHistory", "model_facts", "model_digests", "version_history"]
