"""A study's folder with settings and a ledger of one training, as the pipeline leaves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from medcairn.audit import EventType, Ledger
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.clock import RandomIds
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.labels import Label

RUN = "0b9d2c1e-6d0f-4b7e-9c53-7f2d6a1b8e44"
GOLD, MODEL = digest_bytes(b"gold"), digest_bytes(b"model")

_SETTINGS = """
study:
  name: ward
  purpose: Readmission within 30 days, for a discharge team.
source: {kind: files, path: export}
deid: {as_of: 2026-01-01}
"""


class _Ticking:
    """A clock that goes on by a second each time that it is read."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def ref(name: str, digest: Digest) -> ArtifactRef:
    return ArtifactRef(Label(name), Label(name), Zone.DEIDENTIFIED, digest, digest, f"{name}/")


def new_study(folder: Path) -> Ledger:
    """A study without a model; its ledger, open."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(_SETTINGS)
    key = folder / "ledger.key"
    return Ledger.create(folder / "ledger.db", key, origin="ward", clock=_Ticking(), ids=RandomIds())


def train(ledger: Ledger, *, inner: str | None = None, model: Digest = MODEL, run_id: str = RUN) -> None:
    """Record a run with one step that finished."""
    ledger.append(EventType.RUN_STARTED, actor="person:ada", run_id=run_id)
    gold = ref("gold", GOLD)
    ledger.append(EventType.STAGE_STARTED, actor="pipeline", run_id=run_id, stage="train", inputs=[gold])
    ledger.append(
        EventType.STAGE_FINISHED,
        actor="person:ada",
        run_id=run_id,
        stage="train",
        inputs=[gold],
        outputs=[ref("model", model)],
        record={
            "model": {"subjects": 412},
            "basis": {"code_digest": GOLD, "settings_digest": MODEL},
            "cost": {"seconds": 12.5, "peak_bytes": 1000},
            **({"mlflow_run_id": inner} if inner else {}),
        },
    )


__all__ = ["GOLD", "MODEL", "RUN", "new_study", "ref", "train"]
