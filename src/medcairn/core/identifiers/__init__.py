"""What identifiers look like in text: detectors as data, check digits, and findings without values.

One library for the text scrub of de-identification, the guard in front of MLflow and monitoring. Patterns
alone find neither every identifier nor only identifiers: what they find is evidence, and what they do not
find is no proof.
"""

from medcairn.core.identifiers.classes import IdentifierClass
from medcairn.core.identifiers.finder import (
    Detector,
    Finding,
    IdentifierFinder,
    allowed_patterns,
    filled,
    joined,
    shipped_detectors,
    shipped_fragments,
)

__all__ = [
    "Detector",
    "Finding",
    "IdentifierClass",
    "IdentifierFinder",
    "allowed_patterns",
    "filled",
    "joined",
    "shipped_detectors",
    "shipped_fragments",
]
