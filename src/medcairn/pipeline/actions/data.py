"""Steps 1 to 3: from the source to the gold table."""

from __future__ import annotations

import shutil
from pathlib import Path

from medcairn import deid as deid_stage
from medcairn import export as export_stage
from medcairn import features as features_stage
from medcairn import lakehouse as lakehouse_stage
from medcairn.core.artifacts import Zone
from medcairn.core.errors import LeakFound, SettingsError
from medcairn.core.files import write_json
from medcairn.core.labels import Label
from medcairn.core.settings import BulkSource
from medcairn.pipeline.runner import StepContext


def export(context: StepContext) -> None:
    """Fetch the source into the PHI zone."""
    source = context.study.settings.source
    # Outside the draft, so that a crash between the last byte and the rename costs no second export.
    job_file = context.study.root / "phi" / "export-job.ndjson"
    with context.draft("export", "phi/export", kind="export", zone=Zone.PHI, resume=True) as draft:
        if isinstance(source, BulkSource):
            report = _export_bulk(context, source, draft.folder, job_file)
        else:
            folder = context.study.within(source.path)
            report = export_stage.export_files(folder, draft.folder, progress=context.progress)
        draft.facts = report.facts()
    job_file.unlink(missing_ok=True)
    context.summary = f"{report.resource_count:,} resources, {report.size / 1e6:,.1f} MB"
    if report.quarantined_count:
        context.summary += f", {report.quarantined_count:,} lines quarantined"


def _export_bulk(
    context: StepContext, source: BulkSource, folder: Path, job_file: Path
) -> export_stage.ExportReport:
    credentials = None
    if source.client_id is not None:
        if source.key_file is None:
            raise SettingsError(
                "A SMART client needs its private key",
                hint="Name its file in source.key_file",
                key=Label("source.key_file"),
            )
        credentials = export_stage.load_credentials(source.client_id, context.study.within(source.key_file))
    request = export_stage.BulkRequest(source.level, source.group, source.types, source.since)
    return export_stage.export_bulk(
        source.base_url,
        folder,
        request=request,
        credentials=credentials,
        progress=context.progress,
        clock=context.study.clock,
        ids=context.study.ids,
        job_file=job_file,
    )


def deid(context: StepContext) -> None:
    """Remove identifiers, then search the result for them; one hit stops the run."""
    settings = context.study.settings.deid
    source, hits_file = context.folder("export"), context.study.root / "phi" / "leak-scan.json"
    hits_file.unlink(missing_ok=True)
    with context.draft("deid", "lake/deid", kind="deid", zone=Zone.DEIDENTIFIED) as draft:
        report = deid_stage.deidentify(
            source,
            draft.folder,
            key=deid_stage.read_key(context.study.within(settings.key_file)),
            as_of=settings.as_of,
            mode=settings.mode,
            processes=settings.processes,
            progress=context.progress,
        )
        scan = deid_stage.scan(source, draft.folder, progress=context.progress)
        if scan.hits:
            write_json(hits_file, scan.as_json())
            shutil.rmtree(draft.folder)  # what leaks must not lie in the de-identified zone
            raise LeakFound(
                "The leak scan found identifiers of the source in the de-identified output",
                hint="Nothing was released; phi/leak-scan.json names the file, line and element of each",
                hits=len(scan.hits),
            )
        draft.facts = {**report.facts(), "leak_scan": scan.facts()}
    context.summary = (
        f"{report.resources_left:,} resources, {report.resources_quarantined:,} quarantined, leak scan clean"
    )


def lakehouse(context: StepContext) -> None:
    """Load bronze, then silver."""
    with context.draft("bronze", "lake/bronze", kind="bronze", zone=Zone.DEIDENTIFIED) as draft:
        bronze = lakehouse_stage.build_bronze(context.folder("deid"), draft.folder, progress=context.progress)
        draft.facts = bronze.facts()
    bronze_folder = context.study.root / "lake" / "bronze"
    with context.draft("silver", "lake/silver", kind="silver", zone=Zone.DEIDENTIFIED) as draft:
        silver = lakehouse_stage.build_silver(bronze_folder, draft.folder, progress=context.progress)
        draft.facts = silver.facts()
    context.summary = f"{sum(bronze.rows.values()):,} resources, {sum(silver.rows.values()):,} silver rows"


def features(context: StepContext) -> None:
    """Cohort, labels, features and splits."""
    study = context.study
    chosen, split = study.settings.features, study.settings.split
    with context.draft("gold", f"lake/gold/{study.task}", kind="gold", zone=Zone.DEIDENTIFIED) as draft:
        report = features_stage.build_gold(
            context.folder("silver"),
            draft.folder,
            task=features_stage.load_task(chosen.task),
            feature_set=features_stage.load_feature_set(chosen.set),
            held_out_fraction=split.held_out_fraction,
            tuning_fraction=split.tuning_fraction,
            later_fraction=split.later_fraction,
            progress=context.progress,
        )
        draft.facts = report.facts()
    context.summary = f"{report.rows:,} rows of {report.subjects:,} subjects, {report.features} features"


__all__ = ["deid", "export", "features", "lakehouse"]
