"""Which silver rows state a fact, and how it becomes integers. For columns and for single rows alike."""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.core.silver import VOID
from medcairn.features.feature import ENCOUNTER_KINDS

SCALE = 10_000
"""Values are kept as whole multiples of 1/10,000 of the concept's canonical unit, half to even."""

VALUE_LIMIT = 1 << 40
"""Scaled values are below this in size; a measurement beyond it is none."""

ALWAYS = -(1 << 62)
"""Time of what holds and is known from the beginning (a birth year)."""

NEVER = (1 << 63) - 1
"""``until`` of what was not superseded."""

DAY = 86_400_000_000
LONGEST_SUPPLY_DAYS = 3_650
STAY_LENGTH_STEP = DAY // SCALE
"""A stay's length is counted in 1/10,000 of a day: 8.64 seconds."""

INPATIENT = ("IMP", "ACUTE", "NONAC")
EMERGENCY = ("EMER",)
OUTPATIENT = ("AMB", "VR", "HH")
"""Encounter classes of HL7 v3 ActCode."""

CLASSES: Mapping[str, tuple[str, ...]] = dict(
    zip(ENCOUNTER_KINDS, (INPATIENT, EMERGENCY, OUTPATIENT, ()), strict=True)
)
"""Name of a kind of encounter → its classes; none for a visit, which may be of any class."""

EMERGENCY_ADMISSION_CODES = ("183452005", "50849002")
"""SNOMED CT: emergency hospital admission; emergency room admission."""

_NUBC_TO_FACILITY = ("02", "03", "04", "05", "43", "61", "62", "63", "64", "65", "66", "70")
TO_FACILITY = ("snf", "rehab", "long", "psy", "other-hcf", *_NUBC_TO_FACILITY)
"""Discharge dispositions for going on to another facility instead of home: HL7's codes, and NUBC's patient
discharge status as US Core servers send it (hospitals, nursing and rehabilitation facilities)."""

TIME_OF: Mapping[str, str] = {
    "observation": "effective_time",
    "condition": "onset_time",
    "medication": "start_time",
    "procedure": "start_time",
    "immunization": "occurrence_time",
    "allergy": "onset_time",
}
"""Silver table → when its fact held; where that is null the fact held when it became available."""

IDENTITY_OF: Mapping[str, tuple[str, ...]] = {
    "encounter": ("encounter_id",),
    "condition": ("condition_id",),
    "medication": ("resource_type", "medication_id"),
    "procedure": ("procedure_id",),
    "immunization": ("immunization_id",),
    "allergy": ("allergy_id",),
}
"""Silver table → what tells two of its resources apart."""


def impossible_value(rows: int) -> DataError:
    """The error for measurements beyond :data:`VALUE_LIMIT`; their values are not quoted."""
    return DataError(
        "A measurement's canonical value is too large to be one",
        hint="Check the concept's plausible limits, and build silver again",
        table=Label("observation"),
        rows=rows,
    )


__all__ = [
    "ALWAYS",
    "CLASSES",
    "DAY",
    "EMERGENCY",
    "EMERGENCY_ADMISSION_CODES",
    "IDENTITY_OF",
    "INPATIENT",
    "LONGEST_SUPPLY_DAYS",
    "NEVER",
    "OUTPATIENT",
    "SCALE",
    "STAY_LENGTH_STEP",
    "TIME_OF",
    "TO_FACILITY",
    "VALUE_LIMIT",
    "VOID",
    "impossible_value",
]
