"""What has run: each step's last finish, its cost and what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.pipeline.plan import last_finishes
from medcairn.pipeline.stages import STAGES
from medcairn.pipeline.study import Study


@dataclass(frozen=True)
class StepStatus:
    """One step: the stage's number, when it last finished (None: never), its cost and outputs."""

    stage: int
    step: str
    finished_at: str | None
    seconds: float | None
    peak_bytes: int | None
    outputs: tuple[ArtifactRef, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            "stage": self.stage,
            "step": self.step,
            "finished_at": self.finished_at,
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
            "outputs": [ref.as_json() for ref in self.outputs],
        }


def study_status(study: Study) -> list[StepStatus]:
    """Every step of the nine stages, in order."""
    finished = last_finishes(study)
    rows = []
    for stage in STAGES:
        for step in stage.steps:
            stored = finished.get(step.name)
            if stored is None:
                rows.append(StepStatus(stage.number, step.name, None, None, None, ()))
                continue
            event = stored.event
            cost = event.record.get("cost")
            cost = cost if isinstance(cost, Mapping) else {}
            seconds, peak = cost.get("seconds"), cost.get("peak_bytes")
            rows.append(
                StepStatus(
                    stage.number,
                    step.name,
                    event.recorded_at,
                    float(seconds) if isinstance(seconds, (int, float)) else None,
                    int(peak) if isinstance(peak, (int, float)) else None,
                    event.outputs,
                )
            )
    return rows


__all__ = ["StepStatus", "study_status"]
