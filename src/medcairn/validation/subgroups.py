"""Performance by sex, age band, race and ethnicity, with small groups withheld.

Two floors. A group shows an AUROC only with at least 11 positive and 11 negative rows. A count of rows or
of positives from 1 to 10 is withheld, after the rule for published cells that the US Centers for Medicare
& Medicaid Services use; when only one cell of an attribute is withheld, the smallest other one is too,
since the total would give it away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcairn.core.canonical import JSON
from medcairn.validation.auroc import auroc, auroc_difference
from medcairn.validation.estimate import Estimate, Measured, Unavailable
from medcairn.validation.sample import Sample

CELL_FLOOR = 11
ATTRIBUTES = ("sex", "age_band", "race", "ethnicity")
UNLISTED = "unknown or unlisted"

# Only values of these public code lists reach a report; anything else in the data is "unlisted".
# OMB categories of race and ethnicity, as US Core carries them (CDC Race & Ethnicity code system).
_LISTED: Mapping[str, Mapping[str, str]] = {
    "sex": {
        "female": "female", "male": "male", "other": "other", "F": "female", "M": "male",
    },
    "race": {
        "1002-5": "American Indian or Alaska Native",
        "2028-9": "Asian",
        "2054-5": "Black or African American",
        "2076-8": "Native Hawaiian or Pacific Islander",
        "2106-3": "White",
        "2131-1": "Other race",
    },
    "ethnicity": {"2135-2": "Hispanic or Latino", "2186-5": "Not Hispanic or Latino"},
}  # fmt: skip
_AGE_BAND = re.compile(r"(\d{1,3})(?:[-–](\d{1,3})|\+)\Z")


@dataclass(frozen=True)
class Subgroup:
    """A group's rows and AUROC. A count of None is withheld."""

    attribute: str
    group: str
    rows: int | None
    positives: int | None
    auroc: Measured

    def as_json(self) -> dict[str, JSON]:
        return {
            "attribute": self.attribute,
            "group": self.group,
            "rows": self.rows,
            "positives": self.positives,
            "auroc": self.auroc.as_json(),
        }


@dataclass(frozen=True)
class SubgroupFindings:
    """All groups, and the largest shortfall of a group against the rest of its attribute."""

    groups: tuple[Subgroup, ...]
    gap: Measured
    worst: str
    """``attribute: group`` of the largest shortfall; empty when none was computed."""


def assess_subgroups(sample: Sample, attributes: Mapping[str, Sequence[str | None]]) -> SubgroupFindings:
    """AUROC of each group, and of each group against all other rows.

    ``attributes`` gives one value a row for each attribute name. The gap is the AUROC of the others less
    that of the group, for the group where it is largest; its interval is Bonferroni's over all the
    comparisons, so that having looked at many groups is paid for.
    """
    groups: list[Subgroup] = []
    pairs: list[tuple[str, Estimate, Estimate]] = []
    for attribute in ATTRIBUTES:
        if attribute not in attributes:
            continue
        shown = np.array([_shown(attribute, value) for value in attributes[attribute]], dtype=np.str_)
        names = sorted(set(shown.tolist()), key=_age_order)
        groups.extend(_groups(sample, attribute, shown, names))
        for name in names if len(names) > 1 else []:
            inside, outside = _group_auroc(sample, shown == name), _group_auroc(sample, shown != name)
            if isinstance(inside, Estimate) and isinstance(outside, Estimate):
                pairs.append((f"{attribute}: {name}", outside, inside))
    gaps = [(auroc_difference(out, within, comparisons=len(pairs)), name) for name, out, within in pairs]
    if not gaps:
        return SubgroupFindings(tuple(groups), Unavailable("no two groups are large enough"), "")
    gap, worst = max(gaps, key=lambda pair: pair[0].value)
    return SubgroupFindings(tuple(groups), gap, worst)


def _groups(sample: Sample, attribute: str, shown: NDArray[np.str_], names: list[str]) -> list[Subgroup]:
    chosen = [shown == name for name in names]
    rows = [int(np.count_nonzero(mask)) for mask in chosen]
    positives = [int(np.count_nonzero(sample.outcome[mask])) for mask in chosen]
    # A group with few negatives is as telling as one with few positives.
    tell = [min(p, n - p) if min(p, n - p) > 0 else p for p, n in zip(positives, rows, strict=True)]
    hidden_rows, hidden_positives = withheld(rows), withheld(tell)
    return [
        Subgroup(
            attribute,
            name,
            None if hidden_rows[i] else rows[i],
            None if hidden_positives[i] or hidden_rows[i] else positives[i],
            _group_auroc(sample, chosen[i]),
        )
        for i, name in enumerate(names)
    ]


def withheld(counts: Sequence[int]) -> list[bool]:
    """Which counts of cells that add up to a known total are withheld: those from 1 to 10, and, when that
    is a single one, the smallest other that is not 0."""
    hidden = [0 < count < CELL_FLOOR for count in counts]
    if sum(hidden) == 1:
        others = [i for i, count in enumerate(counts) if not hidden[i] and count > 0]
        if others:
            hidden[min(others, key=lambda i: counts[i])] = True
    return hidden


def _group_auroc(sample: Sample, mask: NDArray[np.bool_]) -> Measured:
    group = sample.only(mask)
    if min(group.positives, group.negatives) < CELL_FLOOR:
        return Unavailable(f"fewer than {CELL_FLOOR} rows of an outcome class")
    return auroc(group)


def _shown(attribute: str, value: str | None) -> str:
    if value is None:
        return UNLISTED
    if attribute == "age_band":
        return value if _AGE_BAND.match(value) else UNLISTED
    return _LISTED[attribute].get(value, UNLISTED)


def _age_order(name: str) -> tuple[int, int, str]:
    band = _AGE_BAND.match(name)
    return (1 if name == UNLISTED else 0, int(band.group(1)) if band else 0, name)


__all__ = [
    "ATTRIBUTES",
    "CELL_FLOOR",
    "UNLISTED",
    "Subgroup",
    "SubgroupFindings",
    "assess_subgroups",
    "withheld",
]
