"""Code systems: the URIs that FHIR uses, the other ways in which servers write them, and codes as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"

SYSTEMS: Mapping[str, str] = MappingProxyType(
    {"loinc": LOINC, "snomed": SNOMED, "icd10cm": ICD10CM, "rxnorm": RXNORM, "cvx": CVX}
)
"""Short names of code systems, as the concept files use them, and the URIs that FHIR uses."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        # HL7's registry of object identifiers.
        "urn:oid:2.16.840.1.113883.6.1": LOINC,
        "urn:oid:2.16.840.1.113883.6.96": SNOMED,
        "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
        "urn:oid:2.16.840.1.113883.6.88": RXNORM,
        "urn:oid:2.16.840.1.113883.12.292": CVX,
        # WHO's ICD-10 and ICD-10-GM: the prefixes in use here mean the same in all three.
        "http://hl7.org/fhir/sid/icd-10": ICD10CM,
        "urn:oid:2.16.840.1.113883.6.3": ICD10CM,
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD10CM,
    }
)


@lru_cache(maxsize=4096)
def system_of(uri: str) -> str:
    """FHIR's URI of a code system, whatever the server wrote: an OID, https, an edition, a slash after it."""
    uri = uri.strip()
    if uri.startswith(SNOMED + "/"):  # an edition: http://snomed.info/sct/731000124108
        return SNOMED
    bare = uri.rstrip("/")
    if bare.startswith("https:"):
        bare = "http:" + bare[6:]
    return _ALIASES.get(bare, bare if bare in SYSTEMS.values() else uri)


def plain_code(system: str, code: str) -> str:
    """A code as it is compared: ICD without its dot and in capitals, CVX with two digits at least."""
    code = code.strip()
    if system == ICD10CM:
        return code.replace(".", "").upper()
    if system == CVX:
        return code.zfill(2)
    return code


__all__ = ["CVX", "ICD10CM", "LOINC", "RXNORM", "SNOMED", "SYSTEMS", "plain_code", "system_of"]
