"""The risk report as records: counts and shares, no row and no value of anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.core.canonical import JSON
from medcairn.core.labels import Label

K_LIMITS = (2, 5, 11, 20)
L_LIMITS = (2, 3)


@dataclass(frozen=True)
class Contribution:
    """What one quasi-identifier does to the risk.

    ``values`` are the distinct values, ``missing`` the subjects without one, ``uniques_alone`` those whom it
    singles out by itself; ``uniques_without`` and ``average_risk_without`` describe the classes that all the
    others make.
    """

    name: Label
    title: str
    values: int
    missing: int
    uniques_alone: int
    uniques_without: int
    average_risk_without: float


@dataclass(frozen=True)
class Diversity:
    """Distinct l-diversity (Machanavajjhala et al. 2007) of one sensitive attribute.

    A subject's value is the set of all that is recorded for them, the empty set included. ``l`` is the least
    number of distinct values in a class. ``below`` counts subjects in classes with fewer than so many.
    ``classes_that_tell`` are classes of two or more subjects who all share a value: whoever is known to be in
    one has it.
    """

    name: Label
    title: str
    values: int
    l: int  # noqa: E741 (the name of the measure)
    below: Mapping[int, int]
    classes_that_tell: int
    subjects_told: int


@dataclass(frozen=True)
class RiskReport:
    """How well subjects hide among each other.

    A class holds the subjects with the same values of all quasi-identifiers; "not recorded" is a value. ``k``
    is the size of the smallest class (k-anonymity, Sweeney 2002). ``sizes`` gives the number of classes by
    size, ``below`` the subjects in classes with fewer than so many.
    """

    subjects: int
    classes: int
    k: int
    sizes: Mapping[int, int]
    below: Mapping[int, int]
    contributions: tuple[Contribution, ...]
    diversities: tuple[Diversity, ...]

    @property
    def sample_uniques(self) -> int:
        """Subjects who are alone in their class."""
        return self.sizes.get(1, 0)

    @property
    def largest_risk(self) -> float:
        """Prosecutor risk of the subject in greatest danger: 1/k, the chance that a guess within their class
        is right when the attacker knows that they are in the data."""
        return 1 / self.k

    @property
    def average_risk(self) -> float:
        """Mean over subjects of 1 by the size of their class, which is classes by subjects."""
        return self.classes / self.subjects

    def share(self, subjects: int) -> float:
        """A number of subjects as a share of all, from 0 to 1."""
        return subjects / self.subjects

    def facts(self) -> dict[str, JSON]:
        """The report as JSON, the same for the same input."""
        return {
            "subjects": self.subjects,
            "classes": self.classes,
            "k": self.k,
            "sample_uniques": self._counted(self.sample_uniques),
            "prosecutor_risk": {
                "largest": _rounded(self.largest_risk),
                "average": _rounded(self.average_risk),
            },
            "class_sizes": [{"size": size, "classes": count} for size, count in sorted(self.sizes.items())],
            "below": {str(k): self._counted(count) for k, count in sorted(self.below.items())},
            "quasi_identifiers": [
                {
                    "name": one.name,
                    "values": one.values,
                    "missing": one.missing,
                    "uniques_alone": one.uniques_alone,
                    "uniques_without": one.uniques_without,
                    "average_risk_without": _rounded(one.average_risk_without),
                }
                for one in self.contributions
            ],
            "sensitive": [
                {
                    "name": one.name,
                    "values": one.values,
                    "l": one.l,
                    "below": {str(limit): self._counted(count) for limit, count in sorted(one.below.items())},
                    "classes_that_tell": one.classes_that_tell,
                    "subjects_told": self._counted(one.subjects_told),
                }
                for one in self.diversities
            ],
        }

    def _counted(self, subjects: int) -> dict[str, JSON]:
        return {"subjects": subjects, "share": _rounded(self.share(subjects))}


def _rounded(value: float) -> float:
    return round(value, 6)


__all__ = ["K_LIMITS", "L_LIMITS", "Contribution", "Diversity", "RiskReport"]
