"""The audit trail: verify, trace, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder
from medcairn.core.errors import IntegrityError

if TYPE_CHECKING:
    from rich.tree import Tree

    from medcairn.audit import Event, Trace

commands = typer.Typer(no_args_is_help=True, help="Verify, trace and show the audit trail.")


def register(app: typer.Typer) -> None:
    """Add the audit group."""
    app.add_typer(commands, name="audit")


@commands.command()
def verify(
    study_folder: StudyFolder = Path(),
    public_key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The ledger's public key, as you know it from elsewhere."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check the ledger, its checkpoints and every artifact that it names. Exit code 5 names what changed.

    Example: medcairn audit verify --study diabetes
    """
    from medcairn.pipeline.verification import public_key_from_hex, verify_study

    key = public_key_from_hex(public_key) if public_key else None
    check = verify_study(study_folder, public_key=key)
    if as_json:
        print_json(check.as_json())
    else:
        say(
            f"{check.ledger.tree_size} entries, {check.ledger.checkpoints} checkpoints, {check.artifacts} "
            f"artifacts, {check.predictions} predictions checked; root {check.ledger.root_hash.hex()[:16]}"
        )
        for finding in check.findings:
            say(f"✗ {finding.what}: {finding.where}")
    if check.findings:
        raise IntegrityError("The trail is not as it was recorded", findings=len(check.findings))
    if not as_json:
        say("✓ No change found. A tail cut after the last checkpoint that anyone holds cannot be seen")


@commands.command()
def trace(
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Prediction, run, event, digest or version.")
    ],
    study_folder: StudyFolder = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Follow a prediction, a model version, an MLflow run or a digest back to the export.

    Example: medcairn audit trace 0b9f4c1e-…  --study diabetes
    """
    from rich.console import Console

    from medcairn.audit import trace as find
    from medcairn.pipeline.study import Study

    origin = find(Study.open(study_folder).events(), identifier)
    if as_json:
        print_json(origin.as_json())
        return
    Console(highlight=False).print(_tree(origin, set()))


@commands.command()
def show(
    study_folder: StudyFolder = Path(),
    last: Annotated[int, typer.Option(help="How many of the latest entries; 0 for all.")] = 20,
    event_type: Annotated[str | None, typer.Option("--type", help="Only entries of this type.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List entries of the ledger, oldest first.

    Example: medcairn audit show --last 50 --type stage.finished
    """
    from medcairn.audit import EventType
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.study import Study

    if event_type is not None and event_type not in set(EventType):
        raise UsageError("There is no such type of event", hint="Types: " + ", ".join(EventType))
    events = Study.open(study_folder).events(*([EventType(event_type)] if event_type else []))
    chosen = events[-last:] if last > 0 else events
    if as_json:
        print_json({"entries": [{"entry": item.index, **item.event.as_json()} for item in chosen]})
        return
    for item in chosen:
        event = item.event
        say(
            f"{item.index:>6}  {event.recorded_at[:19]}Z  {event.type.value:<20} {event.stage or '':<10} "
            f"{event.actor:<20} {event.id}"
        )


def _summary(event: Event) -> str:
    """What a step said of itself, or who signed what."""
    signature = event.record.get("signature")
    if isinstance(signature, Mapping):
        return f"{signature['meaning']} by {signature['printed_name']}"
    return str(event.record.get("summary", ""))


def _tree(origin: Trace, seen: set[int]) -> Tree:
    from rich.tree import Tree

    event = origin.event
    name = f"{origin.artifact.name} {origin.artifact.digest.short}" if origin.artifact else event.type.value
    place = f"entry {origin.index}, {event.recorded_at[:19]}Z, {event.actor}"
    summary = _summary(event)
    tree = Tree(f"[bold]{name}[/bold]  ({event.stage or event.type.value}; {place})  {summary}".rstrip())
    if origin.index in seen:
        if origin.sources:
            tree.add("(shown above)")
        return tree
    seen.add(origin.index)
    for source in origin.sources:
        tree.children.append(_tree(source, seen))
    return tree


__all__ = ["register"]
