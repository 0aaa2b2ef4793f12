"""``medcairn features`` and ``medcairn cohort``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from medcairn.features.silver_folder import SilverFolder

StudyOption = Annotated[Path, typer.Option("--study", help="The study's folder.")]
ForceFlag = Annotated[bool, typer.Option("--force", help="Run though nothing changed.")]
SilverArgument = Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Folder of silver tables.")]
OutOption = Annotated[Path, typer.Option("--out", help="Result file, .parquet or .csv.")]

group = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@group.callback(invoke_without_command=True)
def features(
    context: typer.Context,
    study: StudyOption = Path(),
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Build the study's feature table, cohort and labels from its silver tables.

    Example: medcairn features --study my-study
    """
    if context.invoked_subcommand is None:
        from medcairn.cli.stages import run_stage

        run_stage("features", study, force=force, as_json=as_json)


@group.command("compute")
def compute(
    data_dir: SilverArgument,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="FILE|DATE",
            help="A .parquet or .csv with subject_id and prediction_time, or a date (all subjects, 00:00).",
        ),
    ],
    out: OutOption,
    feature_set: Annotated[
        str, typer.Option("--set", metavar="NAME|FILE", help="Feature set: a built-in one or a YAML file.")
    ] = "clinical_core",
    as_json: JsonFlag = False,
) -> None:
    """Compute features of subjects at points in time, from what was known by then.

    Example: medcairn features compute my-study/lake/silver --at 2024-06-30 --out features.parquet
    """
    from medcairn.features.batch import features_in
    from medcairn.features.feature_set import load_feature_set
    from medcairn.features.index_file import check_ending, write_table
    from medcairn.features.silver_folder import open_silver

    chosen = load_feature_set(feature_set)
    check_ending(out)
    with open_silver(data_dir) as silver, progress(quiet=as_json) as shown:
        rows = write_table(out, features_in(silver, _index(at, silver), chosen, shown))
    if as_json:
        print_json({"rows": rows, "features": len(chosen.features), "set": chosen.about(), "out": str(out)})
    else:
        say(f"{rows:,} rows × {len(chosen.features)} features of {chosen.name}: {out}")


def _index(at: str, silver: SilverFolder) -> pa.Table:
    """The index rows that ``--at`` asks for."""
    from medcairn.core.errors import DataError, UsageError
    from medcairn.features.index_file import index_on, read_index

    if at.endswith((".parquet", ".csv")):
        index = read_index(Path(at))
    else:
        day = _date(at)
        if day is None:
            raise UsageError("--at is neither a .parquet or .csv file nor a date", hint="Dates: 2024-06-30")
        index = index_on(day, silver.subject_ids())
    if index.num_rows == 0:
        raise DataError("There is no subject to compute features for")
    return index


def _date(text: str) -> date | None:
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def cohort(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task: a built-in one or a YAML file of your own.")
    ],
    data_dir: SilverArgument,
    out: OutOption,
    as_json: JsonFlag = False,
) -> None:
    """Find the index dates and labels of a task, and say how many subjects each criterion left.

    Example: medcairn cohort readmission_30d my-study/lake/silver --out cohort.parquet
    """
    from medcairn.features.batch import find_cohort_in
    from medcairn.features.index_file import check_ending, write_table
    from medcairn.features.silver_folder import open_silver
    from medcairn.features.task import load_task

    chosen = load_task(task)
    check_ending(out)
    with open_silver(data_dir) as silver, progress(quiet=as_json) as shown:
        found = find_cohort_in(silver, chosen, shown)
    write_table(out, [found.table])
    positives = sum(found.table.column("boolean_value").to_pylist())
    if as_json:
        print_json({"task": chosen.name, "positives": positives, **found.flow.as_json(), "out": str(out)})
        return
    for step in found.flow.steps:
        say(f"  {step.name:<45} {step.rows:>10,} rows {step.subjects:>10,} subjects")
    say(f"{found.table.num_rows:,} index dates, {positives:,} with the outcome: {out}")
    unmarked = found.flow.subjects_read - found.flow.with_follow_up_end
    if unmarked:
        note(f"  {unmarked:,} subjects state no end of follow-up; the latest date in the data was taken")


def register(app: typer.Typer) -> None:
    """Add the ``features`` group and the ``cohort`` command."""
    app.add_typer(group, name="features")
    app.command("cohort")(cohort)
