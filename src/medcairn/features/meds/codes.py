"""MEDS codes: a short name of the code system, two slashes, the code.

MEDS leaves the vocabulary to the dataset. Ours: ``LOINC//4548-4``, ``SNOMED//44054006``, ``ICD10CM//E11.9``,
``RXNORM//860975``, ``CVX//140``; a code of another system has the system's URI in front. Allergies say that
they are one (``ALLERGY//SNOMED//…``), because the same code may name a substance or a medicine. Encounters
are ``ENCOUNTER_START//IMP`` and ``ENCOUNTER_END//IMP`` by class, with type and discharge disposition as
events of their own. Sex, race and ethnicity are static: they have no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.concepts import SYSTEMS

BIRTH, DEATH = "MEDS_BIRTH", "MEDS_DEATH"
FOLLOW_UP_END = "FOLLOW_UP_END"
START, END = "ENCOUNTER_START", "ENCOUNTER_END"
TYPE, DISCHARGE = "ENCOUNTER_TYPE", "DISCHARGE"
SEX, RACE, ETHNICITY = "GENDER", "RACE", "ETHNICITY"
ALLERGY, UNCODED = "ALLERGY", "UNCODED"
BETWEEN = "//"

SHORT_NAMES: Mapping[str, str] = MappingProxyType({uri: name.upper() for name, uri in SYSTEMS.items()})
"""System URI → what stands before the slashes."""
_URIS = {name: uri for uri, name in SHORT_NAMES.items()}


def code_of(system: str | None, code: str | None) -> str | None:
    """The MEDS code of a coding; None when there is no code."""
    if not code:
        return None
    return BETWEEN.join((SHORT_NAMES.get(system or "", system or "LOCAL"), code))


def coding_of(text: str) -> tuple[str, str] | None:
    """System URI and code of a MEDS code that names a system we know; None for any other."""
    name, between, code = text.partition(BETWEEN)
    uri = _URIS.get(name.upper())
    return (uri, code) if uri and between and code else None


def codes_of(system: pa.Array, code: pa.Array, *, within: str = "", otherwise: str) -> pa.Array:
    """The MEDS code of each pair; ``within`` comes first, ``otherwise`` stands where there is no code.

    Each different pair is made once.
    """
    joined = pc.binary_join_element_wise(pc.fill_null(system, ""), pc.fill_null(code, ""), "\x1f")
    encoded = pc.dictionary_encode(joined)
    texts = []
    for pair in encoded.dictionary.to_pylist():
        found = code_of(*pair.split("\x1f", 1))
        texts.append(BETWEEN.join(filter(None, (within, found or f"{UNCODED}{BETWEEN}{otherwise}"))))
    return pa.array(texts, pa.string()).take(encoded.indices)


def prefixed(prefix: str, column: pa.Array) -> pa.Array:
    """``prefix`` before each text; null stays null."""
    return pc.binary_join_element_wise(prefix, column, BETWEEN)


def is_valid(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where a column is not null."""
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)


__all__ = [
    "ALLERGY",
    "BETWEEN",
    "BIRTH",
    "DEATH",
    "DISCHARGE",
    "END",
    "ETHNICITY",
    "FOLLOW_UP_END",
    "RACE",
    "SEX",
    "SHORT_NAMES",
    "START",
    "TYPE",
    "UNCODED",
    "code_of",
    "codes_of",
    "coding_of",
    "is_valid",
    "prefixed",
]
