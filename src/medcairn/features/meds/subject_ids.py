"""MEDS counts subjects with 64-bit integers; silver's ids are text."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from medcairn.core.errors import DataError
from medcairn.features.silver_columns import Ints


def meds_subject_id(subject_id: str) -> int:
    """The MEDS id of a subject: the first 63 bits of a SHA-256 of the text, so that it is never negative.

    The same text gives the same number everywhere; nothing is kept that leads back.
    """
    return int.from_bytes(hashlib.sha256(f"meds|{subject_id}".encode()).digest()[:8], "big") >> 1


def meds_subject_ids(subject_ids: pa.Array) -> Ints:
    """The MEDS ids of different subjects, in the same order.

    Raises :class:`DataError` when two subjects have the same number: two records must not become one.
    """
    numbers = np.array([meds_subject_id(text) for text in subject_ids.to_pylist()], np.int64)
    different = len(np.unique(numbers))
    if different != len(numbers):
        raise DataError(
            "Two subjects have the same MEDS subject_id",
            hint="Leave one of them out; with 63 bits this is not expected below a billion subjects",
            subjects=len(numbers),
            different=different,
        )
    return numbers


__all__ = ["meds_subject_id", "meds_subject_ids"]
