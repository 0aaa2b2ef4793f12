"""Typing: rows of a silver view in, typed rows out. The one place where it happens, for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import cast

from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.definitions import definition
from medcairn.lakehouse.silver.codings import Coding
from medcairn.lakehouse.silver.problems import Problem
from medcairn.lakehouse.silver.typed import RECIPES, Profile, Raw, Typed
from medcairn.lakehouse.silver.versions import FIRST, Interval

TYPED_RESOURCES = tuple(RECIPES)
"""The resource types whose rows make the silver tables."""

MOST_PROFILES = 1 << 15
"""Profiles that a typer remembers before it begins anew; it bounds the memory."""

VERSIONED = ("version", "available_time", "superseded_time", "current")
"""The columns that an interval fills."""
_BY_REFERENCE = Problem.MEDICATION_BY_REFERENCE.bit


class Typer:
    """Types the resources of one type. It remembers what it has seen: keep it, and one a thread.

    ``medicines`` are the codings of the Medication resources that others refer to, by id.
    """

    def __init__(self, resource_type: str, medicines: Mapping[str, tuple[Coding, ...]] | None = None) -> None:
        self.recipe = RECIPES[resource_type]
        self.table = self.recipe.table
        self.view = definition(self.recipe.view)
        self._medicines = medicines or {}
        self._profiles: dict[Raw, Profile] = {}
        self._index = -3 - self.recipe.after
        self.columns = ("", "", "subject_id", "", *self.recipe.own, *self.recipe.shared, *VERSIONED)
        """What a typed row, its profile's values and the version's columns hold, in that order."""
        self._pick = itemgetter(*(self.columns.index(name) for name in SILVER_SCHEMAS[self.table].names))

    def typed(self, raw: Sequence[Raw]) -> list[Typed]:
        """The values of one resource, from all of its view rows in their order.

        A typed row is (profile, problem bits, subject_id or None, available µs or None, *own columns).
        """
        typed = self.recipe.typed
        found = [typed(profile, *own) for own, profile in self.values(raw)]
        return [row for row in found if row is not None]

    def values(self, raw: Sequence[Raw]) -> list[tuple[Raw, Profile]]:
        """The values of one resource before they are typed: own columns, and the profile of the others."""
        if self.recipe.reference is not None or (len(raw) > 1 and self.recipe.coded):
            return self._values_of_codings(raw)
        first, profiles = self.recipe.shared_from, self._profiles
        found = []
        for row in raw:
            shared = row[first:]
            profile = profiles.get(shared)
            if profile is None:
                profile = self._learn(shared, self._coding(row))
            found.append((row[:first], profile))
        return found

    def rows(self, typed: Sequence[Typed], interval: Interval) -> list[tuple[object, ...]]:
        """``typed`` as rows with the columns of the silver table, in order; times are µs since 1970."""
        number, available, superseded, current, _ = interval
        pick = self._pick
        return [
            pick(
                (
                    *row,
                    *cast("Profile", row[0]).values,
                    number,
                    row[3] if interval is FIRST else available,
                    superseded,
                    current,
                )
            )
            for row in typed
        ]

    def _values_of_codings(self, raw: Sequence[Raw]) -> list[tuple[Raw, Profile]]:
        """As :meth:`values`, where a value may have several rows, one a coding, or its codings elsewhere."""
        first, reference = self.recipe.shared_from, self.recipe.reference
        values: list[tuple[Raw, list[Coding]]] = []
        for row in raw:
            if not row[self._index]:
                values.append((row, list(self._coding(row))))
            # coding_index: from 1 on, a further coding of the value before; or one of a resource contained.
            elif (
                reference is None
                or not row[self._index - 1]
                or _points_to(row[reference], row[self._index - 1])
            ):
                values[-1][1].extend(self._coding(row))
        found = []
        for row, codings in values:
            shared, dangling = row[first:], False
            if reference is not None and row[reference] is not None and not codings:
                medicine = self._medicines.get(str(row[reference + 1]))
                codings, dangling = list(medicine or ()), medicine is None
            key = shared if len(codings) < 2 and reference is None else (*shared, dangling, *codings)
            profile = self._profiles.get(key)
            if profile is None:
                profile = self._learn(key, codings, shared, _BY_REFERENCE if dangling else 0)
            found.append((row[:first], profile))
        return found

    def _coding(self, row: Raw) -> tuple[Coding, ...]:
        system, code = row[self._index + 1], row[self._index + 2]
        if not self.recipe.coded or (system is None and code is None):
            return ()
        return ((cast("str | None", system), cast("str | None", code)),)

    def _learn(
        self, key: Raw, codings: Sequence[Coding], shared: Raw | None = None, problems: int = 0
    ) -> Profile:
        if len(self._profiles) >= MOST_PROFILES:
            self._profiles.clear()
        facts = key if shared is None else shared
        if self.recipe.coded:
            facts = facts[: self._index] + facts[len(facts) - self.recipe.after :]
        profile = self.recipe.profile(facts, codings)
        profile.problems |= problems
        self._profiles[key] = profile
        return profile


def _points_to(reference: object, contained: object) -> bool:
    return reference == f"#{contained}"


__all__ = ["MOST_PROFILES", "TYPED_RESOURCES", "VERSIONED", "Typer"]
