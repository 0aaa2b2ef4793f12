"""The prediction service under one client: a real model on the gold table's features, over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq

from medcairn.audit import Ledger
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.core.digests import digest_bytes
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress
from medcairn.serving import (
    BackgroundServer,
    KnownScore,
    Prediction,
    PredictionRecorder,
    ServedModel,
    SqlitePredictionRecorder,
    create_app,
)
from medcairn.training import portable, train

SEED = 1


class Forgetful:
    """A recorder that keeps nothing: what is left is the service without its durability."""

    def record(self, prediction: Prediction) -> None:
        return

    def check_ready(self) -> None:
        return

    def close(self) -> None:
        return


def requests(folder: Path, count: int, *, recorded: bool) -> list[float]:
    """Seconds of each of ``count`` requests of one row, one after the other."""
    model = folder / "model"
    if not model.exists():
        model.mkdir()
        train(
            folder / "gold", model, seed=SEED, folds=3, models=("gradient_boosting",), tracker=None,
            progress=NoProgress(),
        )  # fmt: skip
    scorer = portable.load(model)
    nothing = np.full((1, len(scorer.feature_names)), np.nan)
    known = KnownScore({}, float(scorer.score(nothing)[0]))
    digest = digest_bytes(b"bench")
    served = ServedModel(Label("bench"), Label("1"), digest, b"{}", b"", (known,))
    rows = _rows(folder, scorer.feature_names)
    clock, ids = SystemClock(), RandomIds()
    with Ledger.create(
        folder / f"ledger-{recorded}.db",
        folder / f"keys-{recorded}" / "key",
        origin="bench",
        clock=clock,
        ids=ids,
    ) as ledger:
        kept = SqlitePredictionRecorder(
            folder / f"phi-{recorded}" / "predictions.db", ledger, service="bench"
        )
        recorder: PredictionRecorder = kept if recorded else Forgetful()
        app = create_app(served, scorer=scorer, recorder=recorder, clock=clock, ids=ids)
        with kept, BackgroundServer(app) as server, httpx.Client(base_url=server.base_url) as client:
            return [_seconds(client, rows[number % len(rows)]) for number in range(count)]


def _seconds(client: httpx.Client, row: dict[str, float | None]) -> float:
    began = time.perf_counter()
    client.post("/predict", json={"features": row}).raise_for_status()
    return time.perf_counter() - began


def _rows(folder: Path, names: tuple[str, ...]) -> list[dict[str, float | None]]:
    table = pq.read_table(folder / "gold" / "features.parquet", columns=list(names)).slice(0, 200)
    return [
        {name: None if value is None or np.isnan(value) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]
