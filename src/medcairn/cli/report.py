"""Reports that auditors ask for, from the records of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder

commands = typer.Typer(no_args_is_help=True, help="Reports for auditors, from the study's ledger.")


def register(app: typer.Typer) -> None:
    """Add the report group."""
    app.add_typer(commands, name="report")


@commands.callback()
def reports() -> None:
    """Reports for auditors, from the study's ledger."""


@commands.command("fda-audit")
def fda_audit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The registered name: STUDY.TASK.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="1 for the first model of the study.")],
    study_folder: StudyFolder = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where to; reports/fda-audit/MODEL-VERSION in the study if not given."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the audit report of a model version as JSON and PDF: what it is, what it was made from, how it
    was validated, what happened to it, who approved it, and the ledger entry behind every statement.

    Example: medcairn report fda-audit readmission.readmission_30d 1 --study readmission
    """
    from medcairn.pipeline.fda_audit import ComplianceReportGenerator

    generator = ComplianceReportGenerator(study_folder)
    record = generator.fda_audit(model, version)
    folder = generator.write(record, out)
    if as_json:
        print_json({"folder": str(folder), "report": record.as_json()})
        return
    say(f"{record.model} version {record.version}: {record.standing.word}")
    say(record.standing.reason)
    say(f"{record.unknown} statements are unknown; the report says why")
    say(f"Wrote fda-audit.json and fda-audit.pdf in {folder}")


__all__ = ["register"]
