"""What the version is and what it was made from: identification, algorithm, training data."""

from __future__ import annotations

from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.audit.record import Told
from medcairn.core.canonical import JSON
from medcairn.pipeline.fda_audit.evidence import Evidence, moves_in
from medcairn.pipeline.fda_audit.telling import Asked, mapping, of_settings, told, told_all
from medcairn.pipeline.model_facts import model_facts, version_history
from medcairn.pipeline.study import Study
from medcairn.reports.fda_audit_record import AuditSection, Listing, Row

_TASK: tuple[Asked, ...] = (("task", ("gold", "task")), ("task_digest", ("gold", "task_digest")))
_ALGORITHM: tuple[Asked, ...] = (
    ("algorithm", ("model", "algorithm")),
    ("features", ("model", "features")),
    ("feature_spec_digest", ("model", "feature_spec_digest")),
    ("served_as", ("model", "form")),
    ("model_file_digest", ("model", "model_digest")),
    ("parity_rows", ("model", "parity_rows")),
    ("seed", ("model", "seed")),
    ("cross_validation_folds", ("model", "folds")),
    ("cross_validation_auroc", ("model", "auroc")),
    ("mlflow_run", ("mlflow_run_id",)),
    ("code_digest", ("basis", "code_digest")),
)
_EXPORT: tuple[Asked, ...] = (
    ("source", ("export", "source")),
    ("resources_exported", ("export", "resource_count")),
    ("bytes_exported", ("export", "bytes")),
)
_DEID: tuple[Asked, ...] = (
    ("deidentification_mode", ("deid", "mode")),
    ("deidentification_policy", ("deid", "policy")),
    ("deidentification_policy_digest", ("deid", "policy_digest")),
    ("pseudonyms", ("deid", "pseudonyms")),
    ("subjects_deidentified", ("deid", "subjects")),
    ("resources_deidentified", ("deid", "resources_left")),
    ("resources_quarantined", ("deid", "resources_quarantined")),
    ("leak_scan_bytes", ("deid", "leak_scan", "bytes_searched")),
    ("leak_scan_hits", ("deid", "leak_scan", "hits")),
    ("data_as_of", ("deid", "as_of")),
)
_GOLD: tuple[Asked, ...] = (
    ("feature_set", ("gold", "feature_set")),
    ("rows", ("gold", "rows")),
    ("subjects", ("gold", "subjects")),
)
_NO_EXPORT = "no entry of an export leads to this version"
_NO_RANGE = (
    "de-identification moves every date, and no entry publishes a range; ages are reckoned on the day above"
)
_NO_SETTINGS = "this version was trained before the ledger recorded them; its MLflow run has them"
_NO_VERSIONS = "this version was trained before the ledger recorded them; its package's model.json has them"


def identification(evidence: Evidence, study: Study) -> AuditSection:
    """Which model this is, what it is for, and the versions up to it."""
    made = evidence.history.made
    trained = made["train"]
    purpose = of_settings(
        study, evidence.validation, "validate", "intended_use", study.settings.study.purpose
    )
    pins = list(evidence.pins.values())
    facts = (
        Told("model", evidence.model, trained.index),
        Told("version", evidence.version, trained.index),
        Told("model_digest", evidence.history.model, trained.index),
        purpose,
        *told_all(
            made.get("features"), _TASK, of="cohort", absent="no entry of a cohort leads to this version"
        ),
        told(pins[-1] if pins else None, ("outcome", ("criteria", "summary"))),
        Told("trained_at", trained.event.recorded_at, trained.index),
        Told("trained_by", trained.event.actor, trained.index),
    )
    return AuditSection("identification", facts, (_versions(evidence),))


def _versions(evidence: Evidence) -> Listing:
    """The versions up to this one, each with its state after the last entry about this one."""
    known = evidence.until_last
    states: dict[str, JSON] = {}
    for stored in known.of(EventType.MODEL_TRANSITIONED):
        if stored.event.record.get("model") == evidence.model:
            states.update({version: move.get("state") for version, move in moves_in(stored).items()})
    finished = known.of(EventType.STAGE_FINISHED)
    rows: list[Row] = []
    for number in map(str, range(1, int(evidence.version) + 1)):
        facts, trained = model_facts(finished, number), version_history(finished, number).made["train"]
        values: dict[str, JSON] = {
            "version": number,
            "trained_at": trained.event.recorded_at,
            "algorithm": facts.algorithm,
            "model_digest": facts.model,
            "state": states.get(number),
        }
        rows.append(Row((trained.index,), values))
    return Listing("versions", tuple(rows), "there is none")


def _library_versions(trained: StoredEvent) -> Told:
    """Python's and the libraries' versions, in one line."""
    libraries = mapping(trained, "environment", "libraries")
    if not libraries:
        return Told("library_versions", None, unknown=_NO_VERSIONS)
    python = mapping(trained, "environment").get("python")
    said = ", ".join([f"Python {python}", *(f"{name} {version}" for name, version in libraries.items())])
    return Told("library_versions", said, trained.index)


def algorithm(evidence: Evidence) -> AuditSection:
    """What runs: family, settings, features, and the form in which it is served."""
    trained = evidence.history.made["train"]
    settings = mapping(trained, "model", "hyperparameters")
    rows = tuple(Row((trained.index,), {"name": name, "value": value}) for name, value in settings.items())
    form = mapping(trained, "model").get("form")
    facts = (
        *told_all(trained, _ALGORITHM, of="training", absent=""),
        told(trained, ("parity_difference", ("model", "parity", str(form)))),
        _library_versions(trained),
    )
    compared = tuple(
        Row(
            (trained.index,),
            {
                "algorithm": name,
                **{key: mapping(trained, "model", "candidates", name, key).get("mean") for key in _FIGURES},
            },
        )
        for name in mapping(trained, "model", "candidates")
    )
    return AuditSection(
        "algorithm",
        facts,
        (
            Listing("hyperparameters", rows, _NO_SETTINGS),
            Listing("candidates", compared, "no entry records other candidates"),
        ),
    )


_FIGURES = ("auroc", "auprc", "brier")


def training_data(evidence: Evidence) -> AuditSection:
    """Where the data came from, how they were de-identified, and how they were divided."""
    made = evidence.history.made
    gold = made.get("features")
    tables = told(made.get("lakehouse"), ("silver_digest", ("dataset", "silver")), unknown=_NO_EXPORT)
    inputs = [ref for ref in made["train"].event.inputs if ref.name == "gold"]
    dataset = (
        Told("dataset_digest", inputs[0].digest, made["train"].index)
        if inputs
        else Told("dataset_digest", None, unknown=_NO_EXPORT)
    )
    facts = (
        *told_all(made.get("export"), _EXPORT, of="export", absent=_NO_EXPORT),
        *told_all(made.get("deid"), _DEID, of="deidentification", absent=_NO_EXPORT),
        tables,
        dataset,
        *told_all(gold, _GOLD, of="cohort", absent=_NO_EXPORT),
        told(made["train"], ("training_rows_digest", ("model", "training_rows_digest"))),
        Told("time_range", None, unknown=_NO_RANGE),
    )
    return AuditSection("training_data", facts, (_resources(evidence), _splits(evidence)))


def _resources(evidence: Evidence) -> Listing:
    export, deid = evidence.history.made.get("export"), evidence.history.made.get("deid")
    left, entries = mapping(deid, "deid", "left"), tuple(one.index for one in (export, deid) if one)
    rows = tuple(
        Row(entries, {"resource_type": kind, "exported": count, "deidentified": left.get(kind)})
        for kind, count in mapping(export, "export", "resources").items()
    )
    return Listing("resources", rows, "no entry records counts by type")


def _splits(evidence: Evidence) -> Listing:
    gold = evidence.history.made.get("features")
    sizes = mapping(gold, "gold", "splits")
    rows = tuple(
        Row((gold.index,), {"split": name, **mapping(gold, "gold", "splits", name)})
        for name in sorted(sizes, key=lambda name: (_SPLITS.get(name, len(_SPLITS)), name))
        if gold is not None
    )
    return Listing("splits", rows, "no entry records the splits")


_SPLITS = {"train": 0, "tuning": 1, "held_out": 2}

__all__ = ["algorithm", "identification", "training_data"]
