"""``medcairn view``: SQL on FHIR ViewDefinitions, checked and run on files."""

from __future__ import annotations

import json
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

if TYPE_CHECKING:
    from medcairn.lakehouse.views.conformance import ManyRunner, Runner

view = typer.Typer(help="Check and run SQL on FHIR ViewDefinitions.", no_args_is_help=True)


class Engine(StrEnum):
    """Engines that views run on."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class Executor(StrEnum):
    """What the test suite runs on: the engines, or the Python that feeds silver and the online path."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    DIRECT = "direct"


class Format(StrEnum):
    """Formats that a view's rows are written in."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    ARROW = "arrow"
    DELTA = "delta"


ViewFile = Annotated[Path, typer.Argument(metavar="VIEW.json", help="A ViewDefinition.")]
EngineOption = Annotated[Engine, typer.Option("--engine", help="The engine that runs the SQL.")]


@view.command("run")
def run(
    view_file: ViewFile,
    data_dir: Annotated[
        Path, typer.Argument(help="Folder of <Type>….ndjson[.gz] files, or of bronze tables.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write (parquet, csv, ndjson, arrow) or folder (delta). Default: print.",
        ),
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Format, when the suffix does not say it.")
    ] = None,
    engine: EngineOption = Engine.DUCKDB,
    as_json: JsonFlag = False,
) -> None:
    """Run a ViewDefinition over resource files.

    Without --out rows are printed, as CSV or as --format ndjson.
    Example: medcairn view run blood_pressure.json exported/ --out blood_pressure.parquet
    """
    from medcairn.lakehouse.engines import EngineName
    from medcairn.lakehouse.views.files import run_view_on_folder
    from medcairn.lakehouse.views.outputs import Format as OutputFormat

    chosen = OutputFormat(form.value) if form else None
    if out is None:
        chosen = chosen or OutputFormat.CSV
        if chosen not in (OutputFormat.CSV, OutputFormat.NDJSON):
            raise typer.BadParameter("only csv and ndjson can be printed; give --out", param_hint="--format")
    with tempfile.TemporaryDirectory() as folder, progress(quiet=as_json) as shown:
        shown.begin("running the view")
        target = out or Path(folder) / "rows"
        result = run_view_on_folder(view_file, data_dir, target, form=chosen, engine=EngineName(engine.value))
        _note_unknown(result.warnings)
        if as_json:
            print_json(result.facts())
        elif out is None:
            with target.open(encoding="utf-8") as rows:
                for row in rows:
                    say(row.rstrip("\n"))
        else:
            say(f"{result.rows:,} rows of {result.resource} in {out}")


@view.command("check")
def check(
    view_file: ViewFile,
    engine: EngineOption = Engine.DUCKDB,
    sql: Annotated[bool, typer.Option("--sql", help="Print the engine's SQL too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a ViewDefinition without data: its columns, what it reads, elements that R4 does not have.

    Example: medcairn view check blood_pressure.json --sql --engine spark
    """
    from medcairn.lakehouse.engines import EngineName
    from medcairn.lakehouse.views.check import check_view

    result = check_view(view_file, EngineName(engine.value))
    if as_json:
        print_json(result.facts())
        return
    say(f"view {result.view} on {result.resource}: {len(result.columns)} columns")
    width = max(len(column.name) for column in result.columns)
    for column in result.columns:
        say(f"  {column.name:<{width}}  {column.type}  {column.sql_type}")
    say("reads")
    say(f"  {json.dumps(result.reads)}")
    if sql:
        say(f"{engine.value} SQL, over a table `resources` with the JSON in a column `resource`")
        say(result.sql)
    _note_unknown(result.warnings)


@view.command("conformance")
def conformance(
    suite_dir: Annotated[Path, typer.Argument(help="Folder of the official SQL on FHIR test suite.")],
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the suite's own test report (JSON) here.")
    ] = None,
    engine: Annotated[Executor, typer.Option("--engine", help="What runs the views.")] = Executor.DUCKDB,
    as_json: JsonFlag = False,
) -> None:
    """Run the official SQL on FHIR test suite and print "N passed, M failed".

    Exits with 3 when a case fails. Example: medcairn view conformance sql-on-fhir-v2/ --engine spark
    """
    from medcairn.core.files import write_json
    from medcairn.lakehouse.views import run_suite

    result = run_suite(suite_dir, _runner(engine))
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


def _runner(engine: Executor) -> Runner | ManyRunner:
    from medcairn.lakehouse.engines import EngineName, view_engine
    from medcairn.lakehouse.views.runner import ViewRunner, run_directly

    if engine is Executor.DIRECT:
        return run_directly
    return ViewRunner(view_engine(EngineName(engine.value)))


def _note_unknown(elements: tuple[str, ...]) -> None:
    for element in elements:
        note(f"The view asks for {element}, which R4 does not have; it gives nothing")


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(view, name="view")
