"""Silver tables written row by row, for tests that read as rows in, values out.

Every helper that adds a row of a resource takes ``version``, ``available``, ``superseded``, ``current`` and
``rid`` (the resource's id), so that a test can write versions of one resource. Without ``available`` a row is
available when it held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack

import pyarrow as pa
from deltalake import write_deltalake

from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source

Cell: TypeAlias = str | int | float | bool | datetime | list[str] | None
Row: TypeAlias = dict[str, Cell]
_TIME = pa.timestamp("us", tz="UTC")
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


class Versioned(TypedDict, total=False):
    """What every row may say about its version."""

    rid: str
    version: int
    available: str | None
    superseded: str | None
    current: bool


def at(text: str) -> datetime:
    """``2020-01-31`` (midnight) or ``2020-01-31T09:30``, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def maybe(text: str | None) -> datetime | None:
    return None if text is None else at(text)


@dataclass
class Silver:
    """Collects rows; ids are minted in order."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in SILVER_SCHEMAS})

    def _add(self, table: str, row: Mapping[str, Cell]) -> Silver:
        self.rows[table].append({name: row.get(name) for name in SILVER_SCHEMAS[table].names})
        return self

    def _id(self) -> str:
        return f"r{sum(map(len, self.rows.values())):05d}"

    def _of(self, table: str, id_name: str, when: str | None, row: Row, about: Versioned) -> Silver:
        superseded = maybe(about.get("superseded"))
        return self._add(
            table,
            {
                id_name: about.get("rid") or self._id(),
                "version": about.get("version", 1),
                "available_time": maybe(about.get("available", when)),
                "superseded_time": superseded,
                "current": about.get("current", superseded is None),
                **row,
            },
        )

    def patient(
        self,
        subject: str = "ann",
        *,
        born: int | None = 1950,
        gender: str | None = "female",
        died: str | None = None,
        follow_up_end: str | None = None,
        over_89: bool = False,
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "gender": gender,
            "birth_year": born,
            "race": "2106-3",
            "ethnicity": "2186-5",
            "deceased_time": maybe(died),
            "age_90_plus": over_89,
            "follow_up_end": maybe(follow_up_end),
        }
        return self._of("patient", "subject_id", None, row, about)

    def encounter(
        self,
        kind: str,
        start: str,
        end: str | None = None,
        *,
        subject: str = "ann",
        status: str = "finished",
        type_code: str | None = None,
        disposition: str | None = None,
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "status": status,
            "class_code": kind,
            "type_system": SNOMED if type_code else None,
            "type_code": type_code,
            "start_time": at(start),
            "end_time": maybe(end),
            "discharge_disposition": disposition,
        }
        return self._of("encounter", "encounter_id", start, row, about)

    def stay(
        self,
        start: str,
        end: str | None,
        *,
        subject: str = "ann",
        disposition: str | None = "home",
        type_code: str | None = None,
        status: str = "finished",
        **about: Unpack[Versioned],
    ) -> Silver:
        return self.encounter(
            "IMP",
            start,
            end,
            subject=subject,
            disposition=disposition,
            type_code=type_code,
            status=status,
            **about,
        )

    def visit(self, start: str, *, subject: str = "ann", **about: Unpack[Versioned]) -> Silver:
        return self.encounter("AMB", start, start, subject=subject, **about)

    def lab(
        self,
        concept: str | None,
        value: float | None,
        when: str,
        *,
        subject: str = "ann",
        status: str = "final",
        component: int = -1,
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "component": component,
            "status": status,
            "concept": concept,
            "effective_time": at(when),
            "numeric_value": value,
            "canonical_value": value,
        }
        return self._of("observation", "observation_id", when, row, about)

    def condition(
        self,
        concept: str | list[str] | None,
        onset: str | None,
        *,
        subject: str = "ann",
        recorded: str | None = None,
        code: str = "44054006",
        system: str = SNOMED,
        verification: str = "confirmed",
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "system": system,
            "code": code,
            "concepts": listed(concept),
            "verification_status": verification,
            "onset_time": maybe(onset),
            "recorded_time": maybe(recorded),
        }
        return self._of("condition", "condition_id", recorded or onset, row, about)

    def medication(
        self,
        concept: str | list[str] | None,
        when: str,
        *,
        subject: str = "ann",
        code: str = "6809",
        status: str = "active",
        end: str | None = None,
        days_supply: float | None = None,
        resource_type: str = "MedicationRequest",
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "resource_type": resource_type,
            "status": status,
            "system": RXNORM,
            "code": code,
            "concepts": listed(concept),
            "start_time": at(when),
            "end_time": maybe(end),
            "days_supply": days_supply,
        }
        return self._of("medication", "medication_id", when, row, about)

    def procedure(
        self,
        when: str,
        concept: str | list[str] | None = "dialysis",
        *,
        subject: str = "ann",
        code: str = "265764009",
        status: str = "completed",
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "status": status,
            "system": SNOMED,
            "code": code,
            "concepts": listed(concept),
            "start_time": at(when),
        }
        return self._of("procedure", "procedure_id", when, row, about)

    def immunization(
        self,
        when: str,
        concept: str | list[str] | None = "influenza_vaccine",
        *,
        subject: str = "ann",
        code: str = "140",
        status: str = "completed",
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "status": status,
            "system": "http://hl7.org/fhir/sid/cvx",
            "code": code,
            "concepts": listed(concept),
            "occurrence_time": at(when),
        }
        return self._of("immunization", "immunization_id", when, row, about)

    def allergy(
        self,
        when: str,
        concept: str | list[str] | None = None,
        *,
        subject: str = "ann",
        code: str = "91936005",
        verification: str = "confirmed",
        **about: Unpack[Versioned],
    ) -> Silver:
        row: Row = {
            "subject_id": subject,
            "verification_status": verification,
            "system": SNOMED,
            "code": code,
            "concepts": listed(concept),
            "onset_time": at(when),
        }
        return self._of("allergy", "allergy_id", when, row, about)

    def tables(self) -> dict[str, pa.Table]:
        """The rows as silver tables."""
        return {name: table_of(name, rows) for name, rows in self.rows.items()}

    def write(self, folder: Path) -> Path:
        """The rows as Delta tables below ``folder``."""
        for name, table in self.tables().items():
            write_deltalake(str(folder / name), table)
        return folder


def listed(concept: str | list[str] | None) -> list[str]:
    """One concept, several or none as the list that silver keeps."""
    if concept is None:
        return []
    return [concept] if isinstance(concept, str) else concept


def table_of(name: str, rows: list[Row]) -> pa.Table:
    """Rows of one silver table; a column that they do not have is null."""
    schema = SILVER_SCHEMAS[name]
    return pa.table([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def index_of(*rows: tuple[str, str]) -> pa.Table:
    """An index table of (subject, time)."""
    return pa.table(
        {
            "subject_id": pa.array([subject for subject, _ in rows], pa.string()),
            "prediction_time": pa.array([at(when) for _, when in rows], _TIME),
        }
    )


def feature(
    source: str, concept: str, aggregate: str = "value", window_days: int | None = None
) -> FeatureSet:
    """A feature set of one feature named ``x``."""
    one = Feature("x", Source(source), concept, Aggregate(aggregate), window_days)
    return FeatureSet("one", 1, (one,))
