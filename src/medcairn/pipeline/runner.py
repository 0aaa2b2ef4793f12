"""Runs steps in order, skips what is up to date, records each in the ledger, and resumes after a crash.

The ledger is the only memory: a step is finished when its STAGE_FINISHED event is there and its outputs
stand under their final names. A process that dies in between leaves partial folders and no event, so the
next run does the step again.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medcairn.audit import EventType, Ledger
from medcairn.core.artifacts import MANIFEST, ArtifactRef, Draft, Zone, draft_artifact, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.errors import GateRefused, Interrupted, MedcairnError, UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import Progress
from medcairn.pipeline.environment import environment_of
from medcairn.pipeline.plan import Reason, basis_of, last_finishes, reason_to_run
from medcairn.pipeline.resources import Meter
from medcairn.pipeline.stages import STEP_NAMES, STEPS, Step
from medcairn.pipeline.study import Study, acting_person
from medcairn.pipeline.versions import present_version
from medcairn.tracking import follow_ledger

_SILVER = "silver"
_ON_SILVER = frozenset(STEP_NAMES[1 + next(n for n, step in enumerate(STEPS) if _SILVER in step.writes) :])
"""The steps after the one that makes the silver tables."""


@dataclass
class StepContext:
    """What a step is given, and where it leaves what it made."""

    study: Study
    ledger: Ledger
    progress: Progress
    run_id: str
    step: Step
    inputs: Mapping[str, ArtifactRef]
    outputs: list[ArtifactRef] = field(default_factory=list)
    record: dict[str, JSON] = field(default_factory=dict)
    summary: str = ""

    def folder(self, name: str) -> Path:
        """Where the input artifact ``name`` lies."""
        return self.study.root / self.inputs[name].path

    @contextmanager
    def draft(
        self,
        name: str,
        path: str,
        *,
        kind: str,
        zone: Zone,
        resume: bool = False,
        on_last: Callable[[Mapping[str, JSON]], bool] = lambda facts: False,
    ) -> Iterator[Draft]:
        """Make the output artifact ``name`` at ``path`` below the study; see :func:`draft_artifact`.

        The draft goes on from the artifact that is there when ``on_last`` says so of its facts.

        It is recorded as soon as it stands, so that a step that fails later leaves nothing unexplained.
        """
        final = self.study.root / path
        last = (final / MANIFEST).is_file() and on_last(read_manifest(final).facts)
        made: AbstractContextManager[Draft] = draft_artifact(
            final, kind=kind, zone=zone, resume=resume, base=final if last else None
        )
        with made as draft:
            yield draft
        manifest = draft.manifest
        assert manifest is not None  # set by draft_artifact when its block ends
        ref = ArtifactRef(Label(name), manifest.kind, zone, manifest.digest, manifest.seal, path)
        self.ledger.append(
            EventType.ARTIFACT_MADE,
            actor="pipeline",
            run_id=self.run_id,
            stage=self.step.name,
            inputs=tuple(self.inputs.values()),
            outputs=(ref,),
            record=_dataset_of(self.study) if self.step.name in _ON_SILVER else {},
        )
        self.outputs.append(ref)
        self.record[name] = dict(draft.facts)


Action = Callable[[StepContext], None]


@dataclass(frozen=True)
class StepOutcome:
    """What happened to a step: the reason it ran (or did not), its cost, and one line for people."""

    step: Step
    reason: Reason
    seconds: float = 0.0
    peak_bytes: int = 0
    summary: str = ""
    record: Mapping[str, JSON] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        return {
            "step": self.step.name,
            "reason": self.reason.value,
            "ran": self.reason is not Reason.CURRENT,
            "seconds": round(self.seconds, 3),
            "peak_bytes": self.peak_bytes,
            "summary": self.summary,
            "record": self.record,
        }


def run_steps(
    study: Study,
    steps: Sequence[Step],
    actions: Mapping[str, Action],
    *,
    progress: Progress,
    force: str | None = None,
    heard: Callable[[StepOutcome], None] = lambda outcome: None,
) -> list[StepOutcome]:
    """Run what must run of ``steps``, in order; ``heard`` is told of each when it ends.

    Raises the error of the step that failed, after recording it; earlier steps stay finished.
    """
    outcomes: list[StepOutcome] = []
    with only_run(study), study.ledger() as ledger, ExitStack() as ending:
        run_id = study.ids.new()
        if study.settings.tracking.stages:
            place = study.tracking_uri, study.root / "mlartifacts", study.settings.study.name
            ending.callback(follow_ledger, *place, study.ledger_address, run_id)
        ledger.append(
            EventType.RUN_STARTED,
            actor=acting_person(),
            run_id=run_id,
            record={"steps": [step.name for step in steps]},
        )
        for step in steps:
            outcome = _run_step(study, step, actions[step.name], ledger, run_id, progress, force)
            outcomes.append(outcome)
            heard(outcome)
        ledger.append(EventType.RUN_FINISHED, actor="pipeline", run_id=run_id)
        ledger.checkpoint()
    return outcomes


def _run_step(
    study: Study,
    step: Step,
    action: Action,
    ledger: Ledger,
    run_id: str,
    progress: Progress,
    force: str | None,
) -> StepOutcome:
    artifacts = study.artifacts()
    reason = reason_to_run(study, step, last_finishes(study).get(step.name), artifacts, force=force)
    if reason is Reason.CURRENT:
        return StepOutcome(step, reason)
    inputs = _inputs(step, artifacts)
    basis = basis_of(study, step, artifacts)
    started: dict[str, JSON] = {"reason": reason.value}
    ledger.append(
        EventType.STAGE_STARTED,
        actor="pipeline",
        inputs=tuple(inputs.values()),
        record=started,
        run_id=run_id,
        stage=step.name,
    )
    context = StepContext(study, ledger, progress, run_id, step, inputs)
    meter = Meter()
    with _failure_recorded(study, ledger, run_id, step):
        action(context)
    cost: dict[str, JSON] = {"seconds": round(meter.seconds, 3), "peak_bytes": meter.peak_bytes}
    knows_dataset = step.name in _ON_SILVER or _SILVER in step.writes
    ledger.append(
        EventType.STAGE_FINISHED,
        actor=acting_person(),
        inputs=tuple(inputs.values()),
        outputs=context.outputs,
        record={
            **context.record,
            **(_dataset_of(study) if knows_dataset else {}),
            "basis": basis.as_json(),
            "cost": cost,
            "environment": environment_of(step),
            "summary": context.summary,
        },
        run_id=run_id,
        stage=step.name,
    )
    return StepOutcome(step, reason, meter.seconds, meter.peak_bytes, context.summary, context.record)


def _dataset_of(study: Study) -> dict[str, JSON]:
    """The version of the silver tables that a study stands on: the end of the step that made them carries
    it, and every event of the steps after. What comes before would name the tables of an earlier run."""
    folder = study.root / "lake" / "silver"
    if not (folder / MANIFEST).is_file():
        return {}
    manifest = read_manifest(folder)
    return {"dataset": {"silver": manifest.digest, "table_versions": manifest.facts.get("table_versions")}}


def _inputs(step: Step, artifacts: Mapping[str, ArtifactRef]) -> dict[str, ArtifactRef]:
    missing = [name for name in step.reads if name not in artifacts]
    if missing:
        raise UsageError(
            "A step lacks an input that an earlier step makes",
            hint="Run the earlier steps first: `medcairn run --until STEP`",
            step=Label(step.name),
            missing=Label(missing[0]),
        )
    return {name: artifacts[name] for name in step.reads}


@contextmanager
def _failure_recorded(study: Study, ledger: Ledger, run_id: str, step: Step) -> Iterator[None]:
    """A failed step leaves an event with the error's code and its safe fields, and no text."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as failure:
        error = _recordable(failure)
        try:
            fields: dict[str, JSON] = {"code": error.code, **error.recordable_fields()}
            if isinstance(error, GateRefused):
                refused = {**_model_of(study, step), **error.recordable_fields()}
                ledger.append(
                    EventType.GATE_REFUSED, actor="pipeline", record=refused, run_id=run_id, stage=step.name
                )
            ledger.append(
                EventType.STAGE_FAILED, actor="pipeline", record=fields, run_id=run_id, stage=step.name
            )
            ledger.checkpoint()
        except (MedcairnError, OSError):
            pass  # a full disk refuses this too; the first failure is the one to tell
        raise


def _model_of(study: Study, step: Step) -> dict[str, JSON]:
    """The version of the model that ``step`` works on, if it does."""
    if not {"model", "package"} & set(step.reads):
        return {}
    return {"model": study.model_name, "version": present_version(study).version}


def _recordable(failure: BaseException) -> MedcairnError:
    """``failure`` as an error of ours; of one that nobody expected only the kind."""
    if isinstance(failure, MedcairnError):
        return failure
    if isinstance(failure, KeyboardInterrupt):
        return Interrupted("Stopped by the user")
    return MedcairnError("Something unexpected happened", kind=Label(type(failure).__name__))


@contextmanager
def only_run(study: Study) -> Iterator[None]:
    """One run of a study at a time; the lock goes with the process, also when it is killed."""
    with (study.root / ".run.lock").open("w") as stream:
        busy = False
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = True
        if busy:
            raise UsageError("Another run of this study is going on", hint="Wait for it, or stop it")
        yield


__all__ = ["Action", "StepContext", "StepOutcome", "only_run", "run_steps"]
