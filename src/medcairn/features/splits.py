"""Splits by subject and by time: train on the past of some subjects, test on later subjects.

Subjects are put in order of their first index date; the latest share is held out, and the *cut* is the
earliest index date among them. Training and tuning rows after the cut are left out, so nothing that the
model learns from happens later than the first held-out prediction. The order looks at first dates and not
at last ones, because who comes again late is itself an outcome; ordering by last dates would move those
who return into the held-out split.

On the interval time axis of de-identified data each subject's dates are moved by up to a year, so the
order is right to about a year and no finer. Equal dates are ordered by a hash of the subject id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medcairn.core.errors import DataError
from medcairn.features.silver_columns import Flags, Ints

TRAIN, TUNING, HELD_OUT = "train", "tuning", "held_out"
SPLITS = (TRAIN, TUNING, HELD_OUT)


@dataclass(frozen=True)
class Split:
    """The split of each cohort row, and which rows are kept at all."""

    names: pa.Array
    kept: Flags

    @property
    def rows_after_cut(self) -> int:
        """Training and tuning rows that were left out because they lie after the cut."""
        return int(np.count_nonzero(~self.kept))


def split_cohort(cohort: pa.Table, *, held_out_fraction: float, tuning_fraction: float) -> Split:
    """Put every subject of ``cohort`` (``subject_id``, ``prediction_time``) into one split.

    Fractions are shares of subjects. Raises :class:`DataError` below two subjects.
    """
    encoded = cohort.column("subject_id").combine_chunks().dictionary_encode()
    subject = np.asarray(encoded.indices).astype(np.int64)
    time = np.asarray(cohort.column("prediction_time").combine_chunks().cast(pa.int64())).astype(np.int64)
    ids = [str(value) for value in encoded.dictionary.to_pylist()]
    if len(ids) < 2:
        raise DataError(
            "The cohort has too few subjects to hold some out", hint="Load more data", subjects=len(ids)
        )
    first = np.full(len(ids), np.iinfo(np.int64).max, np.int64)
    np.minimum.at(first, subject, time)
    split = _subject_splits(ids, first, held_out_fraction, tuning_fraction)
    cut = int(first[split == SPLITS.index(HELD_OUT)].min())
    row_split = split[subject]
    kept = (row_split == SPLITS.index(HELD_OUT)) | (time <= cut)
    return Split(pa.array(SPLITS).take(pa.array(row_split)), np.asarray(kept))


def _subject_splits(ids: list[str], first: Ints, held_out: float, tuning: float) -> NDArray[np.int64]:
    hashes = np.array([_hash("order", name) for name in ids], np.int64)
    order = np.lexsort((hashes, first))
    count = min(max(round(held_out * len(ids)), 1), len(ids) - 1)
    split = np.full(len(ids), SPLITS.index(TRAIN), np.int64)
    split[order[len(ids) - count :]] = SPLITS.index(HELD_OUT)
    rest = order[: len(ids) - count]
    drawn = rest[np.argsort([_hash("tuning", ids[at]) for at in rest.tolist()], kind="stable")]
    split[drawn[: min(round(tuning * len(ids)), len(rest) - 1)]] = SPLITS.index(TUNING)
    return split


def _hash(use: str, subject_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{use}|{subject_id}".encode()).digest()[:7], "big")


__all__ = ["HELD_OUT", "SPLITS", "TRAIN", "TUNING", "Split", "split_cohort"]
