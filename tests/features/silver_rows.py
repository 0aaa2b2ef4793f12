"""Silver tables written row by row, for tests that read as rows in, values out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from deltalake import write_deltalake

from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source
from medcairn.features.silver_columns import COLUMNS, FOLLOW_UP_END

Cell: TypeAlias = str | int | float | bool | datetime | None
Row: TypeAlias = dict[str, Cell]
_TIME = pa.timestamp("us", tz="UTC")


def at(text: str) -> datetime:
    """``2020-01-31`` (midnight) or ``2020-01-31T09:30``, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def maybe(text: str | None) -> datetime | None:
    return None if text is None else at(text)


@dataclass
class Silver:
    """Collects rows; ids are minted in order."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    with_follow_up: bool = False

    def _add(self, table: str, row: Row) -> Silver:
        self.rows[table].append({name: row.get(name) for name in [*COLUMNS[table], FOLLOW_UP_END]})
        return self

    def _id(self) -> str:
        return f"r{sum(map(len, self.rows.values())):05d}"

    def patient(
        self,
        subject: str = "ann",
        *,
        born: int | None = 1950,
        gender: str | None = "female",
        died: str | None = None,
        follow_up_end: str | None = None,
        over_89: bool = False,
    ) -> Silver:
        self.with_follow_up |= follow_up_end is not None
        return self._add(
            "patient",
            {
                "subject_id": subject,
                "gender": gender,
                "birth_year": born,
                "race": "2106-3",
                "ethnicity": "2186-5",
                "deceased_time": maybe(died),
                "age_90_plus": over_89,
                FOLLOW_UP_END: maybe(follow_up_end),
            },
        )

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
    ) -> Silver:
        return self._add(
            "encounter",
            {
                "subject_id": subject,
                "encounter_id": self._id(),
                "status": status,
                "class_code": kind,
                "type_code": type_code,
                "start_time": at(start),
                "end_time": maybe(end),
                "discharge_disposition": disposition,
                "available_time": at(start),
            },
        )

    def stay(
        self,
        start: str,
        end: str | None,
        *,
        subject: str = "ann",
        disposition: str | None = "home",
        type_code: str | None = None,
        status: str = "finished",
    ) -> Silver:
        return self.encounter(
            "IMP", start, end, subject=subject, disposition=disposition, type_code=type_code, status=status
        )

    def visit(self, start: str, *, subject: str = "ann") -> Silver:
        return self.encounter("AMB", start, start, subject=subject)

    def lab(
        self,
        concept: str,
        value: float | None,
        when: str,
        *,
        subject: str = "ann",
        available: str | None = None,
        status: str = "final",
    ) -> Silver:
        return self._add(
            "observation",
            {
                "subject_id": subject,
                "observation_id": self._id(),
                "component": -1,
                "status": status,
                "concept": concept,
                "effective_time": at(when),
                "available_time": at(available or when),
                "canonical_value": value,
            },
        )

    def condition(
        self,
        concept: str | None,
        onset: str | None,
        *,
        subject: str = "ann",
        recorded: str | None = None,
        code: str = "44054006",
        system: str = "http://snomed.info/sct",
        verification: str = "confirmed",
        condition_id: str | None = None,
    ) -> Silver:
        return self._add(
            "condition",
            {
                "subject_id": subject,
                "condition_id": condition_id or self._id(),
                "system": system,
                "code": code,
                "concept": concept,
                "verification_status": verification,
                "onset_time": maybe(onset),
                "available_time": maybe(recorded or onset),
            },
        )

    def medication(
        self, concept: str | None, when: str, *, subject: str = "ann", code: str = "6809"
    ) -> Silver:
        return self._add(
            "medication",
            {
                "subject_id": subject,
                "medication_id": self._id(),
                "status": "active",
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                "code": code,
                "concept": concept,
                "start_time": at(when),
                "available_time": at(when),
            },
        )

    def procedure(self, when: str, *, subject: str = "ann") -> Silver:
        return self._add(
            "procedure",
            {
                "subject_id": subject,
                "procedure_id": self._id(),
                "status": "completed",
                "system": "http://snomed.info/sct",
                "code": "265764009",
                "concept": "dialysis",
                "start_time": at(when),
                "available_time": at(when),
            },
        )

    def tables(self) -> dict[str, pa.Table]:
        """The rows as silver tables."""
        return {name: table_of(name, rows, self.with_follow_up) for name, rows in self.rows.items()}

    def write(self, folder: Path) -> Path:
        """The rows as Delta tables below ``folder``."""
        for name, table in self.tables().items():
            write_deltalake(str(folder / name), table)
        return folder


def table_of(name: str, rows: list[Row], with_follow_up: bool = False) -> pa.Table:
    """Rows of one silver table."""
    types = dict(COLUMNS[name])
    if name == "patient" and with_follow_up:
        types[FOLLOW_UP_END] = _TIME
    return pa.table(
        {column: pa.array([row.get(column) for row in rows], kind) for column, kind in types.items()}
    )


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
