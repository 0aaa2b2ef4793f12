"""Any record: rows of every silver table with versions, ties, errors and gaps, for property tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from .silver_rows import Cell, Row, Silver, at

NOW = at("2020-03-01T12:00")
Record: TypeAlias = dict[str, list[Row]]

subjects = st.sampled_from(["ann", "bob"])
minutes = st.integers(-900 * 1440, 60 * 1440).map(lambda n: NOW + timedelta(minutes=n))
days = st.integers(-900, 60).map(lambda n: NOW + timedelta(days=n))
odd = st.sampled_from([NOW, NOW - timedelta(days=30), NOW - timedelta(microseconds=1)])
times = st.one_of(minutes, days, days, odd)
later = st.integers(0, 10 * 1440).map(lambda n: timedelta(minutes=n))
values = st.one_of(
    st.decimals(0, 500, places=2).map(float), st.sampled_from([5.0, 6.0, 10.0, 0.00005, 0.00015, 99.99995])
)
statuses = st.sampled_from(["final", "final", "final", "amended", "entered-in-error"])
CONCEPTS = {
    "observation": ["creatinine", "glucose", "haemoglobin", "sodium"],
    "condition": [
        "diabetes",
        "charlson_mild_liver_disease",
        "charlson_moderate_severe_liver_disease",
        "cancer",
    ],
    "medication": ["statin", "metformin", "insulin"],
    "procedure": ["dialysis"],
    "immunization": ["influenza_vaccine"],
    "allergy": ["penicillin_allergy"],
}
"""Concepts that the generated rows have, by silver table."""

_TIME = {
    "condition": "onset_time",
    "medication": "start_time",
    "procedure": "start_time",
    "immunization": "occurrence_time",
    "allergy": "onset_time",
}


def _versions(draw: st.DrawFn, id_name: str, first: Row, change: Callable[[st.DrawFn], Row]) -> list[Row]:
    """One to three versions of a resource, each available from the end of the one before."""
    known = first["available_time"]
    rows: list[Row] = []
    count = draw(st.sampled_from([1, 1, 1, 2, 3]))
    for version in range(1, count + 1):
        ends = version < count or draw(st.integers(0, 9)) == 0  # the last one may have been withdrawn
        until = known + draw(later) if ends and known is not None else None  # type: ignore[operator]
        changed = change(draw) if version > 1 else {}
        versioned: Row = {"version": version, "available_time": known, "superseded_time": until}
        rows.append({**first, **changed, **versioned, "current": version == count and not ends})
        known = until
    return rows


@st.composite
def observations(draw: st.DrawFn) -> list[Row]:
    when = draw(times)
    row: Row = {
        "subject_id": draw(subjects),
        "observation_id": draw(st.uuids(version=4)).hex,
        "component": draw(st.sampled_from([-1, -1, 0, 1])),
        "status": draw(statuses),
        "concept": draw(st.sampled_from([*CONCEPTS["observation"], None])),
        "effective_time": draw(st.sampled_from([when, when, when, None])),
        "available_time": draw(st.sampled_from([when + draw(later), when, when, None])),
        "canonical_value": draw(st.one_of(values, values, st.none())),
    }
    return _versions(
        draw, "observation_id", row, lambda d: {"canonical_value": d(values), "status": d(statuses)}
    )


@st.composite
def coded(draw: st.DrawFn, table: str) -> list[Row]:
    when = draw(times)
    allergy = table in ("condition", "allergy")
    voided = "verification_status" if allergy else "status"
    status = st.sampled_from(["confirmed" if allergy else "completed"] * 4 + ["entered-in-error"])
    concepts = st.lists(st.sampled_from(CONCEPTS[table]), max_size=2, unique=True)
    row: Row = {
        "subject_id": draw(subjects),
        f"{table}_id": draw(st.uuids(version=4)).hex,
        voided: draw(status),
        "system": draw(st.sampled_from(["http://snomed.info/sct", None])),
        "code": draw(st.sampled_from(["1", "2", "3"])),
        "concepts": draw(concepts),
        _TIME[table]: draw(st.sampled_from([when, when, None])),
        "available_time": when + draw(later),
    }
    if table == "medication":
        row["resource_type"] = draw(st.sampled_from(["MedicationRequest", "MedicationDispense"]))
        row["days_supply"] = draw(st.sampled_from([30.0, 7.5, None]))
        row["end_time"] = draw(st.sampled_from([when + timedelta(days=20), when - timedelta(days=1), None]))
    return _versions(
        draw, f"{table}_id", row, lambda d: {voided: d(status), "concepts": list[str](d(concepts))}
    )


@st.composite
def encounters(draw: st.DrawFn) -> list[Row]:
    start = draw(times)
    dispositions = st.sampled_from(["home", "snf", None])
    ends = st.one_of(st.none(), later.map(lambda more: start + more), st.just(NOW))
    row: Row = {
        "subject_id": draw(subjects),
        "encounter_id": draw(st.uuids(version=4)).hex,
        "status": draw(st.sampled_from(["finished", "finished", "in-progress", "cancelled"])),
        "class_code": draw(st.sampled_from(["IMP", "IMP", "EMER", "AMB", "OBSENC"])),
        "type_code": draw(st.sampled_from(["183452005", None])),
        "start_time": draw(st.sampled_from([start, start, start, None])),
        "end_time": draw(ends),
        "discharge_disposition": draw(dispositions),
        "available_time": start,
    }

    def changed(d: st.DrawFn) -> Row:
        return {"end_time": d(ends), "discharge_disposition": d(dispositions)}

    return _versions(draw, "encounter_id", row, changed)


@st.composite
def patients(draw: st.DrawFn) -> list[Row]:
    """Ann in one to three versions, Bob in one."""
    years = st.sampled_from([1930, 1950, None])
    sexes = st.sampled_from(["female", "male", "other", None])
    ann: Row = {
        **Silver().patient("ann").rows["patient"][0],
        "birth_year": draw(years),
        "gender": draw(sexes),
    }
    versions = _versions(
        draw, "subject_id", {**ann, "available_time": draw(times)}, lambda d: {"gender": d(sexes)}
    )
    first: Cell = draw(st.sampled_from([versions[0]["available_time"], None]))
    versions[0]["available_time"] = first
    bob = Silver().patient("bob", born=1990, gender="male", over_89=draw(st.booleans())).rows["patient"]
    return versions + bob


def flat(lists: list[list[Row]]) -> list[Row]:
    return [row for rows in lists for row in rows]


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Rows of every table."""
    found: Record = {
        "patient": draw(patients()),
        "observation": flat(draw(st.lists(observations(), max_size=20))),
        "encounter": flat(draw(st.lists(encounters(), max_size=8))),
    }
    for table in _TIME:
        found[table] = flat(draw(st.lists(coded(table), max_size=6)))
    return found
