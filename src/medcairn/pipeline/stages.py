"""The nine stages as data: which steps they have, and what each reads, writes and depends on."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.errors import UsageError


@dataclass(frozen=True)
class Step:
    """One command's worth of a stage.

    ``reads`` and ``writes`` name artifacts; ``settings`` the sections of ``study.yaml`` that it depends on;
    ``packages`` the code that it runs. A step whose ``volatile`` is set also depends on something that
    has no digest before it is read (new predictions, the ledger itself), and so runs each time.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    settings: tuple[str, ...]
    packages: tuple[str, ...]
    volatile: bool = False


@dataclass(frozen=True)
class Stage:
    """One of the nine stages, with its steps in order."""

    number: int
    title: str
    steps: tuple[Step, ...]


STAGES = (
    Stage(
        1,
        "Export",
        (Step("export", "Export from the source", (), ("export",), ("source",), ("export",)),),
    ),
    Stage(
        2,
        "De-identification",
        (
            Step(
                "deid",
                "De-identify and scan for leaks",
                ("export",),
                ("deid",),
                ("deid", "engine"),
                ("deid",),
            ),
        ),
    ),
    Stage(
        3,
        "Lakehouse and features",
        (
            Step(
                "lakehouse",
                "Load bronze and silver",
                ("deid",),
                ("bronze", "silver", "quality"),
                ("engine",),
                ("lakehouse", "core/concepts"),
            ),
            Step(
                "features",
                "Cohort, features and splits",
                ("silver",),
                ("gold",),
                ("features", "split", "engine"),
                ("features", "core/concepts"),
            ),
        ),
    ),
    Stage(
        4,
        "Training",
        (
            Step(
                "train",
                "Train candidates",
                ("gold",),
                ("model", "out_of_fold"),
                ("training",),
                ("training", "tracking"),
            ),
        ),
    ),
    Stage(
        5,
        "Clinical validation",
        (
            Step(
                "validate",
                "Assess the candidate on held-out subjects",
                ("gold", "model"),
                ("validation",),
                ("validation", "study"),
                ("validation", "reports"),
            ),
        ),
    ),
    Stage(
        6,
        "Registry and packaging",
        (
            Step(
                "package",
                "Check approvals and package the model",
                ("gold", "model", "validation"),
                ("package",),
                ("approval", "study"),
                ("packaging", "registry"),
            ),
        ),
    ),
    Stage(
        7,
        "Deployment and serving",
        (
            Step(
                "deploy",
                "Start the service and smoke-test it",
                ("package",),
                ("deployment",),
                ("deployment",),
                ("deployment", "serving"),
            ),
        ),
    ),
    Stage(
        8,
        "Monitoring",
        (
            Step(
                "monitor",
                "Compare what was served with what was trained on",
                ("gold", "model", "out_of_fold", "package"),
                ("monitoring",),
                ("monitoring", "study"),
                ("monitoring", "reports"),
                volatile=True,
            ),
        ),
    ),
    Stage(
        9,
        "Audit trail",
        (Step("audit", "Verify the trail and seal a checkpoint", (), (), (), ("audit",), volatile=True),),
    ),
)
"""In the order in which a study goes through them."""

STEPS = tuple(step for stage in STAGES for step in stage.steps)
STEP_NAMES = tuple(step.name for step in STEPS)


def step_named(name: str) -> Step:
    """The step of this name. Raises :class:`UsageError` that lists the names."""
    for step in STEPS:
        if step.name == name:
            return step
    raise UsageError("There is no step of this name", hint="Steps: " + ", ".join(STEP_NAMES))


def steps_until(name: str | None) -> tuple[Step, ...]:
    """All steps up to and including ``name``; all of them without."""
    if name is None:
        return STEPS
    return STEPS[: STEPS.index(step_named(name)) + 1]


__all__ = ["STAGES", "STEPS", "STEP_NAMES", "Stage", "Step", "step_named", "steps_until"]
