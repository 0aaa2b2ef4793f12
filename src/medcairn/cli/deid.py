"""``medcairn deid``: stage 2, of a study or on files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.deid_checks import register as register_checks
from medcairn.cli.deid_options import (
    KeyCommand,
    KeyEnv,
    KeyFile,
    PolicyFile,
    day_option,
    held_pseudonyms,
    key_source,
    may_be_replaced,
    read_policy_option,
)
from medcairn.cli.output import JsonFlag, note, print_json, progress, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from datetime import date

    from medcairn.deid import DeidReport, ScanReport
    from medcairn.deid.ms_compat import MsCompatReport

deid = typer.Typer()

SHOWN_HITS = 20

InDir = Annotated[
    Path, typer.Argument(metavar="IN_DIR", help="Folder of <Type>….ndjson with patients' data.")
]
OutDir = Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the de-identified files.")]
Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        help="safe-harbor, or ms-compat: configurations of Microsoft's FHIR anonymizer, given with --policy. "
        "ms-compat is not Safe Harbor: what no rule names stays, and shifted dates keep month and day.",
    ),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="The day on which ages are reckoned; required.")
]
Processes = Annotated[
    int, typer.Option("--processes", min=1, max=64, help="Processes; the output is the same.")
]
Pseudonyms = Annotated[
    str,
    typer.Option(
        "--pseudonyms", help="hmac: from the key. random: the crosswalk (0600, PHI zone) remembers whose."
    ),
]
Crosswalk = Annotated[
    Path | None, typer.Option("--crosswalk", metavar="FILE", help="The crosswalk of random pseudonyms.")
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
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_command: KeyCommand = None,
    mode: Mode = "safe-harbor",
    policy: PolicyFile = None,
    as_of: AsOf = None,
    pseudonyms: Pseudonyms = "hmac",
    crosswalk: Crosswalk = None,
    processes: Processes = 1,
    as_json: JsonFlag = False,
) -> None:
    """De-identify a folder of NDJSON, then scan the result; nothing is kept when the scan finds a leak.

    Example: medcairn deid run phi/export lake/deid --key-file pseudonym.key --as-of 2025-06-30

    Example: medcairn deid run phi/export lake/deid --pseudonyms random --crosswalk phi/crosswalk.db --as-of
    2025-06-30
    """
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.core.errors import UsageError
    from medcairn.deid import deidentify, scan

    day = day_option(as_of)
    key = (key_file, key_env, key_command)
    if mode == "ms-compat":
        _ms_compat(in_dir, out_dir, key, policy, day, as_json=as_json)
        return
    if mode != "safe-harbor":
        raise UsageError("There is no such de-identification mode", hint="Use safe-harbor or ms-compat")
    chosen = read_policy_option(policy)
    may_be_replaced(out_dir)
    with (
        draft_artifact(out_dir, kind="deid", zone=Zone.DEIDENTIFIED) as draft,
        held_pseudonyms(pseudonyms, key, crosswalk, draft.folder, in_dir) as held,
        progress(as_json) as shown,
    ):
        report = deidentify(
            in_dir,
            draft.folder,
            pseudonyms=held.plan,
            as_of=day,
            processes=processes,
            progress=shown,
            policy=chosen,
        )
        found = scan(in_dir, draft.folder, processes=processes, policy=chosen, progress=shown)
        if found.hits:
            _tell_hits(found)
            shutil.rmtree(draft.folder, ignore_errors=True)  # what leaked must not lie outside the PHI zone
        found.refuse_leaks()
        held.keep()
        draft.facts.update(report.facts() | {"leak_scan": found.facts()})
    if as_json:
        print_json({"deid": report.facts(), "scan": found.facts(), "folder": str(out_dir)})
        return
    _tell(report, found)
    say(f"De-identified files are in {out_dir}")


def _ms_compat(
    in_dir: Path,
    out_dir: Path,
    key: tuple[Path | None, str | None, str | None],
    policy: Path | None,
    as_of: date,
    *,
    as_json: bool,
) -> None:
    """Its output may hold identifiers, so it stays in the PHI zone and the scan only counts."""
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.core.errors import UsageError
    from medcairn.deid import load_key, scan
    from medcairn.deid.ms_compat import MsConfiguration, ms_compat_folder

    if policy is None:
        raise UsageError("ms-compat needs the anonymizer's configuration", hint="Give --policy FILE")
    configuration = MsConfiguration.read(policy)
    if any(way is not None for way in key):
        configuration = configuration.keyed(load_key(key_source(*key)))
    may_be_replaced(out_dir)
    with draft_artifact(out_dir, kind="ms-compat", zone=Zone.PHI) as draft, progress(as_json) as shown:
        report = ms_compat_folder(
            in_dir, draft.folder, configuration=configuration, as_of=as_of, progress=shown
        )
        found = scan(in_dir, draft.folder, progress=shown)
        draft.facts.update(report.facts() | {"leak_scan": found.facts()})
    if as_json:
        print_json({"deid": report.facts(), "scan": found.facts(), "folder": str(out_dir)})
    else:
        _tell_ms_compat(report, found, out_dir)


def _tell_ms_compat(report: MsCompatReport, found: ScanReport, out_dir: Path) -> None:
    from medcairn.deid.ms_compat import STATEMENT

    say(f"{report.resources_left:,} of {report.resources_read:,} resources are in {out_dir}")
    for index in report.rules_without_target:
        note(f"  rule {index} of the configuration fits nothing in FHIR R4")
    _tell_hits(found)
    say(STATEMENT)


@deid.command("scan")
def scan_command(
    source_dir: Annotated[Path, typer.Argument(help="Folder of the identified NDJSON.")],
    output_dir: Annotated[Path, typer.Argument(help="Folder to search for the source's identifiers.")],
    processes: Processes = 1,
    policy: PolicyFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Search an output folder for the source's own identifiers. Exit code 4 on a hit.

    Example: medcairn deid scan phi/export lake/deid
    """
    from medcairn.deid import scan

    chosen = read_policy_option(policy)
    with progress(as_json) as shown:
        found = scan(source_dir, output_dir, processes=processes, policy=chosen, progress=shown)
    if as_json:
        print_json(found.as_json())
    else:
        _tell_hits(found)
    found.refuse_leaks()
    if not as_json:
        _tell_clean(found)


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
    kept = "key" if "key_id" in report.pseudonyms else "crosswalk"
    say(f"  policy {report.policy} {report.policy_digest.short}, {kept} {report.key_id}")
    say(f"  ZIP areas by census table: {report.zip_table}")
    _tell_clean(found)


def _tell_clean(found: ScanReport) -> None:
    searched = sum(found.identifiers.values())
    say(f"Leak scan: none of {searched:,} identifiers of the source found in {found.files} files")
    for reason, count in sorted(found.not_searched.items()):
        say(f"  not searched: {count:,} {reason.value}")


def _tell_hits(found: ScanReport) -> None:
    for hit in found.hits[:SHOWN_HITS]:
        note(f"  leak: {hit.file} line {hit.line} {hit.path}: {hit.leak.value}")
    if found.hit_count > SHOWN_HITS:
        note(f"  and {found.hit_count - SHOWN_HITS:,} more")


def register(app: typer.Typer) -> None:
    """Add ``medcairn deid``."""
    register_checks(deid)
    app.add_typer(deid, name="deid")
