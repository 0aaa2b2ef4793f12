"""``medcairn lakehouse`` (the stage) and ``medcairn view`` (ViewDefinitions on files)."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

Study = Annotated[Path, typer.Option("--study", help="The study's folder.")]

lakehouse = typer.Typer(help="Bronze and silver: whole resources, then typed clinical tables, in Delta.")
view = typer.Typer(help="Run SQL on FHIR ViewDefinitions on resource files.", no_args_is_help=True)


class Engine(StrEnum):
    """Engines that views run on."""

    DUCKDB = "duckdb"


EngineOption = Annotated[Engine, typer.Option("--engine", help="The engine that runs the SQL.")]


@lakehouse.callback(invoke_without_command=True)
def stage(
    context: typer.Context,
    study: Study = Path(),
    force: Annotated[bool, typer.Option("--force", help="Run although nothing changed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build the bronze and silver tables of a study from its de-identified resources.

    Example: medcairn lakehouse --study diabetes
    """
    if context.invoked_subcommand is None:
        from medcairn.cli.stages import run_stage

        run_stage("lakehouse", study, force=force, as_json=as_json)


@view.command("run")
def run(
    view_file: Annotated[Path, typer.Argument(metavar="VIEW.json", help="A ViewDefinition.")],
    data_dir: Annotated[
        Path, typer.Argument(help="Folder of <Type>….ndjson[.gz] files, or of bronze tables.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="File to write: .parquet, .csv or .ndjson. Default: CSV on standard output."
        ),
    ] = None,
    engine: EngineOption = Engine.DUCKDB,
    as_json: JsonFlag = False,
) -> None:
    """Run a ViewDefinition over resource files.

    Example: medcairn view run blood_pressure.json exported/ --out blood_pressure.parquet
    """
    from medcairn.lakehouse.views.files import run_view_on_folder

    with tempfile.TemporaryDirectory() as folder, progress(quiet=as_json) as shown:
        shown.begin("running the view")
        target = out or Path(folder) / "rows.csv"
        result = run_view_on_folder(view_file, data_dir, target)
        for element in result.warnings:
            note(f"The view asks for {element}, which R4 does not have; it gives nothing")
        if as_json:
            print_json(result.facts())
        elif out is None:
            with target.open(encoding="utf-8") as rows:
                for row in rows:
                    say(row.rstrip("\n"))
        else:
            say(f"{result.rows:,} rows of {result.resource} in {out}")


@view.command("conformance")
def conformance(
    suite_dir: Annotated[Path, typer.Argument(help="Folder of the official SQL on FHIR test suite.")],
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the suite's own test report (JSON) here.")
    ] = None,
    engine: EngineOption = Engine.DUCKDB,
    as_json: JsonFlag = False,
) -> None:
    """Run the official SQL on FHIR test suite and print "N passed, M failed".

    Exits with 3 when a case fails. Example: medcairn view conformance sql-on-fhir-v2/
    """
    from medcairn.core.files import write_json
    from medcairn.lakehouse.engine import ViewRunner
    from medcairn.lakehouse.views import run_suite

    result = run_suite(suite_dir, ViewRunner())
    if report is not None:
        write_json(report, result.test_report())
    if as_json:
        failed = [{"case": case.key, "reason": case.reason} for case in result.failed]
        print_json({"passed": result.passed, "failed": len(failed), "cases": failed})
    else:
        for case in result.failed:
            note(f"{case.key}: {case.reason}")
        say(f"{result.passed} passed, {len(result.failed)} failed")
    if result.failed:
        raise typer.Exit(3)


def register(app: typer.Typer) -> None:
    """Add the two groups to the command line."""
    app.add_typer(lakehouse, name="lakehouse")
    app.add_typer(view, name="view")
