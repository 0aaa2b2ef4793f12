"""Steps 2 and 3: from the export to the gold table."""

from __future__ import annotations

import shutil

from medcairn import deid as deid_stage
from medcairn import features as features_stage
from medcairn import lakehouse as lakehouse_stage
from medcairn.core.artifacts import Zone, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.errors import LeakFound
from medcairn.core.files import write_json
from medcairn.lakehouse import quality
from medcairn.pipeline.actions.pseudonyms import held_pseudonyms
from medcairn.pipeline.engine import session_of
from medcairn.pipeline.runner import StepContext


def deid(context: StepContext) -> None:
    """Remove identifiers, then search the result for them; one hit stops the run."""
    study, settings = context.study, context.study.settings.deid
    policy = deid_stage.safe_harbor()
    if settings.policy is not None:
        policy = deid_stage.read_policy(study.within(settings.policy))
    source, hits_file = context.folder("export"), study.root / "phi" / "leak-scan.json"
    hits_file.unlink(missing_ok=True)
    with (
        context.draft("deid", "lake/deid", kind="deid", zone=Zone.DEIDENTIFIED) as draft,
        held_pseudonyms(context, source=source, output=draft.folder) as held,
    ):
        report = deid_stage.deidentify(
            source,
            draft.folder,
            pseudonyms=held.plan,
            as_of=settings.as_of,
            mode=settings.mode,
            processes=settings.processes,
            progress=context.progress,
            policy=policy,
            spark=session_of(study),
        )
        scan = deid_stage.scan(
            source, draft.folder, processes=settings.processes, policy=policy, progress=context.progress
        )
        if scan.hits:
            write_json(hits_file, scan.as_json())
            shutil.rmtree(draft.folder)  # what leaks must not lie in the de-identified zone
            raise LeakFound(
                "The leak scan found identifiers of the source in the de-identified output",
                hint="Nothing was released; phi/leak-scan.json names the file, line and element of each",
                hits=scan.hit_count,
            )
        kept = held.keep()
        draft.facts = {**report.facts(), "leak_scan": scan.facts()}
    if kept is not None:
        context.record["crosswalk"] = kept.facts()
    context.summary = (
        f"{report.resources_left:,} resources, {report.resources_quarantined:,} quarantined, leak scan clean"
    )


_RULES_OF_DEID = ("mode", "as_of", "policy_digest", "zip_table", "key_id", "crosswalk_id")
"""Facts of de-identification that say by which rules it was done. What older rules let through must not stay
behind stricter ones, so with other rules the lake begins anew."""


def lakehouse(context: StepContext) -> None:
    """Load bronze, then silver, on what was there; and assess the data's quality."""
    study, settings = context.study, context.study.settings.lakehouse
    deidentified = read_manifest(context.folder("deid")).facts
    rules: dict[str, JSON] = {name: deidentified[name] for name in _RULES_OF_DEID if name in deidentified}
    with context.draft(
        "bronze",
        "lake/bronze",
        kind="bronze",
        zone=Zone.DEIDENTIFIED,
        on_last=lambda facts: facts.get("rules_of_deid") == rules,
    ) as draft:
        bronze = lakehouse_stage.build_bronze(
            context.folder("deid"),
            draft.folder,
            ingested_at=study.clock.now(),
            processes=settings.processes,
            progress=context.progress,
        )
        draft.facts = {**bronze.facts(), **bronze.run_facts(), "rules_of_deid": rules}
        draft.content = bronze.content_digest
    with context.draft(
        "silver", "lake/silver", kind="silver", zone=Zone.DEIDENTIFIED, on_last=lambda facts: True
    ) as draft:
        silver = lakehouse_stage.build_silver(
            study.root / "lake" / "bronze",
            draft.folder,
            processes=settings.processes,
            progress=context.progress,
            spark=session_of(study),
        )
        draft.facts = {**silver.facts(), "table_versions": dict(silver.versions)}
        draft.content = silver.content
    with context.draft("quality", "reports/data-quality", kind="quality", zone=Zone.AGGREGATE) as draft:
        lake = study.root / "lake"
        assessed = quality.assess_quality(
            lake / "silver", as_of=study.settings.deid.as_of, bronze_dir=lake / "bronze"
        )
        draft.facts = assessed.facts()
        write_json(draft.folder / "data-quality.json", assessed.as_json())
        quality.write_quality_page(assessed, draft.folder / "data-quality.html")
    context.summary = (
        f"{sum(bronze.rows.values()):,} resources ({sum(bronze.new.values()):,} new,"
        f" {sum(bronze.changed.values()):,} changed, {sum(bronze.deleted.values()):,} gone),"
        f" {sum(silver.rows.values()):,} silver rows"
    )


def features(context: StepContext) -> None:
    """Cohort, labels, features and splits."""
    study = context.study
    chosen, split = study.settings.features, study.settings.split
    with context.draft("gold", f"lake/gold/{study.task}", kind="gold", zone=Zone.DEIDENTIFIED) as draft:
        report = features_stage.build_gold(
            context.folder("silver"),
            draft.folder,
            task=features_stage.load_any_task(study.rules(chosen.task)),
            feature_set=features_stage.load_feature_set(study.rules(chosen.set)),
            held_out_fraction=split.held_out_fraction,
            tuning_fraction=split.tuning_fraction,
            later_fraction=split.later_fraction,
            progress=context.progress,
            spark=session_of(study),
        )
        draft.facts = report.facts()
    context.summary = f"{report.rows:,} rows of {report.subjects:,} subjects, {report.features} features"


__all__ = ["deid", "features", "lakehouse"]
