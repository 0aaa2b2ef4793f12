"""Step 1: from the study's source into the PHI zone."""

from __future__ import annotations

import shutil
from pathlib import Path

from medcairn import export as export_stage
from medcairn.core.artifacts import MANIFEST, Draft, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.core.settings import BulkSource, FilesSource, ObjectsSource, SearchSource
from medcairn.pipeline.runner import StepContext
from medcairn.pipeline.study import Study


def export(context: StepContext) -> None:
    """Fetch the source into the PHI zone."""
    # Outside the draft, so that a crash between the last byte and the rename costs no second export.
    work = context.study.root / "phi" / "export-work"
    work.mkdir(mode=0o700, exist_ok=True)
    with context.draft("export", "phi/export", kind="export", zone=Zone.PHI, resume=True) as draft:
        report, facts = _fetch(context, draft, work)
        draft.facts = facts
    shutil.rmtree(work, ignore_errors=True)
    context.record["address_digest"] = _address_digest(context.study.settings.source)
    context.summary = f"{report.resource_count:,} resources, {report.size / 1e6:,.1f} MB"
    if report.quarantined_count:
        context.summary += f", {report.quarantined_count:,} lines quarantined"


def _fetch(
    context: StepContext, draft: Draft, work: Path
) -> tuple[export_stage.ExportReport, dict[str, JSON]]:
    source, study = context.study.settings.source, context.study
    found: export_stage.ExportReport
    if isinstance(source, FilesSource):
        folder = study.within(source.path)
        found = export_stage.export_files(
            folder, draft.folder, progress=context.progress, nested=source.nested
        )
    elif isinstance(source, ObjectsSource):
        access = export_stage.StoreAccess(
            _within(study, source.credentials_file),
            source.endpoint,
            source.region,
            source.anonymous,
            _within(study, source.ca_file),
        )
        found = export_stage.export_objects(
            source.url, draft.folder, progress=context.progress, access=access, spool_dir=work / "objects"
        )
    elif isinstance(source, SearchSource):
        searched = _search(context, source, draft.folder, work)
        return searched.export, searched.facts()
    else:
        return _bulk(context, source, draft.folder, work)
    return found, found.facts()


def _address_digest(source: BulkSource | SearchSource | ObjectsSource | FilesSource) -> Digest:
    """SHA-256 of the address as ``study.yaml`` has it: who knows the address can tell that it is this one,
    and the ledger, which may travel, names no server or folder."""
    if isinstance(source, FilesSource):
        return digest_bytes(str(source.path).encode())
    return digest_bytes((source.url if isinstance(source, ObjectsSource) else source.base_url).encode())


def _within(study: Study, path: Path | None) -> Path | None:
    return None if path is None else study.within(path)


def _search(
    context: StepContext, source: SearchSource, folder: Path, work: Path
) -> export_stage.SearchReport:
    return export_stage.export_search(
        source.base_url,
        folder,
        request=export_stage.SearchRequest(source.types, source.since, source.until, source.page_size),
        credentials=_credentials(context.study, source.client_id, source.key_file),
        progress=context.progress,
        clock=context.study.clock,
        ids=context.study.ids,
        work_dir=work,
    )


def _bulk(
    context: StepContext, source: BulkSource, folder: Path, work: Path
) -> tuple[export_stage.ExportReport, dict[str, JSON]]:
    study = context.study
    credentials = _credentials(
        study, source.client_id, source.key_file, source.client_secret_file, source.jwks_url
    )
    request = export_stage.BulkRequest(
        level=source.level,
        group=source.group,
        types=source.types,
        since=source.since,
        until=source.until,
        type_filters=source.type_filters,
        elements=source.elements,
        include_associated_data=source.include_associated_data,
    )
    report: export_stage.ExportReport
    if source.incremental:
        previous = study.root / "phi" / "export"
        increment = export_stage.export_incremental(
            source.base_url,
            previous if (previous / MANIFEST).is_file() else None,
            folder,
            request=request,
            credentials=credentials,
            progress=context.progress,
            clock=study.clock,
            ids=study.ids,
            parallel=source.parallel,
            drop_departed=source.drop_departed,
            work_dir=work,
            token_origins=source.token_origins,
        )
        report, facts = increment.export, increment.facts()
    else:
        report = export_stage.export_bulk(
            source.base_url,
            folder,
            request=request,
            credentials=credentials,
            progress=context.progress,
            clock=study.clock,
            ids=study.ids,
            parallel=source.parallel,
            job_file=work / "job.ndjson",
            token_origins=source.token_origins,
        )
        facts = report.facts()
    if source.attachments:
        attached = export_stage.fetch_attachments(
            source.base_url,
            folder,
            credentials=credentials,
            progress=context.progress,
            clock=study.clock,
            ids=study.ids,
            memory_file=work / "attachments.db",
        )
        facts["attachments"] = attached.facts()
    return report, facts


def _credentials(
    study: Study,
    client_id: str | None,
    key_file: Path | None,
    secret_file: Path | None = None,
    jwks_url: str | None = None,
) -> export_stage.Credentials | None:
    if client_id is None:
        return None
    if secret_file is not None:
        return export_stage.load_secret(client_id, study.within(secret_file))
    if key_file is None:
        raise SettingsError(
            "A SMART client needs its private key",
            hint="Name its file in source.key_file",
            key=Label("source.key_file"),
        )
    return export_stage.load_credentials(client_id, study.within(key_file), jku=jwks_url)


__all__ = ["export"]
