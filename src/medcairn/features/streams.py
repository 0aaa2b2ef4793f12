"""Streams: the events that a feature is made of, and which silver table they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from medcairn.features.event_rules import IDENTITY_OF, TIME_OF, VOID
from medcairn.features.feature import ALL_OF, MEASUREMENT_TIMES, Source


class Carries(IntEnum):
    """What the value of a stream's events is."""

    VALUE = 0
    """A measured value or a length of stay in 1/10,000 of its unit; 0 where there is none to carry."""
    CODE = 1
    """A number for the code, so that different codes can be counted."""
    SUPPLY = 2
    """How long a supply lasts, in microseconds."""
    FACT = 3
    """A fact as a plain whole number: a year, a flag, the end and kind of a stay."""


@dataclass(frozen=True, order=True)
class Stream:
    """The events of one concept of one source."""

    source: Source
    concept: str
    carries: Carries = Carries.VALUE


BIRTH_YEAR = Stream(Source.DEMOGRAPHICS, "birth_year", Carries.FACT)
OVER_89 = Stream(Source.DEMOGRAPHICS, "over_89", Carries.FACT)
FEMALE = Stream(Source.DEMOGRAPHICS, "female", Carries.FACT)
STAY = Stream(Source.INDEX_STAY, "stay", Carries.FACT)
"""Every inpatient stay by its start; the value is ``end << 3 | flags`` (:func:`stay_value`)."""

TABLE_OF: Mapping[Source, str] = {
    Source.DEMOGRAPHICS: "patient",
    Source.MEASUREMENT: "observation",
    Source.CONDITION: "condition",
    Source.MEDICATION: "medication",
    Source.PROCEDURE: "procedure",
    Source.IMMUNIZATION: "immunization",
    Source.ALLERGY: "allergy",
    Source.ENCOUNTER: "encounter",
    Source.INDEX_STAY: "encounter",
}
"""The silver table that a source's events come from."""

NO_END = 1 << 59
"""The end of a stay that has none yet."""


def stay_value(end: int | None, *, emergency: bool, to_facility: bool | None) -> int:
    """The value of a :data:`STAY` event; ``end`` in microseconds since 1970, None while it is under way."""
    disposition = 0 if to_facility is None else 1 + to_facility
    return (NO_END if end is None else end) << 3 | disposition << 1 | emergency


def tables_of(streams: Sequence[Stream]) -> tuple[str, ...]:
    """The silver tables that the streams come from, sorted."""
    return tuple(sorted({TABLE_OF[stream.source] for stream in streams}))


def columns_of(table: str, streams: Sequence[Stream]) -> tuple[str, ...]:
    """The columns of a silver table that the events of ``streams`` are made of."""
    mine = [stream for stream in streams if TABLE_OF[stream.source] == table]
    everything = [stream.concept in ALL_OF.values() for stream in mine]
    unspecific = [stream.concept == MEASUREMENT_TIMES for stream in mine]
    carried = {stream.carries for stream in mine}
    columns = ["subject_id", "available_time", "superseded_time"]
    if table == "patient":
        return (*columns, "birth_year", "gender", "age_90_plus")
    columns.append(VOID[table][0])
    if table == "encounter":
        columns += ["encounter_id", "class_code", "start_time", "end_time"]
        return (*columns, "type_code", "discharge_disposition") if STAY in mine else tuple(columns)
    columns.append(TIME_OF[table])
    if table == "observation":
        columns += ["observation_id", "component"] * any(everything)
        both = zip(everything, unspecific, strict=True)
        return (*columns, *["concept", "canonical_value"] * (not all(e or u for e, u in both)))
    columns += IDENTITY_OF[table]
    columns += ["concepts"] * (not all(everything))
    columns += ["system", "code"] * (Carries.CODE in carried)
    columns += ["days_supply", "end_time"] * (Carries.SUPPLY in carried)
    return tuple(columns)


__all__ = [
    "BIRTH_YEAR",
    "FEMALE",
    "NO_END",
    "OVER_89",
    "STAY",
    "TABLE_OF",
    "Carries",
    "Stream",
    "columns_of",
    "stay_value",
    "tables_of",
]
