"""``medcairn export``: stage 1, of a study or on its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from medcairn.cli import export_options as options
from medcairn.cli.export_options import Asked, credentials_option
from medcairn.cli.export_told import tell
from medcairn.cli.output import JsonFlag, note, print_json, progress
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.core.artifacts import Draft
    from medcairn.core.canonical import JSON
    from medcairn.core.progress import Progress
    from medcairn.export import Credentials, ExportReport

_STORES = ("s3://", "az://", "abfs://", "abfss://", "gs://", "file://")


def register(app: typer.Typer) -> None:
    """Add ``medcairn export``."""

    @app.command("export")
    def export(
        source: options.Source = None,
        out: options.Out = None,
        group: options.GroupId = None,
        patient_level: options.PatientLevel = False,
        types: options.Types = None,
        since: options.Since = None,
        until: options.Until = None,
        type_filter: options.TypeFilters = None,
        elements: options.Elements = None,
        include_associated_data: options.Associated = None,
        patients_file: options.PatientsFile = None,
        client_id: options.ClientId = None,
        key: options.KeyFile = None,
        client_secret_file: options.SecretFile = None,
        jwks_url: options.Jku = None,
        token_origin: options.TokenOrigins = None,
        new_key: options.NewKey = None,
        incremental: options.Incremental = False,
        drop_departed: options.DropDeparted = False,
        attachments: options.Attachments = False,
        attachment_origin: options.AttachmentOrigins = None,
        search: options.Search = False,
        page_size: options.PageSize = 500,
        nested: options.Nested = False,
        max_expanded_gb: options.MaxExpanded = 64,
        max_ratio: options.MaxRatio = 250,
        endpoint: options.Endpoint = None,
        region: options.Region = None,
        anonymous: options.Anonymous = False,
        credentials_file: options.StoreCredentials = None,
        ca_file: options.CaFile = None,
        post: options.Post = False,
        parallel: options.Parallel = 4,
        time_limit_hours: options.TimeLimit = 12,
        allow_partial: options.AllowPartial = False,
        study: StudyFolder = Path(),
        force: options.Force = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Export FHIR resources from a server, an object store or landed files, as verified NDJSON.

        Without SOURCE this is the export step of the study. With it, the command works on its own. Killed or
        cut off, the same command goes on where it stopped.

        Example: medcairn export https://ehr.example.org/fhir --out phi/export --client-id me --key client.jwk

        Example: medcairn export https://ehr.example.org/fhir --out phi/export --group icu --incremental

        Example: medcairn export az://landing/fhir --out phi/export
        """
        asked = Asked(
            group,
            patient_level,
            types,
            since,
            until,
            tuple(type_filter or ()),
            elements,
            tuple(include_associated_data or ()),
            patients_file,
            post,
        )
        who = (client_id, key, client_secret_file, jwks_url)
        store: _Access = (credentials_file, endpoint, region, anonymous, ca_file)
        how = incremental or drop_departed or search or attachments or attachment_origin or token_origin
        server_only = asked != Asked() or any(who) or bool(how) or allow_partial
        landed_only = nested or any(store)
        if new_key is not None:
            return _make_key(new_key)
        if source is None:
            _refuse(server_only or landed_only or out is not None, "These options need a source")
            return _study_step(study, force=force, as_json=as_json)
        from medcairn.core.errors import UsageError

        if out is None:
            raise UsageError("Where should the files go?", hint="Give --out DIR")
        target = _Target(out, force or incremental, as_json)
        if not source.lower().startswith(("http://", "https://")):
            _refuse(server_only, "Landed files are taken as they are: these options are for a server")
            landed = _Landed(source, nested, int(max_expanded_gb * 1e9), max_ratio, parallel)
            return _from_files(landed, target, store)
        _refuse(landed_only, "These options are for folders and object stores")
        _refuse(search and incremental, "A plain search cannot build on the last export: take one of the two")
        _refuse(bool(attachment_origin) and not attachments, "--attachment-origin goes with --attachments")
        _refuse(drop_departed and not incremental, "--drop-departed goes with --incremental")
        server = _Server(
            source,
            credentials_option(*who),
            parallel,
            time_limit_hours * 3600,
            allow_partial,
            tuple(token_origin or ()),
        )
        fetch_attachments = _attachments(server, tuple(attachment_origin or ())) if attachments else None
        if search:
            return _from_search(server, asked, page_size, target, fetch_attachments)
        return _from_bulk(
            server, asked, target, fetch_attachments, incremental=incremental, drop_departed=drop_departed
        )


@dataclass(frozen=True)
class _Target:
    """Where an export goes. ``replace``: an export that is there may be replaced."""

    out: Path
    replace: bool
    as_json: bool

    @property
    def work(self) -> Path:
        """What survives a crash between the last byte and the rename lies beside the folder."""
        return self.out.with_name(self.out.name + ".work")


@dataclass(frozen=True)
class _Server:
    base_url: str
    credentials: Credentials | None
    parallel: int
    time_limit_seconds: float
    allow_partial: bool
    token_origins: tuple[str, ...]


@dataclass(frozen=True)
class _Landed:
    """A folder or object store, and how far its archives may expand."""

    source: str
    nested: bool
    expanded_bytes: int
    ratio: int
    parallel: int


_Access = tuple[Path | None, str | None, str | None, bool, Path | None]
Attach = Callable[["Path", "Path", "Progress"], "dict[str, JSON]"]
Fetch = Callable[["Draft", "Progress"], "tuple[ExportReport, dict[str, JSON]]"]


def _refuse(refused: bool, message: str) -> None:
    from medcairn.core.errors import UsageError

    if refused:
        raise UsageError(message, hint="See medcairn export --help")


def _study_step(study: Path, *, force: bool, as_json: bool) -> None:
    from medcairn.cli.stages import run_stage

    run_stage("export", study, force=force, as_json=as_json)


def _export(target: _Target, fetch: Fetch, attach: Attach | None = None) -> None:
    """Fetch into a draft, give it its final name, say what there is."""
    from medcairn.core.artifacts import Zone, draft_artifact

    _refuse_to_replace(target)
    shown_by = progress(target.as_json)
    with draft_artifact(target.out, kind="export", zone=Zone.PHI, resume=True) as draft, shown_by as shown:
        report, facts = fetch(draft, shown)
        if attach is not None:
            target.work.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = {**facts, "attachments": attach(draft.folder, target.work / "attachments.db", shown)}
        draft.facts = facts
    shutil.rmtree(target.work, ignore_errors=True)
    if target.as_json:
        times = {"transaction_time": report.transaction_time, "folder": str(target.out)}
        print_json({**facts, **times})
    else:
        tell(report, facts, target.out)


def _from_bulk(
    server: _Server,
    asked: Asked,
    target: _Target,
    attach: Attach | None,
    *,
    incremental: bool,
    drop_departed: bool,
) -> None:
    from medcairn.core.artifacts import MANIFEST
    from medcairn.core.clock import SystemClock
    from medcairn.export import export_bulk, export_incremental

    request, clock = asked.bulk(), SystemClock()

    def whole(draft: Draft, shown: Progress) -> tuple[ExportReport, dict[str, JSON]]:
        target.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        report = export_bulk(
            server.base_url,
            draft.folder,
            request=request,
            credentials=server.credentials,
            progress=shown,
            clock=clock,
            parallel=server.parallel,
            time_limit_seconds=server.time_limit_seconds,
            allow_partial=server.allow_partial,
            job_file=target.work / "job.ndjson",
            token_origins=server.token_origins,
            on_remark=note,
        )
        return report, report.facts()

    def changes(draft: Draft, shown: Progress) -> tuple[ExportReport, dict[str, JSON]]:
        found = export_incremental(
            server.base_url,
            target.out if (target.out / MANIFEST).is_file() else None,
            draft.folder,
            request=request,
            credentials=server.credentials,
            progress=shown,
            clock=clock,
            parallel=server.parallel,
            time_limit_seconds=server.time_limit_seconds,
            allow_partial=server.allow_partial,
            drop_departed=drop_departed,
            work_dir=target.work,
            token_origins=server.token_origins,
            on_remark=note,
        )
        return found.export, found.facts()

    _export(target, changes if incremental else whole, attach)


def _from_search(
    server: _Server, asked: Asked, page_size: int, target: _Target, attach: Attach | None
) -> None:
    from medcairn.core.clock import SystemClock
    from medcairn.export import export_search

    request = asked.search(page_size)

    def fetch(draft: Draft, shown: Progress) -> tuple[ExportReport, dict[str, JSON]]:
        found = export_search(
            server.base_url,
            draft.folder,
            request=request,
            credentials=server.credentials,
            progress=shown,
            clock=SystemClock(),
            parallel=server.parallel,
            time_limit_seconds=server.time_limit_seconds,
            allow_partial=server.allow_partial,
            work_dir=target.work,
        )
        return found.export, found.facts()

    _export(target, fetch, attach)


def _attachments(server: _Server, origins: tuple[str, ...]) -> Attach:
    from medcairn.core.clock import SystemClock
    from medcairn.export import fetch_attachments

    def attach(folder: Path, memory: Path, shown: Progress) -> dict[str, JSON]:
        return fetch_attachments(
            server.base_url,
            folder,
            credentials=server.credentials,
            progress=shown,
            clock=SystemClock(),
            parallel=server.parallel,
            time_limit_seconds=server.time_limit_seconds,
            allowed_origins=origins,
            memory_file=memory,
        ).facts()

    return attach


def _from_files(landed: _Landed, target: _Target, access: _Access) -> None:
    from medcairn.core.errors import UsageError
    from medcairn.export import ArchiveLimits, StoreAccess, export_files, export_objects

    folder, limits = Path(landed.source), ArchiveLimits(landed.expanded_bytes, landed.ratio)
    store = landed.source.lower().startswith(_STORES)
    if not store:
        _refuse(any(access), "These options are for an object store")
        if not folder.is_dir():
            raise UsageError(
                "There is no such folder", hint="Give a folder, or an address such as https://… or s3://…"
            )
        if target.out.resolve() == folder.resolve():
            raise UsageError("The output folder is the source folder", folder=folder)
    reached_by = StoreAccess(*access)

    def fetch(draft: Draft, shown: Progress) -> tuple[ExportReport, dict[str, JSON]]:
        if store:
            found = export_objects(
                landed.source,
                draft.folder,
                progress=shown,
                access=reached_by,
                limits=limits,
                parallel=landed.parallel,
                spool_dir=target.work,
            )
        else:
            found = export_files(folder, draft.folder, progress=shown, nested=landed.nested, limits=limits)
        return found, found.facts()

    _export(target, fetch)


def _refuse_to_replace(target: _Target) -> None:
    """An export replaces an export when told to, and nothing else ever."""
    from medcairn.core.artifacts import MANIFEST, read_manifest
    from medcairn.core.errors import UsageError

    out = target.out
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file() or read_manifest(out).kind != "export":
        raise UsageError("The output folder holds something else", hint="Give a new folder", folder=out)
    if not target.replace:
        raise UsageError(
            "There is an export already",
            hint="Give --incremental to build on it, --force to replace it, or another folder",
            folder=out,
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


__all__ = ["register"]
