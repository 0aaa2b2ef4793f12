"""A history of one study in events, as the pipeline writes them: two runs, two signatures, predictions."""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.audit import Event, EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.labels import Label

RUN, RELEASE, WATCH = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
APPROVED = digest_bytes(b"what was approved")
CRITERIA = digest_bytes(b"criteria")
PACKAGE_DIGEST = digest_bytes(b"digests.json of the package")
MLFLOW_RUN = "14d8ac0576eb4e9a83589978265b8a17"
VERSION = "demo.readmission_30d/1"
_ZONES = {"export": Zone.PHI, "validation": Zone.AGGREGATE, "package": Zone.AGGREGATE}


def ref(name: str, content: str = "") -> ArtifactRef:
    digest = digest_bytes(f"{name} {content}".encode())
    seal = digest_bytes(f"seal of {name} {content}".encode())
    return ArtifactRef(
        Label(name), Label(name), _ZONES.get(name, Zone.DEIDENTIFIED), digest, seal, f"lake/{name}"
    )


class History:
    """Collects events, one second apart, with ids that a reader can tell."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []

    def add(
        self,
        kind: EventType,
        *,
        run: str | None = None,
        stage: str | None = None,
        inputs: Sequence[ArtifactRef] = (),
        outputs: Sequence[ArtifactRef] = (),
        actor: str = "pipeline",
        **record: JSON,
    ) -> int:
        index = len(self.events)
        event = Event(
            id=f"10000000-0000-4000-8000-{index:012}",
            type=kind,
            recorded_at=f"2026-01-01T{index // 3600:02}:{index // 60 % 60:02}:{index % 60:02}.000000Z",
            actor=actor,
            run_id=run,
            stage=stage,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            record=record,
        )
        self.events.append(StoredEvent(index, event))
        return index

    def stage(
        self, run: str, name: str, inputs: Sequence[str], outputs: Sequence[str], **record: JSON
    ) -> int:
        """A stage from its start to its end, with an event for each artifact in between."""
        used, made = [ref(one) for one in inputs], [ref(one) for one in outputs]
        self.add(EventType.STAGE_STARTED, run=run, stage=name, inputs=used, reason="never run")
        for one in made:
            self.add(EventType.ARTIFACT_MADE, run=run, stage=name, inputs=used, outputs=[one])
        facts: dict[str, JSON] = {
            "summary": f"{name} done",
            "cost": {"seconds": 1.5, "peak_bytes": 10},
            **record,
        }
        return self.add(
            EventType.STAGE_FINISHED,
            run=run,
            stage=name,
            inputs=used,
            outputs=made,
            actor="person:ada",
            **facts,
        )

    def sign(self, name: str, meaning: str, record: Digest = APPROVED) -> int:
        signature: dict[str, JSON] = {
            "form": "medcairn-esignature-1",
            "meaning": meaning,
            "printed_name": f"{name.title()} <Reviewer> & Co",
            "public_key": "ab" * 32,
            "record": record,
            "seal": "cd" * 64,
            "signed_at": "2026-01-01T00:00:30.000000Z",
            "signer": name,
        }
        looked_at = [ref("model"), ref("gold"), ref("validation")]
        return self.add(
            EventType.RECORD_SIGNED, inputs=looked_at, actor=f"person:{name}", signature=signature, signed={}
        )

    def move(self, run: str, state: str, previous: str | None) -> int:
        return self.add(
            EventType.MODEL_TRANSITIONED,
            run=run,
            model="demo.readmission_30d",
            version="1",
            state=state,
            previous=previous,
        )

    def predict(self, number: int) -> int:
        return self.add(
            EventType.PREDICTION_MADE,
            inputs=[ref("package")],
            actor="service:readmission_30d",
            prediction_id=f"prediction-{number}",
            record_digest=digest_bytes(f"record {number}".encode()),
            package_digest=PACKAGE_DIGEST,
            purpose="care",
        )


def study(predictions: int = 6) -> History:
    """The road from the export to monitoring, with a refused release on the way."""
    made = History()
    made.add(EventType.LEDGER_CREATED, origin="medcairn/demo", public_key="ef" * 32)
    made.add(EventType.RUN_STARTED, run=RUN, actor="person:ada", steps=["export"])
    made.stage(RUN, "export", [], ["export"], export={"source": "bulk", "resource_count": 258330})
    made.stage(RUN, "deid", ["export"], ["deid"], deid={"mode": "safe-harbor", "leak_scan": {"hits": 0}})
    made.stage(RUN, "lakehouse", ["deid"], ["bronze", "silver"], dataset={"silver": ref("silver").digest})
    made.stage(RUN, "features", ["silver"], ["gold"], gold={"splits": {"train": {"rows": 648}}})
    made.stage(
        RUN,
        "train",
        ["gold"],
        ["model"],
        mlflow_run_id=MLFLOW_RUN,
        model={"seed": 20260101, "algorithm": "ebm"},
    )
    made.add(EventType.CRITERIA_PINNED, run=RUN, stage="validate", criteria_digest=CRITERIA)
    made.move(RUN, "candidate", None)
    metrics: JSON = {"auroc": {"value": 0.85, "low": 0.8, "high": 0.9}}
    checked: dict[str, JSON] = {"criteria_digest": CRITERIA, "verdict": "passed", "metrics": metrics}
    made.stage(RUN, "validate", ["gold", "model"], ["validation"], validation=checked)
    made.move(RUN, "validated", "candidate")
    made.add(EventType.RUN_FINISHED, run=RUN)
    made.add(EventType.STAGE_STARTED, run=RELEASE, stage="package", inputs=[ref("model")], reason="never run")
    made.add(EventType.GATE_REFUSED, run=RELEASE, stage="package", gate="release")
    made.add(EventType.STAGE_FAILED, run=RELEASE, stage="package", code="gate_refused")
    made.sign("clara", "reviewed")
    made.sign("quinn", "approved")
    made.add(EventType.RUN_STARTED, run=WATCH, actor="person:ada", steps=["package"])
    package: dict[str, JSON] = {"package_digest": PACKAGE_DIGEST}
    made.stage(
        WATCH, "package", ["gold", "model", "validation"], ["package"],
        approval_digest=APPROVED, model_version=VERSION, package=package,
    )  # fmt: skip
    made.move(WATCH, "approved", "validated")
    for number in range(predictions):
        made.predict(number)
    made.stage(WATCH, "monitor", ["gold", "package"], ["monitoring"], monitoring={"status": "ok"})
    made.add(EventType.TRAIL_VERIFIED, run=WATCH, stage="audit", tree_size=60, findings=0)
    made.add(EventType.RUN_FINISHED, run=WATCH)
    return made
