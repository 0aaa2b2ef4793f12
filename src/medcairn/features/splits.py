"""Splits by subject and by time: learn from earlier dates of some subjects, test on later dates of others.

Subjects are drawn by a hash of their id, so that belonging to a split says nothing about them. The *cut* is
the index date that leaves the latest share of all index dates behind it. Training and tuning keep the rows of
their subjects up to the cut, held-out the rows of its subjects after it; the other rows are left out and
counted. So no subject is on both sides, and nothing that a model learns from is later than what it is
tested on.

Ordering subjects by their first date would use every row, and it would bias: who is admitted early in the
record is who is admitted often, so those who come late would be the well ones.

On the interval time axis of de-identified data each subject's dates are moved by up to a year, so the cut is
right to about a year and no finer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medcairn.core.errors import DataError, PolicyError
from medcairn.features.silver_columns import Flags

TRAIN, TUNING, HELD_OUT = "train", "tuning", "held_out"
SPLITS = (TRAIN, TUNING, HELD_OUT)


@dataclass(frozen=True)
class Split:
    """The split of each cohort row, and which rows are kept: those on their split's side of the cut."""

    names: pa.Array
    kept: Flags

    @property
    def rows_left_out(self) -> int:
        """Rows on the wrong side of the cut for their split."""
        return int(np.count_nonzero(~self.kept))


def split_cohort(
    cohort: pa.Table, *, held_out_fraction: float, tuning_fraction: float, later_fraction: float
) -> Split:
    """Put every subject of ``cohort`` (``subject_id``, ``prediction_time``) into one split.

    ``held_out_fraction`` and ``tuning_fraction`` are shares of subjects, ``later_fraction`` of index dates.
    Raises :class:`DataError` when no row is left to train on or to hold out.
    """
    encoded = cohort.column("subject_id").combine_chunks().dictionary_encode()
    subject = np.asarray(encoded.indices).astype(np.int64)
    time = np.asarray(cohort.column("prediction_time").combine_chunks().cast(pa.int64())).astype(np.int64)
    ids = [str(value) for value in encoded.dictionary.to_pylist()]
    split = _drawn(ids, held_out_fraction, tuning_fraction)[subject]
    held_out = split == SPLITS.index(HELD_OUT)
    cut = np.sort(time)[max(0, int(len(time) * (1 - later_fraction)) - 1)] if len(time) else 0
    kept = np.where(held_out, time > cut, time <= cut)
    if not (kept & held_out).any() or not (kept & (split == SPLITS.index(TRAIN))).any():
        raise DataError(
            "The cohort is too small to train on some subjects and hold others out",
            hint="Load more data, or change the fractions of split in study.yaml",
            subjects=len(ids),
            rows=len(time),
        )
    return Split(pa.array(SPLITS).take(pa.array(split)), np.asarray(kept))


def subject_splits(ids: Sequence[str], held_out_fraction: float, tuning_fraction: float) -> list[str]:
    """The split of each of different subjects, drawn by a hash of its id."""
    return [SPLITS[place] for place in _drawn(ids, held_out_fraction, tuning_fraction)]


def check_subjects_apart(subject_ids: pa.ChunkedArray, splits: pa.ChunkedArray) -> None:
    """Refuse splits that put one subject on both sides.

    Raises :class:`PolicyError` with the number of such subjects.
    """
    pairs = pa.table({"subject_id": subject_ids, "split": splits}).group_by("subject_id")
    sides = pairs.aggregate([("split", "count_distinct")])
    torn = pc.sum(pc.greater(sides.column("split_count_distinct"), 1)).as_py() or 0
    if torn:
        raise PolicyError(
            "A split puts a subject on both sides: a model would be tested on whom it learned from",
            hint="Split by subject and not by row",
            subjects=int(torn),
        )


def _drawn(ids: Sequence[str], held_out: float, tuning: float) -> NDArray[np.int64]:
    order = np.argsort([_hash(name) for name in ids], kind="stable")
    count = min(max(round(held_out * len(ids)), 1), max(len(ids) - 1, 0))
    split = np.full(len(ids), SPLITS.index(TRAIN), np.int64)
    split[order[:count]] = SPLITS.index(HELD_OUT)
    split[order[count : count + round(tuning * len(ids))]] = SPLITS.index(TUNING)
    return split


def _hash(subject_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"split|{subject_id}".encode()).digest()[:7], "big")


__all__ = [
    "HELD_OUT",
    "SPLITS",
    "TRAIN",
    "TUNING",
    "Split",
    "check_subjects_apart",
    "split_cohort",
    "subject_splits",
]
