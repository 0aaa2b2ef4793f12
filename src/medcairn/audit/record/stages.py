"""What the nine-stage record tells, as data: the fields of each stage, and where in the ledger they stand."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.core.canonical import JSON

NOT_RECORDED = "no entry of the ledger records it"


@dataclass(frozen=True)
class Asked:
    """A field: its name, the keys that lead to it in the record of the step's end, and why it may be unknown.

    Without keys the ledger never holds it, and the record says so.
    """

    name: str
    keys: tuple[str, ...] = ()
    unknown: str = NOT_RECORDED


@dataclass(frozen=True)
class AskedStep:
    """A step of a stage and the fields that its end tells."""

    number: int
    title: str
    step: str
    fields: tuple[Asked, ...]


EVERY_STEP = (
    Asked("duration_seconds", ("cost", "seconds")),
    Asked("peak_bytes", ("cost", "peak_bytes")),
    Asked("code_digest", ("basis", "code_digest")),
    Asked("settings_digest", ("basis", "settings_digest")),
    Asked("environment", ("environment",)),
)
"""What the end of every step tells."""

_PLACES = "the ledger holds no addresses; address_digest is the SHA-256 of the one in study.yaml"
_IN_MLFLOW = "no entry records the values; the MLflow run has them"
_NO_IMAGE = "images are built outside of medcairn, after the package that they hold"
_NO_STATED_IMAGE = "the operator stated none (deployment.image_digest in study.yaml)"

STEPS = (
    AskedStep(
        1,
        "Export",
        "export",
        (
            Asked("data_source", ("export", "source")),
            Asked("address", unknown=_PLACES),
            Asked("address_digest", ("address_digest",)),
            Asked("record_count", ("export", "resource_count")),
            Asked("record_counts", ("export", "resources")),
            Asked("files", ("export", "files")),
            Asked("bytes", ("export", "bytes")),
            Asked("quarantined", ("export", "quarantined")),
        ),
    ),
    AskedStep(
        2,
        "De-identification",
        "deid",
        (
            Asked("mode", ("deid", "mode")),
            Asked("policy", ("deid", "policy")),
            Asked("policy_digest", ("deid", "policy_digest")),
            Asked("as_of", ("deid", "as_of")),
            Asked("pseudonyms", ("deid", "pseudonyms")),
            Asked("key_id", ("deid", "key_id")),
            Asked("resources_left", ("deid", "resources_left")),
            Asked("quarantined", ("deid", "quarantined")),
            Asked("leak_scan_hits", ("deid", "leak_scan", "hits")),
            Asked("leak_scan_bytes", ("deid", "leak_scan", "bytes_searched")),
        ),
    ),
    AskedStep(
        3,
        "Lakehouse",
        "lakehouse",
        (
            Asked("dataset_digest", ("dataset", "silver")),
            Asked("table_versions", ("dataset", "table_versions")),
            Asked("quarantined", ("silver", "quarantined")),
        ),
    ),
    AskedStep(
        3,
        "Features",
        "features",
        (
            Asked("task", ("gold", "task")),
            Asked("task_digest", ("gold", "task_digest")),
            Asked("feature_set", ("gold", "feature_set")),
            Asked("feature_spec_digest", ("gold", "feature_spec_digest")),
            Asked("features", ("gold", "features")),
            Asked("rows", ("gold", "rows")),
            Asked("subjects", ("gold", "subjects")),
            Asked("split_sizes", ("gold", "splits")),
        ),
    ),
    AskedStep(
        4,
        "Training",
        "train",
        (
            Asked("mlflow_run_id", ("mlflow_run_id",)),
            Asked("algorithm", ("model", "algorithm")),
            Asked("hyperparameters", ("model", "hyperparameters"), _IN_MLFLOW),
            Asked("seed", ("model", "seed")),
            Asked("folds", ("model", "folds")),
            Asked("rows", ("model", "rows")),
            Asked("subjects", ("model", "subjects")),
            Asked("training_rows_digest", ("model", "training_rows_digest")),
            Asked("cross_validation_auroc", ("model", "auroc")),
            Asked("served_as", ("model", "form")),
        ),
    ),
    AskedStep(
        5,
        "Clinical validation",
        "validate",
        (
            Asked("verdict", ("validation", "verdict")),
            Asked("criteria", ("validation", "criteria")),
            Asked("criteria_digest", ("validation", "criteria_digest")),
            Asked("checks", ("validation", "checks")),
            Asked("rows", ("validation", "rows")),
            Asked("subjects", ("validation", "subjects")),
            Asked("metrics", ("validation", "metrics")),
            Asked("fairness", ("validation", "metrics", "subgroup_auroc_gap")),
        ),
    ),
    AskedStep(
        6,
        "Registry and packaging",
        "package",
        (
            Asked("model_version", ("model_version",)),
            Asked("package_digest", ("package", "package_digest")),
            Asked("model_digest", ("package", "model_digest")),
            Asked("approval_digest", ("approval_digest",)),
            Asked("signatures", ("package", "signatures")),
            Asked("registry_version", ("registry_version",)),
            Asked("image_digest", ("package", "image_digest"), _NO_IMAGE),
        ),
    ),
    AskedStep(
        7,
        "Deployment and serving",
        "deploy",
        (
            Asked("deployed_to", ("deployment", "environment")),
            Asked("state", ("deployment", "state")),
            Asked("smoke_test_passed", ("smoke_test", "passed")),
            Asked("image_digest", ("deployment", "image_digest"), _NO_STATED_IMAGE),
        ),
    ),
    AskedStep(
        8,
        "Monitoring",
        "monitor",
        (
            Asked("status", ("monitoring", "status")),
            Asked("features_watched", ("monitoring", "features")),
            Asked("reference_rows", ("monitoring", "reference_rows")),
            Asked("current_rows", ("monitoring", "current_rows")),
            Asked("drifted", ("monitoring", "drifted")),
            Asked("false_discovery_rate", ("monitoring", "false_discovery_rate")),
            Asked("minimum_rows", ("monitoring", "minimum_rows")),
        ),
    ),
)
"""In the order of the stages. The ninth, the trail itself, is told by what was verified."""


def looked_up(record: JSON, keys: tuple[str, ...]) -> JSON:
    """What stands in a record under these keys, one in another; None where they lead nowhere."""
    value = record
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


__all__ = ["EVERY_STEP", "NOT_RECORDED", "STEPS", "Asked", "AskedStep", "looked_up"]
