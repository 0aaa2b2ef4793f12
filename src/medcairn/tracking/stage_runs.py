"""A pipeline run as an MLflow run, and each of its steps as a child run, as the ledger tells them.

MLflow follows the ledger: what is written here was recorded there before, and can be written at any time
later, also for a run whose process was killed. What is there already is not written twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medcairn.core.canonical import JSON
from medcairn.core.errors import MedcairnError
from medcairn.core.labels import Label
from medcairn.core.log import get_logger
from medcairn.tracking.mlflow_tracker import MlflowTracker, PastRun, Status, open_tracker
from medcairn.tracking.protocol import Loggable

if TYPE_CHECKING:
    from medcairn.audit import Event, LedgerAddress, StoredEvent

_log = get_logger(__name__)
_RUN_TAG = "medcairn.pipeline_run"
_STEP_TAG = "medcairn.step"
_PIPELINE = Label("pipeline")


def log_stage_runs(tracker: MlflowTracker, events: Iterable[StoredEvent], run_id: str) -> Label | None:
    """Write the pipeline run ``run_id`` to MLflow, with one child run for each step that it began.

    A child has the digests of the step's inputs and outputs, its code and its settings as parameters, its
    cost as metrics, and the number of the ledger's entry as a tag; one that failed has the code of its error.
    The MLflow run that training made itself is nested under its step. The parent's id comes back; None when
    the ledger has no such run.

    Raises :class:`~medcairn.core.errors.ExternalError` when the store refuses.
    """
    steps = [*_steps(stored for stored in events if stored.event.run_id == run_id)]
    if not steps:
        return None
    mark: dict[str, Loggable] = {_RUN_TAG: Label(run_id)}
    known = {tags.get(_STEP_TAG, _PIPELINE): found for found, tags in tracker.recorded_runs(mark).items()}
    parent = known.get(_PIPELINE) or tracker.record_run(_whole(steps, mark))
    for step in steps:
        if step.name not in known:
            child = tracker.record_run(step.as_past_run(mark), parent)
            if step.inner is not None:
                tracker.nest(step.inner, child)
    return parent


def follow_ledger(
    tracking_uri: str, artifact_root: Path, experiment: str, ledger: LedgerAddress, run_id: str
) -> None:
    """:func:`log_stage_runs` for a run that just ended, from the ledger where it lies.

    MLflow only follows: when it cannot be written to, that is logged and the run stays what it is.
    """
    from medcairn.audit import EventType, read_events

    kinds = (EventType.STAGE_STARTED, EventType.STAGE_FINISHED, EventType.STAGE_FAILED)
    try:
        tracker = open_tracker(tracking_uri, artifact_root, experiment)
        log_stage_runs(tracker, read_events(ledger, *kinds), run_id)
    except MedcairnError as failure:
        _log.error("stage-runs-not-in-mlflow", failure)


@dataclass(frozen=True)
class _Step:
    """A step that began, and its end when it has one."""

    begun: StoredEvent
    ended: StoredEvent | None

    @property
    def name(self) -> Label:
        return Label(str(self.begun.event.stage))

    @property
    def last(self) -> StoredEvent:
        return self.ended or self.begun

    @property
    def status(self) -> Status:
        if self.ended is None:
            return "KILLED"
        return "FAILED" if self.ended.event.type.value.endswith(".failed") else "FINISHED"

    @property
    def inner(self) -> Label | None:
        """The MLflow run that the step made itself."""
        made = self.last.event.record.get("mlflow_run_id")
        return Label(made) if isinstance(made, str) else None

    def as_past_run(self, mark: Mapping[str, Loggable]) -> PastRun:
        event = self.last.event
        tags: dict[str, Loggable] = {**mark, _STEP_TAG: self.name, "medcairn.ledger_entry": self.last.index}
        if self.status == "FAILED":
            tags["medcairn.error_code"] = Label(str(event.record.get("code", "error")))
        return PastRun(
            name=self.name,
            started=_moment(self.begun.event),
            ended=_moment(event),
            status=self.status,
            params=dict(_digests(event)),
            metrics=dict(_numbers(event.record.get("cost"))),
            tags=tags,
        )


def _steps(events: Iterable[StoredEvent]) -> Iterator[_Step]:
    """The steps of one run in the order in which they began."""
    begun: dict[str, StoredEvent] = {}
    ended: dict[str, StoredEvent] = {}
    for stored in events:
        stage, kind = stored.event.stage, stored.event.type.value
        if stage is not None and kind == "stage.started":
            begun[stage] = stored
        elif stage is not None and kind in ("stage.finished", "stage.failed"):
            ended[stage] = stored
    for stage, beginning in begun.items():
        yield _Step(beginning, ended.get(stage))


def _whole(steps: list[_Step], mark: Mapping[str, Loggable]) -> PastRun:
    unfinished: list[Status] = [step.status for step in steps if step.status != "FINISHED"]
    return PastRun(
        name=_PIPELINE,
        started=_moment(steps[0].begun.event),
        ended=_moment(steps[-1].last.event),
        status=unfinished[0] if unfinished else "FINISHED",
        metrics={"steps": float(len(steps))},
        tags=mark,
    )


def _digests(event: Event) -> Iterator[tuple[str, Loggable]]:
    """What went in and came out, by name, and by which code and settings."""
    for way, refs in (("input", event.inputs), ("output", event.outputs)):
        yield from ((f"{way}.{ref.name}", ref.digest) for ref in refs)
    basis = event.record.get("basis")
    for name in ("code_digest", "settings_digest"):
        value = basis.get(name) if isinstance(basis, Mapping) else None
        if isinstance(value, str):
            yield name, Label(value)


def _numbers(cost: JSON) -> Iterator[tuple[str, float]]:
    if isinstance(cost, Mapping):
        yield from ((name, float(value)) for name, value in cost.items() if isinstance(value, (int, float)))


def _moment(event: Event) -> datetime:
    return datetime.fromisoformat(event.recorded_at)


__all__ = ["follow_ledger", "log_stage_runs"]
