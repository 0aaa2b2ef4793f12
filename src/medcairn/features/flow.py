"""How index events became the cohort: how many rows and subjects each step left."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.canonical import JSON


@dataclass(frozen=True)
class Step:
    """One step of the flow: how many rows and subjects it left. ``reason`` is why the others went;
    empty where none can."""

    name: str
    rows: int
    subjects: int
    reason: str = ""


@dataclass(frozen=True)
class Flow:
    """How index events became the cohort, step by step. Flows of different subjects add up."""

    steps: tuple[Step, ...]
    subjects_read: int
    with_follow_up_end: int
    transfers_joined: int

    def __add__(self, other: Flow) -> Flow:
        steps = tuple(
            Step(mine.name, mine.rows + its.rows, mine.subjects + its.subjects, mine.reason)
            for mine, its in zip(self.steps, other.steps, strict=True)
        )
        return Flow(
            steps,
            self.subjects_read + other.subjects_read,
            self.with_follow_up_end + other.with_follow_up_end,
            self.transfers_joined + other.transfers_joined,
        )

    def as_json(self) -> dict[str, JSON]:
        """Counts only."""
        steps: list[JSON] = []
        before = self.steps[0]
        for step in self.steps:
            steps.append(
                {
                    "step": step.name,
                    "reason_removed": step.reason,
                    "rows": step.rows,
                    "subjects": step.subjects,
                    "rows_removed": before.rows - step.rows,
                    "subjects_removed": before.subjects - step.subjects,
                }
            )
            before = step
        return {
            "subjects_read": self.subjects_read,
            "transfers_joined": self.transfers_joined,
            "follow_up": {
                "patient.follow_up_end": self.with_follow_up_end,
                "dataset_maximum": self.subjects_read - self.with_follow_up_end,
            },
            "steps": steps,
        }


__all__ = ["Flow", "Step"]
