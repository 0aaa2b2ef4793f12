"""``medcairn lakehouse tables`` and ``quality``: what silver gives to people and to older pipelines."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.lakehouse import lakehouse
from medcairn.cli.output import JsonFlag, print_json, progress, say
from medcairn.core.errors import UsageError

SilverArgument = Annotated[Path, typer.Argument(metavar="SILVER_DIR", help="Folder of silver tables.")]


class Engine(StrEnum):
    """Engines that the tables are made on."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def tables(
    silver_dir: SilverArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the Delta tables.")],
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DATE", help="What was known by this day (00:00 UTC).")
    ],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="One of the tables; may be repeated. Default: all.")
    ] = None,
    engine: Annotated[Engine, typer.Option("--engine", help="The engine that makes them.")] = Engine.DUCKDB,
    as_json: JsonFlag = False,
) -> None:
    """Make clinical aggregates of silver, and the normalized tables of older PySpark FHIR pipelines.

    Example: medcairn lakehouse tables lake/silver --as-of 2024-06-30 --table lab_result_trends --out gold
    """
    from medcairn.lakehouse.gold import ALL_TABLES, build_gold_tables

    for name in table or ():
        if name not in ALL_TABLES:
            raise UsageError("There is no such table", hint="Tables: " + ", ".join(ALL_TABLES))
    with progress(quiet=as_json) as shown:
        report = build_gold_tables(
            silver_dir,
            out,
            engine=engine.value,
            as_of=datetime.combine(_day(as_of), time(), UTC),
            tables=tuple(table or ALL_TABLES),
            progress=shown,
        )
    if as_json:
        print_json(report.facts())
        return
    for name, rows in report.rows.items():
        say(f"  {name:<28} {rows:>12,} rows")
    say(f"Delta tables in {out}")


def quality(
    silver_dir: SilverArgument,
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help="Later dates are reported as such.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a page (.html) or JSON (.json) here.")
    ] = None,
    bronze: Annotated[
        Path | None, typer.Option("--bronze", help="The bronze tables behind it: adds what they quarantined.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Report on the data's quality: missing, implausible and repeated values, units, dates, unmapped codes.

    Example: medcairn lakehouse quality lake/silver --as-of 2025-06-30 --out data-quality.html
    """
    from medcairn.core.files import write_json
    from medcairn.lakehouse.quality import assess_quality, write_quality_page

    if out is not None and out.suffix not in (".html", ".json"):
        raise UsageError("The report's ending is no format that it has", hint=".html or .json")
    report = assess_quality(silver_dir, as_of=_day(as_of), bronze_dir=bronze)
    if out is not None and out.suffix == ".html":
        write_quality_page(report, out)
    elif out is not None:
        write_json(out, report.as_json())
    if as_json or out is None:
        print_json(report.as_json())
    else:
        say(f"Data quality report: {out}")


def _day(text: str) -> date:
    day: date | None = None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None:
        raise UsageError("--as-of is no date", hint="Write it like 2024-06-30")
    return day


def register(app: typer.Typer) -> None:
    """Add the commands to the ``lakehouse`` group."""
    lakehouse.command("tables")(tables)
    lakehouse.command("quality")(quality)
