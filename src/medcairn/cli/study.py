"""Study commands: init, run, plan, status, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, progress, say

if TYPE_CHECKING:
    from medcairn.pipeline.runner import StepOutcome

StudyFolder = Annotated[Path, typer.Option("--study", help="The study's folder.")]


def register(app: typer.Typer) -> None:
    """Add the study commands."""
    app.command("init")(init)
    app.command("run")(run)
    app.command("plan")(plan)
    app.command("status")(status)
    app.command("schema")(schema)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new study.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="URL|FOLDER", help="FHIR base URL, or folder of NDJSON or Bundle files."
        ),
    ],
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Day on which ages are reckoned; today if not given.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Short name; the folder's name if not given.")] = None,
    task: Annotated[str, typer.Option(help="A built-in prediction task.")] = "readmission_30d",
    client_id: Annotated[str | None, typer.Option(help="SMART Backend Services client id.")] = None,
    ledger: Annotated[str, typer.Option(help="Where the ledger is kept: sqlite or postgres.")] = "sqlite",
    ledger_schema: Annotated[str | None, typer.Option(help="The schema in PostgreSQL.")] = None,
    ledger_address_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with PostgreSQL's connection string."),
    ] = None,
    ledger_address_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Or a file of mode 0600 with it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a new study: settings, keys, the PHI zone and a ledger.

    The database role that makes a ledger in PostgreSQL owns it; `medcairn audit allow` lets others add to it.

    Example: medcairn init diabetes --from exports/2026-05 --task diabetes_onset_1y
    """
    from medcairn.pipeline.new_study import ledger_store, settings_text
    from medcairn.pipeline.study import init_study

    store = ledger_store(
        ledger,
        schema=ledger_schema,
        address_file=ledger_address_file.resolve() if ledger_address_file else None,
        address_env=ledger_address_env,
    )
    text = settings_text(
        folder, source=source, as_of=as_of, name=name, task=task, client_id=client_id, store=store
    )
    study = init_study(folder, text)
    if as_json:
        print_json({"study": str(folder), "name": study.settings.study.name})
        return
    say(f"Made the study {study.settings.study.name} in {folder}")
    say(f"Next: look at {folder / 'study.yaml'}, then medcairn run --study {folder}")


def run(
    study_folder: StudyFolder = Path(),
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    force: Annotated[
        str | None, typer.Option(metavar="STEP", help="Run this step though it is current.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Plan, then run what must run. Resumes after a crash; a gate that refuses stops it with exit code 4.

    Example: medcairn run --study diabetes --until lakehouse
    """
    from medcairn.pipeline.actions import ACTIONS
    from medcairn.pipeline.runner import run_steps
    from medcairn.pipeline.stages import step_named, steps_until
    from medcairn.pipeline.study import Study

    steps = steps_until(until)
    if force is not None:
        step_named(force)
    study = Study.open(study_folder)
    with progress(quiet=as_json) as shown:
        heard = ignore if as_json else tell
        outcomes = run_steps(study, steps, ACTIONS, progress=shown, force=force, heard=heard)
    if as_json:
        print_json({"steps": [outcome.as_json() for outcome in outcomes]})


def plan(
    study_folder: StudyFolder = Path(),
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Plan up to this step.")] = None,
    force: Annotated[str | None, typer.Option(metavar="STEP", help="As if this step were forced.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what `run` would do and why.

    Example: medcairn plan --study diabetes
    """
    from medcairn.pipeline.plan import plan as make_plan
    from medcairn.pipeline.stages import steps_until
    from medcairn.pipeline.study import Study

    planned = make_plan(Study.open(study_folder), steps_until(until), force=force)
    if as_json:
        print_json({"plan": [step.as_json() for step in planned]})
        return
    for item in planned:
        verb = "run " if item.runs else "skip"
        say(f"{verb}  {item.step.name:<10} {item.reason.value:<24} {item.step.title}")


def status(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Say what has run, when, at what cost, and what it made.

    Example: medcairn status --study diabetes
    """
    from medcairn.pipeline.status import study_status
    from medcairn.pipeline.study import Study

    rows = study_status(Study.open(study_folder))
    if as_json:
        print_json({"steps": [row.as_json() for row in rows]})
        return
    for row in rows:
        when = row.finished_at[:19].replace("T", " ") if row.finished_at else "never run"
        made = "  ".join(f"{ref.name} {ref.digest.short}" for ref in row.outputs)
        say(f"{row.stage}  {row.step:<10} {when:<20} {made}")


def schema() -> None:
    """Print the JSON Schema of study.yaml, for editors.

    Example: medcairn schema > study.schema.json
    """
    from medcairn.core.settings import Settings

    say(json.dumps(Settings.model_json_schema(), indent=2))


def tell(outcome: StepOutcome) -> None:
    """One line about a step that ended."""
    from medcairn.pipeline.plan import Reason

    if outcome.reason is Reason.CURRENT:
        say(f"  {outcome.step.name:<10} up to date")
        return
    cost = f"{outcome.seconds:6.1f} s  {outcome.peak_bytes / 1e6:6.0f} MB"
    say(f"✓ {outcome.step.name:<10} {cost}  {outcome.summary}")


def ignore(outcome: StepOutcome) -> None:
    """Say nothing; the whole result is printed at the end."""


__all__ = ["ignore", "init", "plan", "register", "run", "schema", "status", "tell"]
