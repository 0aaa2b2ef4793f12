"""A policy's proof by canaries: made-up identifiers planted everywhere, and a search of what left."""

from medcairn.deid.canaries.categories import AS_OF, Canary, Category, canary
from medcairn.deid.canaries.harness import (
    CanaryLeak,
    CanaryReport,
    Release,
    all_places,
    planted_in,
    run_canaries,
)

__all__ = [
    "AS_OF",
    "Canary",
    "CanaryLeak",
    "CanaryReport",
    "Category",
    "Release",
    "all_places",
    "canary",
    "planted_in",
    "run_canaries",
]
