"""How rows of the silver views become typed rows: one recipe a resource type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from medcairn.lakehouse.silver.typed import (
    allergy,
    condition,
    encounter,
    immunization,
    medication,
    observation,
    patient,
    procedure,
    report,
)
from medcairn.lakehouse.silver.typed.recipe import HEAD, Profile, Raw, Recipe, Typed

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.resource_type: recipe
        for module in (
            patient,
            encounter,
            observation,
            condition,
            medication,
            procedure,
            immunization,
            allergy,
            report,
        )
        for recipe in module.RECIPES
    }
)
"""Resource type → recipe."""

__all__ = ["HEAD", "RECIPES", "Profile", "Raw", "Recipe", "Typed"]
