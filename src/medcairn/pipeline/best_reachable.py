"""The best AUROC that anyone could reach on the very rows that a model was assessed on.

Only a synthetic hospital can tell: it knows the risk from which each outcome was drawn. A model that does
better on these rows by more than chance has seen the outcome.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from medcairn.deid import Pseudonyms
from medcairn.synthetic import TrueRisk, true_risks

_DAY = timedelta(days=1)


def best_on_held_out(
    gold: Path, task: str, *, key: bytes, patients: int, seed: int, as_of: date
) -> tuple[float, int] | None:
    """AUROC of the true risks on the held-out rows, and how many rows it was computed on.

    De-identified dates are moved by whole days, so an index date is found again by its time of day. Rows
    that fit more than one true index date are left out. None when the outcome does not vary.
    """
    pseudonyms = Pseudonyms(key)
    known: dict[str, list[TrueRisk]] = defaultdict(list)
    for event in true_risks(task, patients=patients, seed=seed, as_of=as_of):
        known[pseudonyms.of("Patient", event.subject_id)].append(event)
    table = pq.read_table(gold / "cohort.parquet")
    risks, outcomes = [], []
    for row in table.filter(pc.equal(table["split"], "held_out")).to_pylist():
        fitting = [e for e in known[row["subject_id"]] if _moved(e.prediction_time, row["prediction_time"])]
        if len(fitting) == 1:
            risks.append(fitting[0].risk)
            outcomes.append(row["boolean_value"])
    if len(set(outcomes)) < 2:
        return None
    return float(roc_auc_score(outcomes, risks)), len(risks)


def _moved(true: datetime, shown: datetime) -> bool:
    """Whether ``shown`` can be ``true`` moved back by whole days, up to a year."""
    distance = true - shown
    return timedelta(0) <= distance <= 366 * _DAY and distance % _DAY < timedelta(seconds=1)


__all__ = ["best_on_held_out"]
