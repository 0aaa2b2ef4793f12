"""``medcairn export``: stage 1, of a study or on its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.export import BulkRequest, ExportReport

Source = Annotated[
    str | None,
    typer.Argument(
        help="FHIR base URL (https://…), or a folder of NDJSON or Bundle files. None: the study's."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the NDJSON. It holds patients' data.")]
GroupId = Annotated[str | None, typer.Option("--group", help="Export the patients of this Group id.")]
PatientLevel = Annotated[bool, typer.Option("--patient-level", help="Export all patients, and nothing else.")]
Types = Annotated[str | None, typer.Option("--types", help="Resource types, with commas between.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what changed since this FHIR instant or day.")
]
ClientId = Annotated[str | None, typer.Option("--client-id", help="SMART Backend Services client id.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The client's private JWK or JWKS (mode 0600).")]
AllowPartial = Annotated[
    bool,
    typer.Option("--allow-partial", help="Accept an export of which the server says something is missing."),
]
NewKey = Annotated[
    Path | None,
    typer.Option("--new-key", help="Make a client key in this file, print its public JWKS, and end."),
]
Force = Annotated[bool, typer.Option("--force", help="Export again, and replace an export that is there.")]


def register(app: typer.Typer) -> None:
    """Add ``medcairn export``."""

    @app.command("export")
    def export(
        source: Source = None,
        out: Out = None,
        group: GroupId = None,
        patient_level: PatientLevel = False,
        types: Types = None,
        since: Since = None,
        client_id: ClientId = None,
        key: KeyFile = None,
        allow_partial: AllowPartial = False,
        new_key: NewKey = None,
        study: StudyFolder = Path(),
        force: Force = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Export FHIR resources from a Bulk Data server, or from landed files, as verified NDJSON.

        Without SOURCE this is the export step of the study. With it, the command works on its own. Killed or
        cut off, the same command goes on where it stopped.

        Example: medcairn export https://ehr.example.org/fhir --out phi/export --client-id me --key client.jwk
        """
        from medcairn.core.errors import UsageError

        alone = (out, group, types, since, client_id, key)
        if new_key is not None:
            _make_key(new_key)
        elif source is None:
            if patient_level or allow_partial or any(option is not None for option in alone):
                raise UsageError(
                    "These options need a source", hint="Give a FHIR base URL or a folder before them"
                )
            _study_step(study, force=force, as_json=as_json)
        elif out is None:
            raise UsageError("Where should the files go?", hint="Give --out DIR")
        elif source.lower().startswith(("http://", "https://")):
            request = _request(group, patient_level, types, since)
            _from_server(source, out, request, client_id, key, allow_partial, force, as_json)
        else:
            if patient_level or any(option is not None for option in alone[1:]):
                raise UsageError(
                    "Landed files are taken as they are: only --out and --force go with a folder"
                )
            _from_folder(Path(source), out, force, as_json)


def _study_step(study: Path, *, force: bool, as_json: bool) -> None:
    from medcairn.cli.stages import run_stage

    run_stage("export", study, force=force, as_json=as_json)


def _request(group: str | None, patient_level: bool, types: str | None, since: str | None) -> BulkRequest:
    from medcairn.core.errors import UsageError
    from medcairn.export import BulkRequest, Level

    if group is not None and patient_level:
        raise UsageError("An export is of a group or of all patients, not both")
    level: Level = "group" if group is not None else "patient" if patient_level else "system"
    names = tuple(name.strip() for name in types.split(",") if name.strip()) if types else ()
    return BulkRequest(level=level, group=group, types=names, since=since)


def _from_server(
    base_url: str,
    out: Path,
    request: BulkRequest,
    client_id: str | None,
    key: Path | None,
    allow_partial: bool,
    force: bool,
    as_json: bool,
) -> None:
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.core.clock import SystemClock
    from medcairn.core.errors import UsageError
    from medcairn.export import export_bulk, load_credentials

    if (client_id is None) != (key is None):
        raise UsageError("A client id and its key belong together", hint="Give both --client-id and --key")
    credentials = load_credentials(client_id, key) if client_id is not None and key is not None else None
    _refuse_to_replace(out, force)
    job_file = out.with_name(out.name + ".job")
    with draft_artifact(out, kind="export", zone=Zone.PHI, resume=True) as draft, progress(as_json) as shown:
        report = export_bulk(
            base_url,
            draft.folder,
            request=request,
            credentials=credentials,
            progress=shown,
            clock=SystemClock(),
            allow_partial=allow_partial,
            job_file=job_file,
        )
        draft.facts = report.facts()
    job_file.unlink(missing_ok=True)
    _print(report, out, as_json)


def _from_folder(folder: Path, out: Path, force: bool, as_json: bool) -> None:
    from medcairn.core.artifacts import Zone, draft_artifact
    from medcairn.core.errors import UsageError
    from medcairn.export import export_files

    if not folder.is_dir():
        raise UsageError(
            "There is no such folder", hint="Give a folder, or a FHIR base URL with http(s)://", folder=folder
        )
    if out.resolve() == folder.resolve():
        raise UsageError("The output folder is the source folder", folder=folder)
    _refuse_to_replace(out, force)
    with draft_artifact(out, kind="export", zone=Zone.PHI, resume=True) as draft, progress(as_json) as shown:
        report = export_files(folder, draft.folder, progress=shown)
        draft.facts = report.facts()
    _print(report, out, as_json)


def _refuse_to_replace(out: Path, force: bool) -> None:
    """An export replaces an export when told to, and nothing else ever."""
    from medcairn.core.artifacts import MANIFEST, read_manifest
    from medcairn.core.errors import UsageError

    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file() or read_manifest(out).kind != "export":
        raise UsageError("The output folder holds something else", hint="Give a new folder", folder=out)
    if not force:
        raise UsageError(
            "There is an export already", hint="Give --force to replace it, or another folder", folder=out
        )


def _make_key(file: Path) -> None:
    from medcairn.core.errors import UsageError
    from medcairn.core.files import write_file
    from medcairn.export import new_client_key, public_jwks

    if file.exists():
        raise UsageError("This file exists; a key is not overwritten", file=file)
    private = new_client_key()
    write_file(file, private, private=True)
    note(f"The private key is in {file}. Register this public key with the FHIR server:")
    print_json({"keys": [dict(jwk) for jwk in public_jwks(private)["keys"]]})


def _print(report: ExportReport, out: Path, as_json: bool) -> None:
    if report.first_quarantined is not None:
        first = report.first_quarantined
        note(
            f"medcairn: set aside {report.quarantined_count:,} lines or entries, see quarantine.ndjson. "
            f"The first is {first.file.name}:{first.line} ({first.reason.value})"
        )
    if as_json:
        print_json({**report.facts(), "transaction_time": report.transaction_time, "folder": str(out)})
        return
    for resource_type, count in report.resources.items():
        say(f"{count:>12,}  {resource_type}")
    files = f"{len(report.files):,} files, {report.size / 1e6:,.1f} MB"
    say(f"{report.resource_count:>12,}  resources in {files}")
    if report.files_ignored:
        say(f"Not read: {report.files_ignored:,} other files")
    if report.deletion_files:
        say(f"The server lists deletions: {report.deletion_files:,} files in deletions/, not applied yet")
    if report.outcomes:
        listed = ", ".join(f"{count:,} {severity}" for severity, count in sorted(report.outcomes.items()))
        say(f"The server's own remarks, in errors/: {listed}")
    if report.transaction_time is not None:
        say(f"Everything up to {report.transaction_time}; the next export can start --since then")
    say(f"{out} holds identified patients' data. Next: medcairn deid run {out} DIR --key-file FILE")
