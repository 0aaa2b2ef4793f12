"""Fills in the statements: from a table's name, an engine's dialect, the rules and a day to its SQL."""

# ruff: noqa: S608 -- statements are put together from our own text and checked rules; no data enters them

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from medcairn.core.concepts import CONCEPTS
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.core.silver import SILVER_SCHEMAS, VOID
from medcairn.lakehouse.gold.dialects import DUCKDB, Dialect, cast_to, relation, statement, text_list
from medcairn.lakehouse.gold.flags import flag_columns
from medcairn.lakehouse.gold.rules import SCALE, LabLimits, Rules, SexLimits, scaled, shipped_rules
from medcairn.lakehouse.gold.tables import ALL_TABLES, NORMALIZED_TABLES, chronic_numbers, vital_statistics

_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALE = f"CAST({SCALE} AS DOUBLE)"


def normalized_view(
    name: str, *, as_of: datetime, dialect: Dialect = DUCKDB, rules: Rules | None = None
) -> str:
    """The SELECT of a normalized table over relations ``medcairn_silver_<table>``, for a view of one's own.

    ``as_of`` decides on age and on what is active. Raises :class:`UsageError` for an unknown name.
    """
    if name not in NORMALIZED_TABLES:
        raise UsageError("There is no such normalized table", known=Label(",".join(NORMALIZED_TABLES)))
    return Statements(dialect, rules or shipped_rules(), as_of).select(name)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware instant. Raises :class:`UsageError` for one without an offset."""
    if moment.tzinfo is None:
        raise UsageError("An instant needs an offset from UTC", hint="Give it as 2024-06-30T00:00:00Z")
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


class Statements:
    """The statements of one engine, for one set of rules and one ``as_of``.

    ``moments`` is the relation (subject_id, moment) that ``chronic_disease_features`` is made at; without it
    every subject at ``as_of``.
    """

    def __init__(
        self, dialect: Dialect, rules: Rules, as_of: datetime, *, moments: str | None = None
    ) -> None:
        self._rules = rules
        self._dialect = dialect
        self._as_of = microseconds(as_of)
        self._moments = moments
        self._words: dict[str, str] = {
            **dialect.words,
            **{table: dialect.silver(table) for table in SILVER_SCHEMAS},
            **self._codes(),
            "as_of": str(self._as_of),
            "as_of_year": str(as_of.astimezone(UTC).year),
            "last_day": str(self._as_of // _DAY),
            "scale": _SCALE,
        }
        for part in ("own_severity", "own_basis", "person", "taking"):
            self._words[part] = self._filled(part)

    def select(self, name: str) -> str:
        """The SELECT of the table ``name``: its columns in order and type, its rows in order."""
        table = ALL_TABLES[name]
        words: dict[str, str] = getattr(self, f"_{name}", dict)()
        body = self._filled(name, words)
        keys = ", ".join(f"{key} NULLS LAST" for key in table.order)
        return f"SELECT {cast_to(table.schema(self._rules))} FROM ({body}) AS gold ORDER BY {keys}"

    def _filled(self, name: str, words: Mapping[str, str] | None = None) -> str:
        return statement(name).substitute({**self._words, **(words or {})})

    def _codes(self) -> dict[str, str]:
        statuses, told, classes = (
            self._rules.statuses,
            self._rules.interpretations,
            self._rules.encounter_classes,
        )
        return {
            **{f"void_{table}": text_list(codes) for table, (_, codes) in VOID.items()},
            "active_medication": text_list(statuses.active_medication),
            "normal": text_list(told.normal),
            "abnormal": text_list(told.abnormal),
            "critical": text_list(told.critical),
            "inpatient": text_list(classes.inpatient),
            "emergency": text_list(classes.emergency),
            "outpatient": text_list(classes.outpatient),
        }

    def _measured(self, concepts: Iterable[str]) -> str:
        return self._filled("measured", {"concepts": text_list(tuple(concepts))})

    def _judged(self, rows: str) -> str:
        return self._filled("judged", {"rows": rows, "limits": self._limits()})

    def _limits(self) -> str:
        rows: list[tuple[str | int | None, ...]] = []
        for concept, limits in self._rules.lab_trends.labs.items():
            for gender in ("male", "female", ""):
                own = _of_sex(limits, gender)
                rows.append(
                    (
                        concept,
                        gender,
                        own.abnormal.under,
                        own.abnormal.start,
                        own.critical.under,
                        own.critical.start,
                    )
                )
        return relation(rows or [("", "", None, None, None, None)])

    def _observations_normalized(self) -> dict[str, str]:
        return {"judged": self._judged(self._filled("stated"))}

    def _patient_vital_trends(self) -> dict[str, str]:
        vitals = self._rules.vital_trends
        return {
            "measured": self._measured(vitals.concepts),
            "settle_days": str(vitals.settle_days),
            "wide": _wide(vitals.concepts, ("n", "total", "low", "high")),
            "numbers": ", ".join(
                f"{_number(concept, statistic)} AS {concept}_{statistic}"
                for concept in vitals.concepts
                for statistic in vital_statistics()
            ),
            "flags": flag_columns(vitals.flags),
        }

    def _lab_result_trends(self) -> dict[str, str]:
        trends = self._rules.lab_trends
        return {
            "judged": self._judged(self._measured(trends.labs)),
            "stable": str(scaled(trends.stable_percent)),
        }

    def _medication_adherence(self) -> dict[str, str]:
        adherence = self._rules.adherence
        return {
            "periods": relation([(days,) for days in adherence.period_days]),
            "classes": text_list(adherence.classes),
            "ingredients": relation([(name, leaf) for name in adherence.classes for leaf in _leaves(name)]),
            "adherent_percent": str(adherence.adherent_percent),
            "least_fills": str(adherence.least_fills),
            "least_days": str(adherence.least_days),
        }

    def _chronic_disease_features(self) -> dict[str, str]:
        chronic = self._rules.chronic_disease
        vitals, labs = chronic.vitals, chronic.labs
        return {
            "moments": self._moments or self._everybody(),
            "judged": self._judged(self._measured((*vitals.concepts, *labs.concepts))),
            "vitals": text_list(vitals.concepts),
            "lab_days": str(labs.days),
            "medication_days": str(chronic.medication_days),
            "encounter_days": str(chronic.encounter_days),
            "vital_span": str(vitals.days * _DAY),
            "lab_span": str(labs.days * _DAY),
            "medication_span": str(chronic.medication_days * _DAY),
            "encounter_span": str(chronic.encounter_days * _DAY),
            "diseases": text_list(tuple(chronic.diseases.values())),
            "wide": _wide(
                (*vitals.concepts, *labs.concepts), ("n", "total", "low", "high", "latest", "abnormal")
            ),
            "numbers": ", ".join(
                f"{_number(concept, statistic)} AS {column}"
                for column, (concept, statistic, _) in chronic_numbers(self._rules).items()
            ),
            "flags": flag_columns(chronic.flags),
            "polypharmacy": ", ".join(
                f"coalesce(t.active, 0) >= {count} AS polypharmacy_{count}" for count in chronic.polypharmacy
            ),
            "disease_flags": ", ".join(
                f"max(CASE WHEN c.concept = '{concept}' THEN 1 END) AS {name}"
                for name, concept in chronic.diseases.items()
            ),
            "has_disease": ", ".join(f"coalesce(s.{name}, 0) = 1 AS has_{name}" for name in chronic.diseases),
        }

    def _everybody(self) -> str:
        return (
            f"SELECT subject_id, {self._as_of} AS moment FROM ({self._words['person']}) AS p"
            f" WHERE start <= {self._as_of} AND stop > {self._as_of} GROUP BY subject_id"
        )


_NAMES = {"n": "n", "total": "sum", "low": "min", "high": "max", "latest": "last", "abnormal": "abnormal"}


def _wide(concepts: Iterable[str], statistics: Iterable[str]) -> str:
    """One column a concept and statistic, out of one row a concept."""
    return ", ".join(
        f"max(CASE WHEN concept = '{concept}' THEN {statistic} END) AS {concept}_{_NAMES[statistic]}"
        for concept in concepts
        for statistic in statistics
    )


def _number(concept: str, statistic: str) -> str:
    """The published number out of the exact integers; the only division, and the last step."""
    if statistic == "count":
        return f"coalesce({concept}_n, 0)"
    if statistic == "abnormal":
        return f"{concept}_abnormal = 1"
    if statistic == "avg":
        return f"CAST({concept}_sum AS DOUBLE) / (CAST(nullif({concept}_n, 0) AS DOUBLE) * {_SCALE})"
    return f"CAST({concept}_{statistic} AS DOUBLE) / {_SCALE}"


def _of_sex(limits: LabLimits, gender: str) -> SexLimits:
    own = {"male": limits.male, "female": limits.female}.get(gender)
    return own if own is not None else limits


def _leaves(name: str) -> tuple[str, ...]:
    """The ingredients of a class of medications; itself when it is one."""
    members: Any = getattr(CONCEPTS[name], "members", ())
    found = [leaf for member in members for leaf in _leaves(str(member))]
    return tuple(dict.fromkeys(found)) or (name,)


__all__ = ["Statements", "microseconds", "normalized_view"]
