"""The silver views: standard ViewDefinition resources, one file each."""

from __future__ import annotations

from functools import cache
from importlib import resources

NAMES = (
    "patient",
    "encounter",
    "observation",
    "condition",
    "medication_request",
    "medication_statement",
    "medication_dispense",
    "medication_administration",
    "medication",
    "procedure",
    "immunization",
    "allergy",
    "diagnostic_report",
)
"""The views by name. Several feed one silver table; ``medication`` gives what references to it stand for."""


@cache
def definition(name: str) -> bytes:
    """The JSON text of the view of that name."""
    return resources.files(__name__).joinpath(f"{name}.json").read_bytes()


__all__ = ["NAMES", "definition"]
