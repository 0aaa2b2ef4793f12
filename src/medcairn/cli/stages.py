"""One step of a study at a time: the steps that have no stand-alone form, and what the others share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, progress
from medcairn.cli.study import StudyFolder, ignore, tell

ForceFlag = Annotated[bool, typer.Option("--force", help="Run though it is up to date.")]

_ALONE = {
    "train": "Train the candidate models on the gold table and choose one by cross-validation.",
    "validate": "Assess the candidate on the held-out subjects against the pinned criteria.",
    "package": "Check the approvals and build the model package. Refused until enough people have signed.",
    "deploy": "Start the packaged service on loopback, smoke-test it, and record the deployment.",
    "monitor": "Compare the predictions that were served with the training data, and report drift.",
}


def run_stage(step: str, study: Path, *, force: bool = False, as_json: bool = False) -> None:
    """Run one step of the study in folder ``study`` and print its result."""
    from medcairn.pipeline.actions import ACTIONS
    from medcairn.pipeline.runner import run_steps
    from medcairn.pipeline.stages import step_named
    from medcairn.pipeline.study import Study

    opened = Study.open(study)
    with progress(quiet=as_json) as shown:
        outcomes = run_steps(
            opened,
            [step_named(step)],
            ACTIONS,
            progress=shown,
            force=step if force else None,
            heard=ignore if as_json else tell,
        )
    if as_json:
        print_json({"steps": [outcome.as_json() for outcome in outcomes]})


def register(app: typer.Typer) -> None:
    """Add the commands of the steps that only run in a study."""
    for step, text in _ALONE.items():
        app.command(step, help=f"{text}\n\nExample: medcairn {step} --study diabetes")(_command(step))


def _command(step: str) -> Callable[..., None]:
    def command(
        study_folder: StudyFolder = Path(), force: ForceFlag = False, as_json: JsonFlag = False
    ) -> None:
        run_stage(step, study_folder, force=force, as_json=as_json)

    return command


__all__ = ["ForceFlag", "register", "run_stage"]
