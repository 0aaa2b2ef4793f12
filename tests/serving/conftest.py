"""A tiny model with a known answer, a real ledger, and the service over real HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medcairn.audit import Ledger
from medcairn.core.clock import FixedClock, RandomIds
from medcairn.core.digests import digest_bytes
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.serving import KnownScore, ServedModel, SqlitePredictionRecorder

NAMES = ("creatinine_last_365d", "age_years", "hba1c_mean_90d")


@dataclass(frozen=True)
class LogisticScorer:
    """A logistic curve over the sum of what is not missing."""

    feature_names: tuple[str, ...] = NAMES

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.nansum(rows, axis=1)
        return 1.0 / (1.0 + np.exp(-total))


@pytest.fixture
def scorer() -> Scorer:
    return LogisticScorer()


@pytest.fixture
def model() -> ServedModel:
    return ServedModel(
        name=Label("readmission_30d"),
        version=Label("1"),
        digest=digest_bytes(b"package"),
        card_json=b'{"name":"readmission_30d"}',
        card_page=b"<!doctype html><title>readmission_30d</title>",
        known_scores=(
            KnownScore({}, 0.5),
            KnownScore({"age_years": 1.0, "hba1c_mean_90d": None}, 1 / (1 + math.exp(-1))),
        ),
    )


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def ledger(tmp_path: Path, clock: FixedClock) -> Iterator[Ledger]:
    with Ledger.create(
        tmp_path / "ledger.db", tmp_path / "keys" / "seal.key", origin="test", clock=clock, ids=RandomIds()
    ) as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "phi" / "predictions.db"


@pytest.fixture
def recorder(database: Path, ledger: Ledger) -> Iterator[SqlitePredictionRecorder]:
    with SqlitePredictionRecorder(database, ledger, service="readmission_30d") as opened:
        yield opened
