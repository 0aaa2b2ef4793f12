"""A study whose ledger was written by hand in the pipeline's shapes: versions, moves, signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medcairn.access import Meaning, Role
from medcairn.audit import EventType
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.labels import Label
from medcairn.pipeline.people import people_of
from medcairn.pipeline.stages import step_named
from medcairn.pipeline.study import Study, init_study

SETTINGS = """
study: {name: ward, purpose: Risk of return within 30 days., synthetic: true}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
"""
MODEL = "ward.readmission_30d"
WORDS = "silent copper meadow"
CRITERIA: dict[str, JSON] = {
    "name": "readmission_30d", "version": "1", "task": "readmission_30d", "summary": "Return to hospital.",
    "specificity": 0.8,
    "criteria": [{"id": "discrimination", "metric": "auroc"}, {"id": "enough_events", "metric": "positives"}],
}  # fmt: skip


@dataclass
class Ticking:
    """A clock that goes on by a second each time that it is looked at."""

    instant: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 9, 0, tzinfo=UTC))

    def now(self) -> datetime:
        self.instant += timedelta(seconds=1)
        return self.instant


def ref(name: str, content: str, path: str = "") -> ArtifactRef:
    digest = digest_json([name, content])
    return ArtifactRef(Label(name), Label(name), Zone.AGGREGATE, digest, digest, path or f"somewhere/{name}")


@dataclass
class AuditedStudy:
    """Adds to the ledger what the pipeline and people would; each method returns the entry's number."""

    study: Study
    run: str = "run-1"

    @classmethod
    def new(cls, root: Path) -> AuditedStudy:
        made = cls(init_study(root, SETTINGS, clock=Ticking()))
        made.finish("export", (), [ref("export", "e")], export=_EXPORT)
        made.finish("deid", [ref("export", "e")], [ref("deid", "d")], deid=_DEID)
        made.finish(
            "lakehouse", [ref("deid", "d")], [ref("silver", "s")], dataset={"silver": digest_json("s")}
        )
        return made

    def append(self, kind: EventType, actor: str = "pipeline", **given: JSON) -> int:
        with self.study.ledger() as ledger:
            return ledger.append(kind, actor=actor, run_id=self.run, record=given).index

    def finish(
        self, step: str, inputs: Sequence[ArtifactRef], outputs: Sequence[ArtifactRef], **record: JSON
    ) -> int:
        settings = digest_json(self.study.settings.section(*step_named(step).settings))
        basis: dict[str, JSON] = {"settings_digest": settings, "code_digest": digest_json("code")}
        with self.study.ledger() as ledger:
            return ledger.append(
                EventType.STAGE_FINISHED, actor="person:tom", run_id=self.run, stage=step,
                inputs=inputs, outputs=outputs, record={"basis": basis, **record},
            ).index  # fmt: skip

    def train(self, model: str, **differs: JSON) -> int:
        """A gold table and a model; ``differs`` goes before what training records."""
        self.run = f"run-{model}"
        self.finish("features", [ref("silver", "s")], [ref("gold", "g")], gold=_GOLD)
        trained = ref("model", model, "models/readmission_30d")
        facts: dict[str, JSON] = {**_TRAINED, "model_digest": digest_json(model), **differs}
        return self.finish(
            "train", [ref("gold", "g")], [trained], model=facts, mlflow_run_id=f"mlflow-{model}"
        )

    def validate(
        self, model: str, *, passed: bool = True, protocol: Digest | None = None, **differs: JSON
    ) -> int:
        """Criteria that are pinned, and an execution; ``differs`` goes before what validation records."""
        digest = digest_json(CRITERIA)
        pinned: dict[str, JSON] = {"criteria": CRITERIA, "criteria_digest": digest}
        if protocol is not None:
            pinned["protocol_digest"] = protocol
        self.append(EventType.CRITERIA_PINNED, "pipeline", **pinned)
        facts: dict[str, JSON] = {
            **_VALIDATED, "verdict": "passed" if passed else "failed", "criteria_digest": digest,
            "checks": {"discrimination": passed, "enough_events": True}, **differs,
        }  # fmt: skip
        inputs = [ref("gold", "g"), ref("model", model, "models/readmission_30d")]
        return self.finish("validate", inputs, [ref("validation", model)], validation=facts)

    def move(
        self, version: str, previous: str | None, state: str, *, by: str = "pipeline",
        authority: str = "pipeline", reason: str = "", signed: JSON = None,
        beside: Sequence[Mapping[str, JSON]] = (),
    ) -> int:  # fmt: skip
        return self.append(
            EventType.MODEL_TRANSITIONED, by, model=MODEL, version=version, previous=previous, state=state,
            reason=reason, authority=authority, signed=signed, package=None, beside=list(beside),
        )  # fmt: skip

    def add(self, name: str) -> None:
        printed = f"Dr {name.title()} Muster"
        people_of(self.study).add(name, printed_name=printed, roles=[Role.CLINICAL_REVIEWER], password=WORDS)

    def sign(self, name: str, signed: Mapping[str, JSON], *, over: JSON = None) -> int:
        """``name`` signs ``signed``; with ``over`` the signature is really over something else."""
        digest = digest_json(signed if over is None else over)
        signature = people_of(self.study).sign(
            name, WORDS, record=digest, meaning=Meaning.APPROVED, clock=self.study.clock
        )
        record: dict[str, JSON] = {"signed": dict(signed), "signature": signature.as_json()}
        return self.append(EventType.RECORD_SIGNED, f"person:{name}", **record)

    def approval(self, version: str) -> dict[str, JSON]:
        return {"form": "medcairn-approval-1", "name": MODEL, "version": version, "author": "tom"}


_EXPORT: dict[str, JSON] = {
    "source": "files", "resource_count": 5200, "bytes": 4_200_000,
    "resources": {"Encounter": 200, "Observation": 4900, "Patient": 100},
}  # fmt: skip
_DEID: dict[str, JSON] = {
    "mode": "safe-harbor", "policy": "safe-harbor@1", "policy_digest": digest_json("policy"),
    "pseudonyms": "hmac", "subjects": 100, "resources_left": 5190, "resources_quarantined": 10,
    "as_of": "2025-06-30",
    "leak_scan": {"bytes_searched": 4_000_000, "hits": 0},
    "left": {"Encounter": 200, "Observation": 4890, "Patient": 100},
}  # fmt: skip
_GOLD: dict[str, JSON] = {
    "task": "readmission_30d", "task_digest": digest_json("task"), "feature_set": "clinical_core",
    "rows": 1000, "subjects": 90,
    "splits": {
        "held_out": {"rows": 350, "subjects": 30, "positives": 70},
        "train": {"rows": 650, "subjects": 60, "positives": 130},
    },
}  # fmt: skip
_TRAINED: dict[str, JSON] = {
    "algorithm": "logistic_regression", "hyperparameters": {"C": 0.005, "max_iter": 2000, "tol": 1e-06},
    "features": 307, "feature_spec_digest": digest_json("spec"), "form": "onnx", "parity": {"onnx": 1e-12},
    "parity_rows": 5000, "seed": 20260101, "folds": 5, "auroc": 0.71, "rows": 650, "subjects": 60,
    "positives": 130, "training_rows_digest": digest_json("rows"),
    "candidates": {
        "logistic_regression": {
            name: {"mean": 0.71, "folds": [0.7, 0.72]} for name in ("auroc", "auprc", "brier")
        }
    },
}  # fmt: skip
METRICS: dict[str, JSON] = {
    "auroc": {"value": 0.74, "low": 0.69, "high": 0.79, "method": "DeLong, clustered by subject"},
    "calibration_slope": {"value": 1.1, "low": 0.8, "high": 1.4, "method": "Wald"},
    "calibration_intercept": {"value": 0.0, "low": -0.2, "high": 0.2, "method": "Wald"},
    "subgroup_auroc_gap": {"value": 0.05, "low": -0.1, "high": 0.2, "method": "DeLong"},
    "positives": {"value": 70.0, "low": 70.0, "high": 70.0, "method": "count"},
    "ppv": {"unavailable": "no row is above the threshold"},
}  # fmt: skip
_VALIDATED: dict[str, JSON] = {
    "rows": 350, "subjects": 30, "positives": 70, "criteria": "readmission_30d", "bootstrap_samples": 1000,
    "operating_point": {"threshold": 0.25, "specificity": 0.8, "fixed_before": True},
    "rules": {
        "discrimination": "lower 95% bound of AUROC ≥ 0.65", "enough_events": "number of positives ≥ 30",
    },
    "metrics": METRICS,
    "subgroups": [
        {
            "attribute": "sex", "group": "female", "rows": 200, "positives": 40,
            "auroc": {"value": 0.75, "low": 0.66, "high": 0.84, "method": "DeLong"},
        },
        {
            "attribute": "sex", "group": "other", "rows": None, "positives": None,
            "auroc": {"unavailable": "fewer than 11 rows of an outcome class"},
        },
    ],
}  # fmt: skip
