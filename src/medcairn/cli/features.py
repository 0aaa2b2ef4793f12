"""``medcairn features`` and ``medcairn cohort``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from medcairn.core.progress import Progress
    from medcairn.features.cohort import Cohort
    from medcairn.features.flow import Flow
    from medcairn.features.silver_folder import SilverFolder
    from medcairn.features.task import AnyTask

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


@group.command("meds")
def meds(
    data_dir: SilverArgument,
    out: Annotated[Path, typer.Option("--out", help="New folder for the MEDS dataset.")],
    name: Annotated[
        str, typer.Option("--name", help="The dataset's name in metadata/dataset.json.")
    ] = "medcairn",
    version: Annotated[str, typer.Option("--dataset-version", help="Its version there.")] = "1",
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task", metavar="TASK", help="Write labels of this task too; may be given repeatedly."
        ),
    ] = None,
    held_out: Annotated[float, typer.Option("--held-out", min=0, max=1, help="Share of subjects.")] = 0.2,
    tuning: Annotated[float, typer.Option("--tuning", min=0, max=1, help="Share of subjects.")] = 0.1,
    as_json: JsonFlag = False,
) -> None:
    """Write silver tables as a MEDS 0.4 dataset: events, codes, splits by subject, and labels of tasks.

    Example: medcairn features meds my-study/lake/silver --out my-meds --task readmission_30d
    """
    from medcairn.features.cohort_batch import find_cohort_in
    from medcairn.features.meds.write import check_new, write_meds
    from medcairn.features.silver_folder import open_silver
    from medcairn.features.task import load_any_task

    chosen = [load_any_task(task) for task in tasks or ()]
    check_new(out)
    with open_silver(data_dir) as silver, progress(quiet=as_json) as shown:
        report = write_meds(
            silver,
            out,
            name=name,
            version=version,
            labels={task.name: find_cohort_in(silver, task, shown).table for task in chosen},
            held_out_fraction=held_out,
            tuning_fraction=tuning,
            progress=shown,
        )
    if as_json:
        print_json({**report.facts(), "out": str(out)})
        return
    say(f"{report.events:,} events of {report.subjects:,} subjects, {report.codes:,} codes: {out}")
    for task, rows in report.labels.items():
        say(f"  labels/{task}.parquet: {rows:,} rows")


def cohort(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A built-in task, or a YAML file: our own form, or ACES.")
    ],
    data_dir: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Silver tables, or a MEDS dataset.")],
    out: OutOption,
    diagram: Annotated[
        Path | None, typer.Option("--diagram", metavar="FILE.svg", help="Draw the flow, step by step.")
    ] = None,
    predicates: Annotated[
        Path | None, typer.Option("--predicates", help="Predicates of an ACES task, in a file of their own.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the index dates and labels of a task, and say how many subjects each criterion left.

    Examples:

    medcairn cohort readmission_30d my-study/lake/silver --out cohort.parquet --diagram flow.svg

    medcairn cohort my-aces-task.yaml my-meds-dataset --out cohort.csv
    """
    from medcairn.core.files import write_file
    from medcairn.features.flow_diagram import Ending, flow_diagram
    from medcairn.features.index_file import check_ending, check_svg, write_table
    from medcairn.features.task import Task, load_any_task

    chosen = load_any_task(task, predicates=predicates)
    check_ending(out)
    if diagram is not None:
        check_svg(diagram)
    with progress(quiet=as_json) as shown:
        found = _find(chosen, data_dir, shown)
    write_table(out, [found.table])
    rows = found.table.num_rows
    positives = sum(found.table.column("boolean_value").to_pylist())
    if diagram is not None:
        ending = Ending("cohort", rows, found.flow.steps[-1].subjects, positives)
        write_file(diagram, flow_diagram(f"Cohort of {chosen.name}", found.flow, [ending]).encode())
    if as_json:
        print_json({"task": chosen.name, "positives": positives, **found.flow.as_json(), "out": str(out)})
        return
    _say_flow(found.flow, censored=isinstance(chosen, Task))
    say(f"{rows:,} index dates, {positives:,} with the outcome: {out}")


def _say_flow(flow: Flow, *, censored: bool) -> None:
    for step in flow.steps:
        say(f"  {step.name:<45} {step.rows:>10,} rows {step.subjects:>10,} subjects")
    unmarked = flow.subjects_read - flow.with_follow_up_end
    if unmarked and censored:
        note(f"  {unmarked:,} subjects state no end of follow-up; the latest date in the data was taken")


def _find(task: AnyTask, data_dir: Path, shown: Progress) -> Cohort:
    """The cohort in a folder of silver tables or a MEDS dataset."""
    from medcairn.features.cohort_batch import find_cohort_in, find_cohort_in_meds
    from medcairn.features.meds import MedsFolder, is_meds
    from medcairn.features.silver_folder import open_silver

    if is_meds(data_dir):
        return find_cohort_in_meds(MedsFolder(data_dir), task, shown)
    with open_silver(data_dir) as silver:
        return find_cohort_in(silver, task, shown)


def register(app: typer.Typer) -> None:
    """Add the ``features`` group and the ``cohort`` command."""
    app.add_typer(group, name="features")
    app.command("cohort")(cohort)
