"""What would run and why: each step's last finish in the ledger against what it depends on now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import medcairn
from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.core.artifacts import MANIFEST, ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_file, digest_json
from medcairn.core.settings import FilesSource
from medcairn.pipeline.stages import STEPS, Step
from medcairn.pipeline.study import Study

_CODE_SUFFIXES = {".py", ".yaml", ".json", ".sql", ".typ", ".j2", ".html"}


class Reason(StrEnum):
    """Why a step runs, or that it need not."""

    CURRENT = "up to date"
    NEVER_RUN = "never run"
    INPUTS_CHANGED = "inputs changed"
    SETTINGS_CHANGED = "settings changed"
    CODE_CHANGED = "code changed"
    OUTPUT_MISSING = "output missing"
    EARLIER_RUNS = "an earlier step runs"
    FORCED = "forced"
    EACH_TIME = "runs each time"


@dataclass(frozen=True)
class Basis:
    """What a step's outcome depends on: digests of its inputs, its settings and its code."""

    inputs: Mapping[str, str]
    settings: Digest
    code: Digest

    def as_json(self) -> dict[str, JSON]:
        return {"inputs": dict(self.inputs), "settings_digest": self.settings, "code_digest": self.code}


@dataclass(frozen=True)
class Planned:
    """A step and the reason for or against running it."""

    step: Step
    reason: Reason

    @property
    def runs(self) -> bool:
        return self.reason is not Reason.CURRENT

    def as_json(self) -> dict[str, JSON]:
        return {"step": self.step.name, "runs": self.runs, "reason": self.reason.value}


def plan(study: Study, steps: Sequence[Step] = STEPS, *, force: str | None = None) -> list[Planned]:
    """The steps with reasons, as the study stands. A step after one that runs is planned to run too;
    when its inputs turn out the same, the runner skips it."""
    finished = last_finishes(study)
    artifacts = study.artifacts()
    planned: list[Planned] = []
    changing: set[str] = set()
    for step in steps:
        reason = reason_to_run(study, step, finished.get(step.name), artifacts, force=force)
        if reason is Reason.CURRENT and changing & set(step.reads):
            reason = Reason.EARLIER_RUNS
        if reason is not Reason.CURRENT:
            changing |= set(step.writes)
        planned.append(Planned(step, reason))
    return planned


def reason_to_run(
    study: Study,
    step: Step,
    finish: StoredEvent | None,
    artifacts: Mapping[str, ArtifactRef],
    *,
    force: str | None = None,
) -> Reason:
    """Why ``step`` must run now, given its last finish and the artifacts that are there."""
    if force == step.name:
        return Reason.FORCED
    if step.volatile:
        return Reason.EACH_TIME
    if finish is None:
        return Reason.NEVER_RUN
    basis, now = finish.event.record.get("basis"), basis_of(study, step, artifacts).as_json()
    if not isinstance(basis, Mapping) or basis.get("inputs") != now["inputs"]:
        return Reason.INPUTS_CHANGED
    if basis.get("settings_digest") != now["settings_digest"]:
        return Reason.SETTINGS_CHANGED
    if basis.get("code_digest") != now["code_digest"]:
        return Reason.CODE_CHANGED
    if any(not (study.root / ref.path / MANIFEST).is_file() for ref in finish.event.outputs):
        return Reason.OUTPUT_MISSING
    return Reason.CURRENT


def basis_of(study: Study, step: Step, artifacts: Mapping[str, ArtifactRef]) -> Basis:
    """What ``step`` depends on at this moment."""
    inputs: dict[str, str] = {name: artifacts[name].digest for name in step.reads if name in artifacts}
    if step.name == "export" and isinstance(study.settings.source, FilesSource):
        inputs["source"] = _folder_state(study.within(study.settings.source.path))
    for name, file in _rule_files(study, step).items():
        if file.is_file():
            inputs[name] = digest_file(file)
    settings = digest_json(study.settings.section(*step.settings))
    return Basis(inputs, settings, code_digest(step.packages))


def _rule_files(study: Study, step: Step) -> dict[str, Path]:
    """The files of rules in the study that ``step`` goes by; built-in rules belong to the code."""
    settings = study.settings
    own: dict[str, dict[str, str | Path | None]] = {
        "deid": {"policy": settings.deid.policy},
        "features": {"task": settings.features.task, "feature_set": settings.features.set},
        "validate": {"criteria": Path("criteria", f"{settings.validation.criteria}.yaml")},
        "package": {"gates": settings.approval.gates, "change_control": settings.approval.change_control},
    }
    found = own.get(step.name, {})
    return {name: study.within(Path(rules)) for name, rules in found.items() if rules is not None}


def last_finishes(study: Study) -> dict[str, StoredEvent]:
    """The last STAGE_FINISHED of each step."""
    found: dict[str, StoredEvent] = {}
    for stored in study.events(EventType.STAGE_FINISHED):
        if stored.event.stage is not None:
            found[stored.event.stage] = stored
    return found


@cache
def code_digest(packages: tuple[str, ...]) -> Digest:
    """Digest of the code and rule files of ``packages``, and of the version of medcairn."""
    state = hashlib.sha256(medcairn.__version__.encode())
    home = Path(medcairn.__file__).parent
    for package in packages:
        for path in sorted((home / package).rglob("*")):
            if path.suffix in _CODE_SUFFIXES:
                state.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return Digest("sha256:" + state.hexdigest())


def _folder_state(folder: Path) -> Digest:
    """Names, sizes and times of a landed folder's files: enough to see that they changed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return digest_json(
        [[p.relative_to(folder).as_posix(), p.stat().st_size, str(p.stat().st_mtime_ns)] for p in files]
    )


__all__ = ["Basis", "Planned", "Reason", "basis_of", "code_digest", "last_finishes", "plan", "reason_to_run"]
