"""Who the subjects are: birth year, sex, death, and until when each was watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.features.silver_columns import FOLLOW_UP_END, NO_TIME, Floats, Ints, SilverRows

TOP_AGE = 90
"""Ages above 89 are published as 90 (45 CFR 164.514(b)(2)(i)(C))."""

_NO_YEAR = -1
_AGE_BANDS = ((0, "0-17"), (18, "18-44"), (45, "45-64"), (65, "65-74"), (75, "75-84"), (85, "85+"))
AVAILABLE_IN = (
    "encounter",
    "condition",
    "observation",
    "medication",
    "procedure",
    "immunization",
    "allergy",
)
"""The silver tables that have an available time."""


class FollowUp(StrEnum):
    """Where the end of follow-up comes from.

    ``PATIENT`` is the export's date moved along with the subject's other dates. ``DATASET`` is the latest
    available time of any fact in the dataset: right only while dates are not moved subject by subject.
    The subject's own latest fact is never used: those who come back have later facts.
    """

    PATIENT = "patient.follow_up_end"
    DATASET = "dataset_maximum"


@dataclass(frozen=True)
class Subjects:
    """One row for each subject, in order of ``ids``; times in microseconds, :data:`NO_TIME` for none."""

    ids: pa.Array
    birth_year: Ints
    over_89: Ints
    female: Floats
    gender: pa.Array
    race: pa.Array
    ethnicity: pa.Array
    deceased: Ints
    follow_up_end: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def age(self, subject: Ints, time: Ints) -> Floats:
        """Years between the year of birth and the year of ``time``, at most 90; NaN when not known."""
        year = time.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
        born = self.birth_year[subject]
        years = np.where(born == _NO_YEAR, np.nan, np.minimum(year - born, TOP_AGE))
        return np.where((born == _NO_YEAR) & (self.over_89[subject] > 0), float(TOP_AGE), years)

    def watched_until(self, fallback: int) -> Ints:
        """The end of follow-up of each subject; ``fallback`` (microseconds) where none is recorded."""
        return np.where(self.follow_up_end == NO_TIME, fallback, self.follow_up_end)


def read_subjects(tables: Mapping[str, pa.Table], ids: pa.Array | None = None) -> Subjects:
    """The subjects of the patient table: all of them sorted by id, or those of ``ids`` in that order.

    Only current rows are looked at. A subject of ``ids`` without one has everything missing.
    """
    rows = SilverRows.of(tables, "patient")
    rows = rows.where(rows.flags("current"))
    if ids is None:
        ids = pc.drop_null(pc.unique(rows.column("subject_id").cast(pa.string())))
        ids = ids.take(pc.array_sort_indices(ids))
    owner = rows.position_in("subject_id", ids)
    place = np.full(len(ids), -1, np.int64)
    place[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    at = pa.array(place, mask=place < 0)
    sex = rows.position_in("gender", ["male", "female"])
    return Subjects(
        ids=ids,
        birth_year=_at(rows.ints("birth_year", _NO_YEAR), place, _NO_YEAR),
        over_89=_at(rows.flags("age_90_plus").astype(np.int64), place, 0),
        female=np.where(_at(sex, place, -1) < 0, np.nan, _at(sex, place, -1).astype(np.float64)),
        gender=rows.column("gender").take(at).cast(pa.string()),
        race=rows.column("race").take(at).cast(pa.string()),
        ethnicity=rows.column("ethnicity").take(at).cast(pa.string()),
        deceased=_at(rows.times("deceased_time"), place, NO_TIME),
        follow_up_end=_at(rows.times(FOLLOW_UP_END), place, NO_TIME),
    )


def age_bands(ages: Floats) -> pa.Array:
    """The band of each age, null for an unknown one."""
    lows = np.array([low for low, _ in _AGE_BANDS])
    names = [name for _, name in _AGE_BANDS]
    places = np.searchsorted(lows, np.nan_to_num(ages, nan=0.0), "right") - 1
    return pa.array(
        [None if np.isnan(a) else names[p] for a, p in zip(ages, places, strict=True)], pa.string()
    )


def latest_available(tables: Mapping[str, pa.Table]) -> int | None:
    """The latest available time in the tables in microseconds, None when there is none."""
    latest = [
        int(times.max())
        for name in AVAILABLE_IN
        if len(times := SilverRows.of(tables, name).times("available_time")) and times.max() != NO_TIME
    ]
    return max(latest) if latest else None


def _at(values: Ints, place: Ints, absent: int) -> Ints:
    if len(values) == 0:
        return np.full(len(place), absent, np.int64)
    return np.where(place < 0, absent, values[np.maximum(place, 0)])


__all__ = [
    "AVAILABLE_IN",
    "TOP_AGE",
    "FollowUp",
    "Subjects",
    "age_bands",
    "latest_available",
    "read_subjects",
]
