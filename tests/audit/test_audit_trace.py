"""From an id back to the export, over what was made and who signed."""

import pytest

from medcairn.audit import Event, EventType, StoredEvent, trace
from medcairn.audit.trace import reaches
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label


def ref(name: str) -> ArtifactRef:
    digest = digest_bytes(name.encode())
    return ArtifactRef(Label(name), Label(name), Zone.AGGREGATE, digest, digest, name)


def finished(stage: str, inputs: list[str], outputs: list[str], **record: JSON) -> Event:
    return Event(
        id=f"event-{stage}",
        type=EventType.STAGE_FINISHED,
        recorded_at="2026-01-01T00:00:00.000000Z",
        actor="pipeline",
        stage=stage,
        inputs=tuple(map(ref, inputs)),
        outputs=tuple(map(ref, outputs)),
        record=record,
    )


def other(event_type: EventType, inputs: list[str], **record: JSON) -> Event:
    made = finished("none", inputs, [], **record)
    return Event(made.id, event_type, made.recorded_at, made.actor, inputs=made.inputs, record=record)


def signature(record: Digest) -> dict[str, JSON]:
    return {
        "printed_name": "Ada",
        "signed_at": "2026-01-01T00:00:00Z",
        "meaning": "approved",
        "record": record,
    }


APPROVED: Digest = digest_bytes(b"what was approved")
HISTORY = [
    StoredEvent(index, event)
    for index, event in enumerate(
        [
            finished("export", [], ["export"]),
            finished("train", ["export"], ["model"], mlflow_run_id="run-7"),
            finished("train", ["export"], ["model"], mlflow_run_id="run-8"),
            other(EventType.RECORD_SIGNED, ["model"], signature=signature(APPROVED)),
            other(EventType.RECORD_SIGNED, ["model"], signature=signature(APPROVED)),
            other(EventType.RECORD_SIGNED, ["model"], signature=signature(digest_bytes(b"another"))),
            finished("package", ["model"], ["package"], approval_digest=APPROVED),
            other(EventType.PREDICTION_MADE, ["package"], prediction_id="prediction-1"),
            finished("train", ["export"], ["model"], mlflow_run_id="run-9"),
        ]
    )
]


def test_a_prediction_leads_to_the_export_and_to_everyone_who_signed() -> None:
    origin = trace(HISTORY, "prediction-1")
    assert [step.index for step in origin.walk()] == [7, 6, 2, 0, 3, 4]
    assert reaches(origin, EventType.STAGE_FINISHED, "export")


@pytest.mark.parametrize(
    ("identifier", "index"),
    [("run-7", 1), ("event-package", 6), (ref("package").digest, 6), (ref("model").digest.hex[:8], 8)],
)
def test_any_id_finds_its_event(identifier: str, index: int) -> None:
    assert trace(HISTORY, identifier).index == index


@pytest.mark.parametrize("identifier", ["", "nothing", ref("model").digest.hex[:7]])
def test_an_unknown_id_is_refused(identifier: str) -> None:
    with pytest.raises(UsageError, match="Nothing in the ledger"):
        trace(HISTORY, identifier)
