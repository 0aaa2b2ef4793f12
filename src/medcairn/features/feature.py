"""One feature: what its facts are, what is made of them, and over which window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.features.policy_file import safe_label
from medcairn.features.scores import EGFR, score_names, scores

LONGEST_WINDOW_DAYS = 36_500


class Source(StrEnum):
    """Where a feature's facts come from. Those of concepts have the same names as kinds of concepts."""

    DEMOGRAPHICS = "demographics"
    MEASUREMENT = "measurement"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    IMMUNIZATION = "immunization"
    ALLERGY = "allergy"
    ENCOUNTER = "encounter"
    INDEX_STAY = "index_stay"
    SCORE = "score"


class Aggregate(StrEnum):
    """What is made of the facts in the window. Units: the concept's, days for times, per day for slopes.

    ``pdc`` is the proportion of days covered, in [0, 1]; ``missing`` is 1 when there is no fact, else 0.
    """

    VALUE = "value"
    LAST = "last"
    FIRST = "first"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    SD = "sd"
    RANGE = "range"
    SLOPE = "slope"
    COUNT = "count"
    ANY = "any"
    DISTINCT = "distinct"
    DAYS_SINCE = "days_since"
    DAYS_SINCE_FIRST = "days_since_first"
    MISSING = "missing"
    PDC = "pdc"


_A = Aggregate
_TIMES = frozenset({_A.COUNT, _A.ANY, _A.DAYS_SINCE, _A.DAYS_SINCE_FIRST, _A.MISSING})
_VALUES = frozenset(
    {_A.LAST, _A.FIRST, _A.MEAN, _A.MIN, _A.MAX, _A.SUM, _A.SD, _A.RANGE, _A.SLOPE},
)
_CODED = _TIMES | {_A.DISTINCT}
_VALUE_ONLY = frozenset({_A.VALUE})
_ALLOWED: Mapping[Source, frozenset[Aggregate]] = {
    Source.DEMOGRAPHICS: _VALUE_ONLY,
    Source.INDEX_STAY: _VALUE_ONLY,
    Source.SCORE: _VALUE_ONLY,
    Source.MEASUREMENT: _TIMES | _VALUES,
    Source.CONDITION: _CODED,
    Source.MEDICATION: _CODED | {_A.PDC},
    Source.PROCEDURE: _CODED,
    Source.IMMUNIZATION: _CODED,
    Source.ALLERGY: _CODED,
    Source.ENCOUNTER: _TIMES | _VALUES,
}

ALL_OF: Mapping[Source, str] = {
    Source.MEASUREMENT: "measurements",
    Source.CONDITION: "conditions",
    Source.MEDICATION: "medications",
    Source.PROCEDURE: "procedures",
    Source.IMMUNIZATION: "immunizations",
    Source.ALLERGY: "allergies",
}
"""The name that stands for every fact of a source, mapped to a concept or not."""

MEASUREMENT_TIMES = "measurement_times"
"""The instants at which anything was measured, however much it was."""

INGREDIENTS, MEDICATION_CLASSES = "ingredients", "medication_classes"
"""Names that count different medication concepts: the single ingredients, the classes of them."""

_COUNTED: Mapping[Source, tuple[str, ...]] = {
    Source.MEASUREMENT: (MEASUREMENT_TIMES,),
    Source.MEDICATION: (INGREDIENTS, MEDICATION_CLASSES),
}

PRIOR_STAY, ANY_VISIT = "prior_stay", "visit"
ENCOUNTER_KINDS = (PRIOR_STAY, "emergency_visit", "outpatient_visit", ANY_VISIT)
_OWN_NAMES: Mapping[Source, tuple[str, ...]] = {
    Source.DEMOGRAPHICS: ("age_years", "female"),
    Source.ENCOUNTER: ENCOUNTER_KINDS,
    Source.INDEX_STAY: (
        "length_days",
        "emergency",
        "to_facility",
        "procedures",
        "conditions",
        "medications",
        "emergency_visits_before",
        "stays_before",
    ),
}


@dataclass(frozen=True)
class Feature:
    """One column: ``aggregate`` of the facts of ``concept`` in the ``window_days`` that end at the index.

    ``window_days`` is None for "ever before", and for what has no window (demographics, the index stay).
    The window is open at its early end and closed at the prediction time.
    """

    name: str
    source: Source
    concept: str
    aggregate: Aggregate
    window_days: int | None

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "source": self.source.value,
            "concept": self.concept,
            "aggregate": self.aggregate.value,
            "window_days": self.window_days,
        }


def feature_name(source: Source, concept: str, aggregate: Aggregate, window_days: int | None) -> str:
    """The column name that a feature of a set gets."""
    if source is Source.DEMOGRAPHICS:
        return concept
    if source is Source.INDEX_STAY:
        return f"index_stay_{concept}"
    window = "ever" if window_days is None else f"{window_days}d"
    if source is Source.SCORE:
        return f"{concept}_{window}"
    return f"{concept}_{aggregate.value}_{window}"


def concepts_behind(feature: Feature) -> frozenset[str]:
    """Names of core.concepts whose facts the feature reads; for a plain feature its own name."""
    if feature.source is Source.SCORE:
        return frozenset({"creatinine"}) if feature.concept == EGFR else scores()[feature.concept].concepts()
    return frozenset({feature.concept})


def reads_index_stay(feature: Feature) -> bool:
    """Whether the feature looks at the index stay, and so is missing for every index that is no stay."""
    if feature.source is Source.SCORE and feature.concept != EGFR:
        return scores()[feature.concept].reads_index_stay()
    return feature.source is Source.INDEX_STAY


def check_feature(feature: Feature, key: Label) -> None:
    """Refuse a feature that cannot be computed. Raises :class:`SettingsError` that names ``key``."""
    if not is_known(feature.source, feature.concept):
        raise SettingsError(
            "A feature names a concept that is not known for its source",
            hint="core/concepts lists the concepts; README.md of this package the names of other sources",
            key=key,
            concept=safe_label(feature.concept),
            source=feature.source,
        )
    if feature.aggregate not in _ALLOWED[feature.source]:
        raise SettingsError(
            "A feature's aggregate does not fit its source",
            hint="README.md of this package says which aggregates a source has",
            key=key,
            aggregate=feature.aggregate,
            source=feature.source,
        )
    _check_value(feature, key)
    if feature.window_days is not None and not 0 < feature.window_days <= LONGEST_WINDOW_DAYS:
        raise SettingsError("A feature's window must be at least one day", key=key)


def _check_value(feature: Feature, key: Label) -> None:
    """Aggregates that need a common value, or a window, on what has none."""
    valued, concept = feature.aggregate in _VALUES, feature.concept
    if feature.source is Source.ENCOUNTER and concept != PRIOR_STAY and valued:
        raise SettingsError("Only a prior stay has a value, its length in days", key=key)
    if feature.source is Source.MEASUREMENT and feature.aggregate is Aggregate.SUM:
        raise SettingsError(
            "A sum of measurements means nothing", hint="Take mean, or count", key=key, concept=Label(concept)
        )
    unspecific = concept in (ALL_OF.get(feature.source), MEASUREMENT_TIMES)
    if unspecific and (valued or feature.aggregate is Aggregate.PDC):
        raise SettingsError("Facts of different concepts have no common value", key=key)
    if concept in (INGREDIENTS, MEDICATION_CLASSES) and feature.aggregate is not Aggregate.DISTINCT:
        raise SettingsError("Ingredients and classes can only be counted", hint="Use distinct", key=key)
    if feature.aggregate is Aggregate.PDC and feature.window_days is None:
        raise SettingsError("The proportion of days covered needs a window in days", key=key)


def is_known(source: Source, concept: str) -> bool:
    """Whether ``concept`` is a name that ``source`` can answer for."""
    if source is Source.SCORE:
        return concept == EGFR or concept in score_names()
    if source in _OWN_NAMES:
        return concept in _OWN_NAMES[source]
    if concept == ALL_OF[source]:
        return True
    if concept in _COUNTED.get(source, ()):
        return True
    known = CONCEPTS.get(concept)
    return known is not None and known.kind.value == source.value


__all__ = [
    "ALL_OF",
    "ANY_VISIT",
    "ENCOUNTER_KINDS",
    "INGREDIENTS",
    "LONGEST_WINDOW_DAYS",
    "MEASUREMENT_TIMES",
    "MEDICATION_CLASSES",
    "PRIOR_STAY",
    "Aggregate",
    "Feature",
    "Source",
    "check_feature",
    "concepts_behind",
    "feature_name",
    "is_known",
    "reads_index_stay",
]
