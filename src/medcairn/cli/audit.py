"""The audit trail: verify, trace, record, export, show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder
from medcairn.core.errors import IntegrityError

if TYPE_CHECKING:
    from medcairn.audit.trace import Direction, SubjectTrail, Trail
    from medcairn.core.canonical import JSON
    from medcairn.pipeline.study_ledger import WitnessAnswer

commands = typer.Typer(no_args_is_help=True, help="Verify, trace, record, export and show the audit trail.")


def register(app: typer.Typer) -> None:
    """Add the audit group."""
    from medcairn.cli import audit_seals, audit_store

    audit_seals.register(commands)
    audit_store.register(commands)
    app.add_typer(commands, name="audit")


@commands.command()
def verify(
    study_folder: StudyFolder = Path(),
    public_key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The ledger's public key, as you know it from elsewhere."),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="A file with a signed checkpoint that you kept."),
    ] = None,
    receipts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of receipts that people kept.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check the ledger, its checkpoints and every artifact that it names. Exit code 5 names what changed.

    Example: medcairn audit verify --study diabetes --receipts ~/receipts
    """
    from medcairn.pipeline.verification import public_key_from_hex, verify_study

    key = public_key_from_hex(public_key) if public_key else None
    kept = _checkpoint_in(since) if since is not None else None
    check = verify_study(study_folder, public_key=key, since=kept, receipts=receipts)
    if as_json:
        print_json(check.as_json())
    else:
        say(
            f"{check.ledger.tree_size} entries, {check.ledger.checkpoints} checkpoints, {check.artifacts} "
            f"artifacts, {check.predictions} predictions checked; root {check.ledger.root_hash.hex()[:16]}"
        )
        for answer in check.witnesses:
            say(_witness(answer))
        for finding in check.findings:
            named = f" ({finding.attack})" if finding.attack else ""
            say(f"✗ {finding.what}: {finding.where}{named}")
    if check.findings:
        raise IntegrityError("The trail is not as it was recorded", findings=len(check.findings))
    if not as_json:
        say("✓ No change found. A tail cut after the last checkpoint that anyone holds cannot be seen")


def _witness(answer: WitnessAnswer) -> str:
    if answer.attestation is None:
        return f"– witness {answer.name} was not compared: it cannot be reached ({answer.why})"
    number, size = len(answer.attestation.notes), answer.latest_size
    held = f"compared; checkpoints held: {number}, the largest of {size} entries"
    stamps = len(answer.attestation.stamped)
    return f"  witness {answer.name}: {held}" + (f"; time-stamped: {stamps}" if stamps else "")


def _checkpoint_in(file: Path) -> str:
    from medcairn.core.errors import UsageError

    text: str | None = None
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text(encoding="utf-8")
    if text is None:
        raise UsageError("The checkpoint cannot be read", file=file)
    return text


@commands.command()
def trace(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Prediction, model version, digest of an artifact or package, run, event or subject.",
        ),
    ],
    study_folder: StudyFolder = Path(),
    direction: Annotated[
        str, typer.Option(help="back to the export, forward to all that was made from it, or both.")
    ] = "both",
    every: Annotated[
        bool, typer.Option("--every", help="Tell every entry, also the many that are alike.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the trail into this file as well.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Follow anything back to the export that it came from, and forward to everything that was made from it.

    A subject is looked for in the study's tables under its pseudonym; the ledger knows no subjects.

    Example: medcairn audit trace 0b9f4c1e-…  --study diabetes --picture trail.svg
    """
    from medcairn.audit.graph import trail_picture
    from medcairn.audit.trace import Direction, SubjectTrail
    from medcairn.core.errors import UsageError
    from medcairn.core.files import write_file

    if direction not in set(Direction):
        raise UsageError("There is no such direction", hint="Directions: " + ", ".join(Direction))
    found = _found(study_folder, identifier, Direction(direction), every=every)
    if picture is not None:
        trail = found.trail if isinstance(found, SubjectTrail) else found
        write_file(picture, trail_picture(trail).encode())
    if as_json:
        print_json(found.as_json())
        return
    _say_trail(found, Direction(direction))
    if picture is not None:
        say(f"\nDrawn in {picture}")


def _say_trail(found: Trail | SubjectTrail, direction: Direction) -> None:
    from medcairn.audit.trace import SubjectTrail, holdings_text, trail_text

    trail = found.trail if isinstance(found, SubjectTrail) else found
    for line in trail_text(trail, direction):
        say(line)
    if isinstance(found, SubjectTrail):
        for line in holdings_text(found):
            say(line)


def _found(study_folder: Path, identifier: str, direction: Direction, *, every: bool) -> Trail | SubjectTrail:
    """The trail in the ledger; where it knows no such id, that of the subject of this pseudonym."""
    from medcairn.audit import read_events
    from medcairn.audit.trace import UnknownId, follow, follow_subject
    from medcairn.pipeline.study import Study
    from medcairn.serving.reading import recorded_predictions

    study = Study.open(study_folder)
    with suppress(UnknownId):
        return follow(read_events(study.ledger_address), identifier, direction=direction, every=every)

    def predictions() -> Iterator[tuple[str, Mapping[str, float | None]]]:
        if study.predictions_file.is_file():
            yield from ((str(one.id), one.features) for one in recorded_predictions(study.predictions_file))

    return follow_subject(
        study.root,
        lambda: read_events(study.ledger_address),
        identifier,
        direction=direction,
        every=every,
        predictions=predictions,
    )


@commands.command()
def record(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run; any other id that `trace` knows does too.")
    ],
    study_folder: StudyFolder = Path(),
    as_json: JsonFlag = False,
) -> None:
    """The nine-stage record of a run: what each stage recorded, in which entry, and what nobody recorded.

    Example: medcairn audit record 8941553e-…  --study diabetes
    """
    from medcairn.audit import read_events
    from medcairn.audit.record import nine_stage_record, record_text
    from medcairn.pipeline.study import Study

    ledger = Study.open(study_folder).ledger_address
    found = nine_stage_record(lambda: read_events(ledger), run)
    if as_json:
        print_json(found.as_json())
        return
    for line in record_text(found):
        say(line)


@commands.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    study_folder: StudyFolder = Path(),
    form: Annotated[
        str, typer.Option(help="package (with a verifier of its own), fhir (R4) or openlineage.")
    ] = "package",
    as_json: JsonFlag = False,
) -> None:
    """Write the trail for others: an audit package, FHIR Provenance and AuditEvent Bundles, or OpenLineage.

    Example: medcairn audit export audit-2026 --study diabetes
    """
    from medcairn.core.errors import UsageError

    forms: dict[str, Callable[[Path, Path], dict[str, JSON]]] = {
        "package": _export_package,
        "fhir": _export_fhir,
        "openlineage": _export_openlineage,
    }
    if form not in forms:
        raise UsageError("There is no such form", hint="Forms: " + ", ".join(forms))
    if out.exists():
        raise UsageError("There is something under this name already", hint="Name a new folder", folder=out)
    written = forms[form](study_folder, out)
    if as_json:
        print_json(written)
        return
    say(
        f"{out}: "
        + ", ".join(f"{name.replace('_', ' ')} {_amount(value)}" for name, value in written.items())
    )


def _amount(value: JSON) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _export_package(study_folder: Path, out: Path) -> dict[str, JSON]:
    from medcairn.pipeline.people import ABOUT_PEOPLE, signing_keys
    from medcairn.pipeline.study import Study
    from medcairn.pipeline.study_ledger import stamps_of
    from medcairn.pipeline.verification import verify_study
    from medcairn.reports.audit_package import write_audit_package
    from medcairn.reports.audit_summary import Checked

    study = Study.open(study_folder)
    check = verify_study(study.root)
    findings = tuple(f"{finding.what}: {finding.where}" for finding in check.findings)
    report = write_audit_package(
        out,
        study.root,
        ledger=study.ledger_address,
        checked=Checked(findings, check.ledger.checkpoints, check.ledger.root_hash.hex()),
        people={name: list(keys) for name, keys in signing_keys(study.events(*ABOUT_PEOPLE)).items()},
        witnesses=[answer.attestation for answer in check.witnesses if answer.attestation is not None],
        stamps=stamps_of(study.root, study.settings),
    )
    return {**report.as_json(), "findings": len(findings)}


def _export_fhir(study_folder: Path, out: Path) -> dict[str, JSON]:
    from medcairn.audit import read_events
    from medcairn.audit.export import ledger_origin, write_fhir
    from medcairn.pipeline.study import Study

    ledger = Study.open(study_folder).ledger_address
    return dict(write_fhir(out, lambda: read_events(ledger), origin=ledger_origin(ledger)))


def _export_openlineage(study_folder: Path, out: Path) -> dict[str, JSON]:
    from medcairn import __version__
    from medcairn.audit import read_events
    from medcairn.audit.export import ledger_origin, write_openlineage
    from medcairn.pipeline.study import Study

    ledger = Study.open(study_folder).ledger_address
    path = out / "openlineage.jsonl"
    origin = ledger_origin(ledger)
    return {
        "events": write_openlineage(path, lambda: read_events(ledger), origin=origin, version=__version__)
    }


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


__all__ = ["register"]
