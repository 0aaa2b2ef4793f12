"""Concepts: reviewed value sets that give one clinical idea one name, whatever code it came under."""

from medcairn.core.concepts.catalogue import (
    CONCEPTS,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    SYSTEMS,
    concepts_of,
    parse_concepts,
)
from medcairn.core.concepts.concept import Concept, Kind, Unit

__all__ = [
    "CONCEPTS",
    "ICD10CM",
    "LOINC",
    "RXNORM",
    "SNOMED",
    "SYSTEMS",
    "Concept",
    "Kind",
    "Unit",
    "concepts_of",
    "parse_concepts",
]
