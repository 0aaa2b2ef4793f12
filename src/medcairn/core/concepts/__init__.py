"""Concepts: reviewed value sets that give one clinical idea one name, whatever code it came under."""

from medcairn.core.concepts.catalogue import CONCEPTS, concepts_of, concepts_of_coding
from medcairn.core.concepts.concept import Concept, Kind, Unit
from medcairn.core.concepts.parse import parse_concepts
from medcairn.core.concepts.systems import CVX, ICD10CM, LOINC, RXNORM, SNOMED, SYSTEMS, system_of
from medcairn.core.concepts.units import Canonical, Refusal, canonical_value, coded_value

__all__ = [
    "CONCEPTS",
    "CVX",
    "ICD10CM",
    "LOINC",
    "RXNORM",
    "SNOMED",
    "SYSTEMS",
    "Canonical",
    "Concept",
    "Kind",
    "Refusal",
    "Unit",
    "canonical_value",
    "coded_value",
    "concepts_of",
    "concepts_of_coding",
    "parse_concepts",
    "system_of",
]
