"""``medcairn deid``: stage 2, of a study or on files."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from datetime import date

    from medcairn.deid import DeidReport, ScanReport

deid = typer.Typer()

SHOWN_HITS = 20

InDir = Annotated[
    Path, typer.Argument(metavar="IN_DIR", help="Folder of <Type>….ndjson with patients' data.")
]
OutDir = Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the de-identified files.")]
KeyFile = Annotated[
    Path, typer.Option("--key-file", help="The pseudonym key: 32 random bytes, raw or hex, mode 0600.")
]
Mode = Annotated[str, typer.Option("--mode", help="safe-harbor; limited-shifted and ms-compat are to come.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="The day on which ages are reckoned; required.")
]
Processes = Annotated[
    int, typer.Option("--processes", min=1, max=64, help="Processes; the output is the same.")
]


@deid.callback(invoke_without_command=True)
def stage(
    context: typer.Context,
    study: StudyFolder = Path(),
    force: Annotated[bool, typer.Option("--force", help="Run though it is up to date.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """De-identify the export of a study by an allow-list; with a subcommand, work on files.

    Example: medcairn deid --study diabetes
    """
    if context.invoked_subcommand is None:
        from medcairn.cli.stages import run_stage

        run_stage("deid", study, force=force, as_json=as_json)


@deid.command("run")
def run(
    in_dir: InDir,
    out_dir: OutDir,
    key_file: KeyFile,
    mode: Mode = "safe-harbor",
    as_of: AsOf = None,
    processes: Processes = 1,
    as_json: JsonFlag = False,
) -> None:
    """De-identify a folder of NDJSON, then scan the result; nothing is kept when the scan finds a leak.

    Example: medcairn deid run phi/export lake/deid --key-file pseudonym.key --as-of 2025-06-30
    """
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.core.errors import LeakFound
    from medcairn.deid import deidentify, read_key, scan

    day = _as_of(as_of)
    key = read_key(key_file)
    _may_be_replaced(out_dir)
    with draft_artifact(out_dir, kind="deid", zone=Zone.DEIDENTIFIED) as draft, progress(as_json) as shown:
        report = deidentify(
            in_dir, draft.folder, key=key, as_of=day, mode=mode, processes=processes, progress=shown
        )
        found = scan(in_dir, draft.folder, progress=shown)
        if found.hits:
            _tell_hits(found)
            shutil.rmtree(draft.folder, ignore_errors=True)  # what leaked must not lie outside the PHI zone
        found.refuse_leaks()
        if not found.clean:
            raise LeakFound("The leak scan did not finish")
        draft.facts.update(report.facts() | {"leak_scan": found.facts()})
    if as_json:
        print_json({"deid": report.facts(), "scan": found.facts(), "folder": str(out_dir)})
        return
    _tell(report, found)
    say(f"De-identified files are in {out_dir}")


@deid.command("scan")
def scan_command(
    source_dir: Annotated[Path, typer.Argument(help="Folder of the identified NDJSON.")],
    output_dir: Annotated[Path, typer.Argument(help="Folder to search for the source's identifiers.")],
    as_json: JsonFlag = False,
) -> None:
    """Search an output folder for the source's own identifiers. Exit code 4 on a hit.

    Example: medcairn deid scan phi/export lake/deid
    """
    from medcairn.deid import scan

    with progress(as_json) as shown:
        found = scan(source_dir, output_dir, progress=shown)
    if as_json:
        print_json(found.as_json())
    else:
        _tell_hits(found)
    found.refuse_leaks()
    if not as_json:
        say(_clean(found))


def _as_of(text: str | None) -> date:
    from datetime import date

    from medcairn.core.errors import UsageError

    hint = "Give --as-of YYYY-MM-DD, for example the day of the export; ages over 89 depend on it"
    if text is None:
        raise UsageError("The day on which ages are reckoned is missing", hint=hint)
    day: date | None = None
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(text)
    if day is None:
        raise UsageError("The day on which ages are reckoned cannot be read", hint=hint)
    return day


def _may_be_replaced(folder: Path) -> None:
    """A result takes the place of an earlier one, never that of somebody's other files."""
    from medcairn.core.artifacts import MANIFEST
    from medcairn.core.errors import UsageError

    taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if taken and not (folder / MANIFEST).is_file():
        raise UsageError(
            "The output folder holds files that are no result of medcairn",
            hint="Give a folder that is new or empty",
            folder=folder,
        )


def _tell(report: DeidReport, found: ScanReport) -> None:
    left, read = f"{report.resources_left:,}", f"{report.resources_read:,}"
    say(f"{left} of {read} resources left, of {report.subjects:,} subjects")
    for name, reasons in sorted(report.quarantined.items()):
        for reason, count in sorted(reasons.items()):
            say(f"  in quarantine: {count:,} {name}: {reason.value}")
    for loss, count in sorted(report.lost.items()):
        say(f"  taken out: {count:,} {loss.value}")
    if report.over_89:
        say(f"  shown as 90 and more: {report.over_89:,} subjects")
    if report.files_passed_over:
        say(f"  not read: {report.files_passed_over} files not named for a resource type")
    say(f"  policy {report.policy} {report.policy_digest.short}, key {report.key_id}")
    say(f"  ZIP areas by census table: {report.zip_table}")
    say(_clean(found))


def _clean(found: ScanReport) -> str:
    searched = sum(found.identifiers.values())
    return f"Leak scan: none of {searched:,} identifiers of the source found in {found.files} files"


def _tell_hits(found: ScanReport) -> None:
    for hit in found.hits[:SHOWN_HITS]:
        note(f"  leak: {hit.file} line {hit.line} {hit.path}: {hit.leak.value}")
    if len(found.hits) > SHOWN_HITS:
        note(f"  and {len(found.hits) - SHOWN_HITS:,} more")


def register(app: typer.Typer) -> None:
    """Add ``medcairn deid``."""
    app.add_typer(deid, name="deid")
