"""``medcairn lakehouse``: the stage, and care for the Delta tables of a lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from medcairn.cli.output import JsonFlag, print_json, progress, say
from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError

if TYPE_CHECKING:
    from medcairn.lakehouse.maintenance import Care, Optimized, Vacuumed


class _Facts(Protocol):
    def facts(self) -> Mapping[str, JSON]: ...


Done = TypeVar("Done", bound=_Facts)

OfStudy = Annotated[Path, typer.Option("--study", help="The study's folder.")]
InStudy = Annotated[Path | None, typer.Option("--study", help="A study: the tables of its lake.")]
AtPath = Annotated[
    Path | None, typer.Option("--path", help="A Delta table, or a folder with tables below it.")
]

lakehouse = typer.Typer(help="Bronze and silver: whole resources, then typed clinical tables, in Delta.")


@lakehouse.callback(invoke_without_command=True)
def stage(
    context: typer.Context,
    study: OfStudy = Path(),
    force: Annotated[bool, typer.Option("--force", help="Run although nothing changed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build the bronze and silver tables of a study from its de-identified resources.

    Example: medcairn lakehouse --study diabetes
    """
    if context.invoked_subcommand is None:
        from medcairn.cli.stages import run_stage

        run_stage("lakehouse", study, force=force, as_json=as_json)


@lakehouse.command("optimize")
def optimize(
    study: InStudy = None,
    path: AtPath = None,
    z_order: Annotated[
        list[str] | None,
        typer.Option(
            "--z-order", metavar="COLUMN", help="Sort along a Z-order curve of it; may be repeated."
        ),
    ] = None,
    target_mb: Annotated[int, typer.Option(min=1, help="Size of a file at most, in MiB.")] = 128,
    as_json: JsonFlag = False,
) -> None:
    """Make few, larger files of many small ones. The rows stay the same; older versions stay readable.

    Example: medcairn lakehouse optimize --path lake/bronze

    Example: medcairn lakehouse optimize --path my-table --z-order subject_id --z-order time
    """
    from medcairn.lakehouse import maintenance

    def work(folder: Path) -> Care[Optimized]:
        with progress(quiet=as_json) as shown:
            return maintenance.optimize(
                folder, z_order=z_order or (), target_bytes=target_mb << 20, progress=shown
            )

    done = [table for care in _on_lake(study, path, work, change="optimize") for table in care.tables]
    if as_json:
        print_json({"tables": [table.as_json() for table in done]})
        return
    for table in done:
        if table.left_alone:
            say(f"{table.table}: left alone, its files are laid out by what builds it")
        else:
            say(
                f"{table.table}: {table.files_before:,} files ({_mb(table.bytes_before)})"
                f" to {table.files_after:,} ({_mb(table.bytes_after)}), version {table.version}"
            )


@lakehouse.command("vacuum")
def vacuum(
    study: InStudy = None,
    path: AtPath = None,
    retention_hours: Annotated[
        int, typer.Option(min=0, help="Keep what versions of the last so many hours need.")
    ] = 168,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the files. Without it they are only counted.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Count, or delete, files that only old versions need. Those versions cannot be read any more then.

    Example: medcairn lakehouse vacuum --path lake/bronze --retention-hours 720 --delete
    """
    from medcairn.lakehouse import maintenance

    def work(folder: Path) -> Care[Vacuumed]:
        with progress(quiet=as_json) as shown:
            return maintenance.vacuum(
                folder, retention_hours=retention_hours, dry_run=not delete, progress=shown
            )

    cares = _on_lake(study, path, work, change="vacuum" if delete else None)
    done = [table for care in cares for table in care.tables]
    if as_json:
        print_json({"tables": [table.as_json() for table in done]})
        return
    for table in done:
        verb = "deleted" if delete else "would be deleted"
        say(f"{table.table}: {table.files:,} files ({_mb(table.bytes)}) {verb}")


@lakehouse.command("history")
def history(
    study: InStudy = None,
    path: AtPath = None,
    limit: Annotated[int, typer.Option(min=1, help="Versions of each table, the newest first.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the versions of the tables: when, by what operation, and what came and went.

    Example: medcairn lakehouse history --path lake/silver/observation --limit 5
    """
    from medcairn.lakehouse import maintenance

    found = _on_lake(study, path, lambda folder: maintenance.history(folder, limit=limit))[0]
    if as_json:
        print_json({"versions": [version.as_json() for version in found.tables]})
        return
    for version in found.tables:
        say(
            f"{version.table} {version.version}  {version.time}  {version.operation}"
            f"  +{version.files_added:,} -{version.files_removed:,} files"
            f"  +{version.rows_added:,} rows  {_mb(version.bytes_added)}"
        )


@lakehouse.command("rows")
def rows(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="Path of the table below the lake: silver/patient.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write: .parquet, .csv, .ndjson or .arrow.")],
    study: InStudy = None,
    path: AtPath = None,
    version: Annotated[
        int | None, typer.Option("--version", min=0, help="As of this version. Default: the newest.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", help="Only this column; may be repeated.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the rows of a table, as they are or as they were in an older version.

    Example: medcairn lakehouse rows silver/observation --study diabetes --version 3 --out then.parquet
    """
    from medcairn.lakehouse.time_travel import write_table_rows

    written = _on_lake(
        study, path, lambda lake: write_table_rows(lake / table, out, version=version, columns=column)
    )[0]
    if as_json:
        print_json(written.facts())
    else:
        say(f"{written.rows:,} rows of {table}, version {written.version}, in {out}")


def _on_lake(
    study: Path | None, path: Path | None, work: Callable[[Path], Done], *, change: str | None = None
) -> list[Done]:
    """What ``work`` gives for the lake that was named. A study's is sealed; a change works on a draft."""
    if (study is None) == (path is None):
        raise UsageError("Name one lake", hint="Give --study or --path, and not both")
    if study is None:
        assert path is not None
        return [work(path)]
    if change is not None:
        from medcairn.pipeline.lake_care import on_draft_of_lake

        return on_draft_of_lake(study, work, change)
    from medcairn.pipeline.study import Study

    return [work(Study.open(study).root / "lake")]


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(lakehouse, name="lakehouse")
