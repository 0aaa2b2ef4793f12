"""What the gold and normalized tables are: their columns, the order of rows, and the silver they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from medcairn.core.silver import TIME
from medcairn.lakehouse.gold.rules import Rules

_TYPES: Mapping[str, pa.DataType] = {
    "t": TIME,
    "D": pa.date32(),
    "s": pa.string(),
    "i": pa.int32(),
    "n": pa.int64(),
    "d": pa.float64(),
    "b": pa.bool_(),
    "S": pa.list_(pa.field("element", pa.string())),
}


@dataclass(frozen=True)
class GoldTable:
    """One table. ``order`` sorts the rows and, with them, tells any two apart."""

    name: str
    columns: Callable[[Rules], str]
    order: tuple[str, ...]
    silver: tuple[str, ...]

    def schema(self, rules: Rules) -> pa.Schema:
        """The Arrow schema; some columns are named after concepts of ``rules``."""
        pairs = (item.split(":") for item in self.columns(rules).split())
        return pa.schema([pa.field(name, _TYPES[kind]) for name, kind in pairs])


def _fixed(text: str) -> Callable[[Rules], str]:
    return lambda _: text


def _vital_columns(rules: Rules) -> str:
    vitals = rules.vital_trends
    numbers = (f"{c}_{s}:{k}" for c in vitals.concepts for s, k in vital_statistics().items())
    flags = (f"{name}:b" for name in vitals.flags)
    head = "subject_id:s observation_date:D known_time:t readings:n late_readings:n"
    return " ".join((head, *numbers, *flags))


def _chronic_columns(rules: Rules) -> str:
    chronic = rules.chronic_disease
    visits = f"{chronic.encounter_days}d"
    numbers = [f"{name}:{kind}" for name, (_, _, kind) in chronic_numbers(rules).items()]
    return " ".join(
        (
            "subject_id:s feature_time:t age_years:i gender:s is_deceased:b",
            *numbers,
            *(f"{name}:b" for name in chronic.flags),
            f"abnormal_lab_count_{chronic.labs.days}d:n active_medication_count:n",
            f"medications_started_{chronic.medication_days}d:n",
            *(f"polypharmacy_{count}:b" for count in chronic.polypharmacy),
            *(f"{name}_count_{visits}:n" for name in ("encounter", "emergency", "inpatient")),
            f"mean_encounter_hours_{visits}:d",
            *(f"has_{name}:b" for name in chronic.diseases),
        )
    )


def vital_statistics() -> Mapping[str, str]:
    """Statistic of a vital sign and day → kind of column."""
    return {"avg": "d", "min": "d", "max": "d", "count": "n"}


def chronic_numbers(rules: Rules) -> Mapping[str, tuple[str, str, str]]:
    """Column of ``chronic_disease_features`` → (concept, statistic, kind of column)."""
    chronic = rules.chronic_disease
    found: dict[str, tuple[str, str, str]] = {}
    for concept in chronic.vitals.concepts:
        for statistic in ("avg", "min", "max"):
            found[f"{concept}_{statistic}_{chronic.vitals.days}d"] = (concept, statistic, "d")
    for concept in chronic.labs.concepts:
        for statistic in ("avg", "min", "max", "last"):
            found[f"{concept}_{statistic}_{chronic.labs.days}d"] = (concept, statistic, "d")
        found[f"has_abnormal_{concept}"] = (concept, "abnormal", "b")
    return found


GOLD_TABLES: Mapping[str, GoldTable] = MappingProxyType(
    {
        table.name: table
        for table in (
            GoldTable(
                "patient_vital_trends",
                _vital_columns,
                ("subject_id", "observation_date"),
                ("observation",),
            ),
            GoldTable(
                "lab_result_trends",
                _fixed(
                    "subject_id:s concept:s loinc_code:s observation_id:s component:i version:i"
                    " effective_time:t observation_date:D known_time:t value:d value_unit:s"
                    " value_7d_avg:d value_7d_count:n value_30d_avg:d value_30d_count:n"
                    " value_90d_avg:d value_90d_count:n previous_value:d days_since_previous:n"
                    " percent_change:d trend_direction:s is_abnormal:b abnormal_severity:s abnormal_basis:s"
                    " days_since_abnormal:n"
                ),
                ("subject_id", "concept", "effective_time", "observation_id", "component", "version"),
                ("observation", "patient"),
            ),
            GoldTable(
                "medication_adherence",
                _fixed(
                    "subject_id:s medication_class:s period_days:i period_start:D period_end:D evidence:s"
                    " fills:n fills_without_supply:n first_fill_date:D days_observed:n days_covered:n pdc:d"
                    " is_adherent:b is_eligible:b"
                ),
                ("subject_id", "medication_class", "period_days"),
                ("medication", "patient"),
            ),
            GoldTable(
                "chronic_disease_features",
                _chronic_columns,
                ("subject_id", "feature_time"),
                ("patient", "observation", "condition", "medication", "encounter"),
            ),
        )
    }
)
"""The gold tables by name."""

NORMALIZED_TABLES: Mapping[str, GoldTable] = MappingProxyType(
    {
        table.name: table
        for table in (
            GoldTable(
                "observations_normalized",
                _fixed(
                    "subject_id:s patient_id:s observation_id:s component:i version:i encounter_id:s status:s"
                    " category:s loinc_code:s code_system:s code:s concept:s value_numeric:d value_unit:s"
                    " value_comparator:s canonical_value:d canonical_unit:s value_type:s value_system:s"
                    " value_code:s value_boolean:b value_time:t data_absent_reason:s effective_time:t"
                    " observation_date:D available_time:t reference_low:d reference_high:d interpretation:s"
                    " is_abnormal:b abnormal_severity:s abnormal_basis:s"
                ),
                ("subject_id", "effective_time", "observation_id", "component"),
                ("observation", "patient"),
            ),
            GoldTable(
                "medications_normalized",
                _fixed(
                    "subject_id:s patient_id:s medication_id:s resource_type:s version:i encounter_id:s"
                    " rxnorm_code:s code_system:s code:s medication_concepts:S status:s intent:s start_time:t"
                    " end_time:t start_date:D authored_time:t available_time:t duration_days:n days_supply:d"
                    " quantity:d quantity_unit:s refills:i is_active:b"
                ),
                ("subject_id", "start_time", "medication_id", "resource_type"),
                ("medication",),
            ),
            GoldTable(
                "patients_normalized",
                _fixed(
                    "subject_id:s patient_id:s version:i gender:s birth_sex:s race:s ethnicity:s birth_year:i"
                    " age_years:i age_bucket:s is_deceased:b deceased_time:t postal_area:s follow_up_end:t"
                ),
                ("subject_id",),
                ("patient",),
            ),
            GoldTable(
                "encounters_normalized",
                _fixed(
                    "subject_id:s patient_id:s encounter_id:s version:i encounter_class:s status:s"
                    " encounter_type_system:s encounter_type:s start_time:t end_time:t encounter_date:D"
                    " duration_hours:d is_inpatient:b is_emergency:b is_outpatient:b admit_source:s"
                    " discharge_disposition:s reason_system:s reason_code:s available_time:t"
                ),
                ("subject_id", "start_time", "encounter_id"),
                ("encounter",),
            ),
        )
    }
)
"""The normalized tables by name."""

ALL_TABLES: Mapping[str, GoldTable] = MappingProxyType({**NORMALIZED_TABLES, **GOLD_TABLES})
"""Both."""


__all__ = [
    "ALL_TABLES",
    "GOLD_TABLES",
    "NORMALIZED_TABLES",
    "GoldTable",
    "chronic_numbers",
    "vital_statistics",
]
