"""MEDS rows as silver tables, so that tasks and features of our own run on a MEDS dataset.

What a row is follows from its code: encounters from our own ``ENCOUNTER_…`` pairs, everything else from the
code system and the concepts. A code of a system that we do not know gives no row. Each row is the only
version of its fact, known at its ``time``; ``effective_time`` is when it held, where the dataset has it.

A number counts as a concept's value when its ``unit`` is one that the concept converts from; a dataset
without a ``unit`` column does not say, and its numbers are taken as they are only where the concept allows
for a unit that is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.concepts import (
    CONCEPTS,
    CVX,
    LOINC,
    RXNORM,
    Kind,
    canonical_value,
    concepts_of_coding,
)
from medcairn.core.silver import SILVER_SCHEMAS, TIME
from medcairn.features.meds import codes
from medcairn.features.silver_columns import Ints

Cell: TypeAlias = str | int | float | bool | list[str] | None
_Row: TypeAlias = dict[str, Cell]

_TABLE_OF_KIND: Mapping[Kind, tuple[str, str, str]] = {
    Kind.MEASUREMENT: ("observation", "observation_id", "effective_time"),
    Kind.CONDITION: ("condition", "condition_id", "onset_time"),
    Kind.MEDICATION: ("medication", "medication_id", "start_time"),
    Kind.PROCEDURE: ("procedure", "procedure_id", "start_time"),
    Kind.IMMUNIZATION: ("immunization", "immunization_id", "occurrence_time"),
    Kind.ALLERGY: ("allergy", "allergy_id", "onset_time"),
}
_KIND_OF_SYSTEM = {LOINC: Kind.MEASUREMENT, RXNORM: Kind.MEDICATION, CVX: Kind.IMMUNIZATION}
"""What a code of these systems is when no concept has it; of the others a condition."""

_OF_ENCOUNTER = frozenset({codes.START, codes.END, codes.TYPE, codes.DISCHARGE})
_OF_PATIENT = frozenset(
    {codes.BIRTH, codes.DEATH, codes.FOLLOW_UP_END, codes.SEX, codes.RACE, codes.ETHNICITY}
)


def silver_tables(rows: pa.Table) -> dict[str, pa.Table]:
    """The silver tables that MEDS rows of whole subjects give; ``subject_id`` is the number as text."""
    coded = _Coded.of(rows)
    found = {about[0]: _facts(coded, kind, *about) for kind, about in _TABLE_OF_KIND.items()}
    collected = _Collected(
        {str(one): _new(str(one)) for one in pc.unique(rows.column("subject_id")).to_pylist()}
    )
    for row, meaning in coded.own():
        collected.add(row, meaning)
    return {**collected.tables(), **found}


def latest_time(rows: pa.Table) -> int | None:
    """The latest time at which a fact of ours became known, in microseconds; None when there is no fact."""
    coded = _Coded.of(rows)
    chosen = coded.where(
        [m is not None and (m.kind is not None or m.system == codes.START) for m in coded.meanings]
    )
    latest = pc.max(chosen.rows.column("time")).cast(pa.int64()).as_py()
    return None if latest is None else int(latest)


@dataclass(frozen=True)
class _Meaning:
    """What rows of one code are: facts of a ``kind``, or one of our own events (``system`` is its name)."""

    system: str
    code: str
    kind: Kind | None = None
    concepts: tuple[str, ...] = ()


def _meaning(text: str) -> _Meaning | None:
    name, _, rest = text.partition(codes.BETWEEN)
    if name in _OF_ENCOUNTER or name in _OF_PATIENT:
        return _Meaning(name, rest)
    allergy = name == codes.ALLERGY
    coding = codes.coding_of(rest if allergy else text)
    if coding is None:
        return None
    found = concepts_of_coding(*coding)
    kinds = [CONCEPTS[one].kind for one in found]
    if allergy:
        kind = Kind.ALLERGY
    else:
        usual = _KIND_OF_SYSTEM.get(coding[0], Kind.CONDITION)
        kind = next((one for one in kinds if one is not Kind.ALLERGY), usual)
    concepts = tuple(str(one) for one, its in zip(found, kinds, strict=True) if its is kind)
    return _Meaning(*coding, kind, concepts)


@dataclass(frozen=True)
class _Coded:
    """MEDS rows, the place of each one's code among the different codes, and what those mean."""

    rows: pa.Table
    place: Ints
    meanings: Sequence[_Meaning | None]

    @classmethod
    def of(cls, rows: pa.Table) -> _Coded:
        encoded = pc.dictionary_encode(rows.column("code").cast(pa.string()).combine_chunks())
        place = np.asarray(encoded.indices).astype(np.int64)
        return cls(rows, place, [_meaning(text) for text in encoded.dictionary.to_pylist()])

    def where(self, wanted: Sequence[bool]) -> _Coded:
        """The rows whose code is wanted, by the place of the code."""
        if not self.meanings:
            return self
        chosen = np.array(wanted, np.bool_)[self.place]
        return _Coded(self.rows.filter(pa.array(chosen)), self.place[chosen], self.meanings)

    def own(self) -> list[tuple[_Row, _Meaning]]:
        """The rows of our own events, as mappings; times are microseconds."""
        chosen = self.where([m is not None and m.kind is None for m in self.meanings])
        columns = {}
        for name in ("subject_id", "time", "source_id"):
            if name in chosen.rows.column_names:
                column = chosen.rows.column(name)
                columns[name] = column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        found = [self.meanings[place] for place in chosen.place.tolist()]
        pairs = zip(pa.table(columns).to_pylist(), found, strict=True)
        return [(row, meaning) for row, meaning in pairs if meaning is not None]


def _facts(coded: _Coded, kind: Kind, table: str, source: str, when: str) -> pa.Table:
    """The silver table of all facts of a kind."""
    coded = coded.where([m is not None and m.kind is kind for m in coded.meanings])
    timed = coded.rows.column("time").is_valid().to_numpy()
    rows, place = coded.rows.filter(pa.array(timed)), coded.place[timed]
    subject = rows.column("subject_id").cast(pa.string()).combine_chunks()
    known = rows.column("time").combine_chunks().cast(TIME)
    number = pa.array(np.arange(len(place))).cast(pa.string())
    minted = pc.binary_join_element_wise(subject, number, "-")
    given = {
        "subject_id": subject,
        source: _or_else(rows, "source_id", minted),
        "version": pa.array(np.ones(len(place), np.int32)),
        "current": pa.array(np.ones(len(place), np.bool_)),
        "system": _each(coded.meanings, place, [m and m.system for m in coded.meanings], pa.string()),
        "code": _each(coded.meanings, place, [m and m.code for m in coded.meanings], pa.string()),
        when: _or_else(rows, "effective_time", known),
        "available_time": known,
    }
    if kind is Kind.MEASUREMENT:
        names = [m.concepts[0] if m and m.concepts else None for m in coded.meanings]
        concept = _each(coded.meanings, place, names, pa.string())
        given |= {"component": pa.array(np.arange(len(place), dtype=np.int32)), "concept": concept}
        given |= _values(rows, concept)
    else:
        lists = [list(m.concepts) if m else [] for m in coded.meanings]
        given["concepts"] = _each(coded.meanings, place, lists, pa.list_(pa.string()))
    schema = SILVER_SCHEMAS[table]
    columns = [given.get(field.name, pa.nulls(len(place), field.type)) for field in schema]
    return pa.table([column.cast(f.type) for column, f in zip(columns, schema, strict=True)], schema=schema)


def _each(
    meanings: Sequence[_Meaning | None], place: Ints, of_code: Sequence[object], kind: pa.DataType
) -> pa.Array:
    """What each different code has, for every row."""
    return pa.array(of_code if meanings else [], kind).take(pa.array(place))


def _or_else(rows: pa.Table, name: str, otherwise: pa.Array) -> pa.Array:
    if name not in rows.column_names:
        return otherwise
    return pc.coalesce(rows.column(name).combine_chunks().cast(otherwise.type), otherwise)


def _values(rows: pa.Table, concept: pa.Array) -> dict[str, pa.Array]:
    """Number and unit as given, and in the concept's canonical unit."""
    numbers, units = _listed(rows, "numeric_value"), _listed(rows, "unit")
    values: list[float | None] = []
    canonical_units: list[str | None] = []
    for name, number, unit in zip(concept.to_pylist(), numbers, units, strict=True):
        usable = name is not None and number is not None and not np.isnan(number)
        found = canonical_value(name, number, unit) if usable else None
        values.append(found.value if found else None)
        canonical_units.append(found.unit if found else None)
    return {
        "numeric_value": pa.array(numbers, pa.float64()),
        "unit": pa.array(units, pa.string()),
        "canonical_value": pa.array(values, pa.float64()),
        "canonical_unit": pa.array(canonical_units, pa.string()),
    }


def _listed(rows: pa.Table, name: str) -> list[Any]:
    """A column as a list; null in every row where the dataset has no such column."""
    return list(rows.column(name).to_pylist()) if name in rows.column_names else [None] * rows.num_rows


def _new(subject: str) -> _Row:
    return {"subject_id": subject, "version": 1, "current": True}


@dataclass
class _Collected:
    """Patients and encounters while our own events are read."""

    patients: dict[str, _Row]
    encounters: dict[tuple[str, str], _Row] = field(default_factory=dict)

    def add(self, row: _Row, meaning: _Meaning) -> None:
        subject = str(row["subject_id"])
        if meaning.system in _OF_PATIENT:
            _of_patient(self.patients[subject], row, meaning)
            return
        key = (subject, str(row.get("source_id")))
        encounter = self.encounters.setdefault(key, {**_new(subject), "encounter_id": key[1]})
        if meaning.system == codes.START:
            encounter |= {
                "class_code": meaning.code,
                "start_time": row["time"],
                "available_time": row["time"],
            }
        elif meaning.system == codes.END:
            encounter |= {"class_code": meaning.code, "end_time": row["time"]}
        elif meaning.system == codes.DISCHARGE:
            encounter["discharge_disposition"] = meaning.code
        else:
            coding = codes.coding_of(meaning.code)
            encounter["type_code"] = coding[1] if coding else meaning.code.rpartition(codes.BETWEEN)[2]

    def tables(self) -> dict[str, pa.Table]:
        """The rows as tables with silver's columns."""
        patients, encounters = list(self.patients.values()), list(self.encounters.values())
        return {"patient": _table("patient", patients), "encounter": _table("encounter", encounters)}


def _of_patient(patient: _Row, row: _Row, meaning: _Meaning) -> None:
    time = row["time"]
    if meaning.system == codes.BIRTH and isinstance(time, int):
        patient["birth_year"] = int(np.datetime64(time, "us").astype("datetime64[Y]").astype(np.int64)) + 1970
    elif meaning.system == codes.DEATH:
        patient["deceased_time"] = time
    elif meaning.system == codes.FOLLOW_UP_END:
        patient["follow_up_end"] = time
    elif meaning.system == codes.SEX:
        patient["gender"] = {"m": "male", "f": "female"}.get(meaning.code.lower(), meaning.code.lower())
    elif meaning.system in (codes.RACE, codes.ETHNICITY):
        patient[meaning.system.lower()] = meaning.code


def _table(name: str, rows: Sequence[_Row]) -> pa.Table:
    schema = SILVER_SCHEMAS[name]
    return pa.table([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


__all__ = ["latest_time", "silver_tables"]
