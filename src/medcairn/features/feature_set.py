"""A feature set: YAML in, a checked tuple of single features out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medcairn.core.canonical import JSON
from medcairn.core.concepts import CONCEPTS
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.features.policy_file import PolicyRecord, read_policy, safe_label

BUILT_IN_SETS = Path(__file__).parent / "sets"
LONGEST_WINDOW_DAYS = 36_500


class Source(StrEnum):
    """Where a feature's facts come from."""

    DEMOGRAPHICS = "demographics"
    MEASUREMENT = "measurement"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    ENCOUNTER = "encounter"
    INDEX_STAY = "index_stay"


class Aggregate(StrEnum):
    """What is made of the facts in the window. Units: the concept's, days for times, per day for slopes."""

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


_TIMES = {Aggregate.COUNT, Aggregate.ANY, Aggregate.DAYS_SINCE, Aggregate.DAYS_SINCE_FIRST}
_VALUES = {
    Aggregate.LAST,
    Aggregate.FIRST,
    Aggregate.MEAN,
    Aggregate.MIN,
    Aggregate.MAX,
    Aggregate.SUM,
    Aggregate.SD,
    Aggregate.RANGE,
    Aggregate.SLOPE,
}
_ALLOWED: Mapping[Source, set[Aggregate]] = {
    Source.DEMOGRAPHICS: {Aggregate.VALUE},
    Source.INDEX_STAY: {Aggregate.VALUE},
    Source.MEASUREMENT: (_TIMES | _VALUES) - {Aggregate.SUM},
    Source.CONDITION: _TIMES | {Aggregate.DISTINCT},
    Source.MEDICATION: _TIMES | {Aggregate.DISTINCT},
    Source.PROCEDURE: _TIMES | {Aggregate.DISTINCT},
    Source.ENCOUNTER: _TIMES | _VALUES,
}

ALL_OF: Mapping[Source, str] = {
    Source.MEASUREMENT: "measurements",
    Source.CONDITION: "conditions",
    Source.MEDICATION: "medications",
    Source.PROCEDURE: "procedures",
}
"""The name that stands for every fact of a source, mapped to a concept or not."""

PRIOR_STAY = "prior_stay"
ENCOUNTER_KINDS = (PRIOR_STAY, "emergency_visit", "outpatient_visit")
_OWN_NAMES: Mapping[Source, tuple[str, ...]] = {
    Source.DEMOGRAPHICS: ("age_years", "female"),
    Source.ENCOUNTER: ENCOUNTER_KINDS,
    Source.INDEX_STAY: ("length_days", "emergency", "to_facility", "procedures", "conditions", "medications"),
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


@dataclass(frozen=True)
class FeatureSet:
    """Features in the order of their columns.

    Raises :class:`SettingsError` when a feature is not possible or two have the same name.
    """

    name: str
    version: int
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        if not self.features:
            raise SettingsError("A feature set has no feature", name=safe_label(self.name))
        for feature in self.features:
            check_feature(feature, Label("features"))
        twice = [name for name, times in Counter(f.name for f in self.features).items() if times > 1]
        if twice:
            raise SettingsError(
                "Two features of a set have the same name",
                hint="The same concept, aggregate and window occur in two groups",
                key=Label("groups"),
                feature=safe_label(twice[0]),
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def digest(self) -> Digest:
        """Digest of name, version and every feature in order."""
        features: list[JSON] = [feature.as_json() for feature in self.features]
        return digest_json({"name": self.name, "version": self.version, "features": features})

    def without(self, *, concepts: Collection[str] = (), sources: Collection[Source] = ()) -> FeatureSet:
        """The set less the features on these concepts or sources. Raises when nothing is left."""
        kept = tuple(f for f in self.features if f.concept not in concepts and f.source not in sources)
        return FeatureSet(self.name, self.version, kept)

    def about(self) -> dict[str, JSON]:
        """Name, version and digest, as a feature spec records them."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


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
            key=key,
            aggregate=feature.aggregate,
            source=feature.source,
        )
    if feature.source is Source.ENCOUNTER and feature.concept != PRIOR_STAY and feature.aggregate in _VALUES:
        raise SettingsError("Only a prior stay has a value, its length in days", key=key)
    if feature.concept == ALL_OF.get(feature.source) and feature.aggregate in _VALUES:
        raise SettingsError("Facts of different concepts have no common value", key=key)
    if feature.window_days is not None and not 0 < feature.window_days <= LONGEST_WINDOW_DAYS:
        raise SettingsError("A feature's window must be at least one day", key=key)


def is_known(source: Source, concept: str) -> bool:
    """Whether ``concept`` is a name that ``source`` can answer for."""
    if source in _OWN_NAMES:
        return concept in _OWN_NAMES[source]
    if concept == ALL_OF[source]:
        return True
    known = CONCEPTS.get(concept)
    return known is not None and known.kind.value == source.value


class _Group(PolicyRecord):
    source: Source
    concepts: tuple[str, ...] = Field(min_length=1)
    aggregates: tuple[Aggregate, ...] = (Aggregate.VALUE,)
    window_days: tuple[Annotated[int, Field(gt=0, le=LONGEST_WINDOW_DAYS)] | Literal["ever"], ...] = ("ever",)


class _SetFile(PolicyRecord):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    version: int = Field(ge=1)
    title: str = ""
    groups: tuple[_Group, ...] = Field(min_length=1)


def load_feature_set(name_or_file: str | Path) -> FeatureSet:
    """A built-in feature set by name, or one of your own by its YAML file.

    Raises :class:`SettingsError` that names the key at fault: an unknown concept, a window of zero, an
    aggregate that does not fit, two features with one name, an unknown key.
    """
    document = read_policy(_SetFile, name_or_file, BUILT_IN_SETS)
    features: list[Feature] = []
    for place, group in enumerate(document.groups):
        for feature in _expanded(group):
            check_feature(feature, Label(f"groups.{place}"))
            features.append(feature)
    return FeatureSet(document.name, document.version, tuple(features))


def feature_set_from_spec(spec: Mapping[str, JSON]) -> FeatureSet:
    """The feature set that a ``feature_spec.json`` records, so that serving computes what training saw.

    Raises :class:`SettingsError` when the record cannot be read.
    """
    found: FeatureSet | None = None
    try:
        about, rows = spec["feature_set"], spec["features"]
        if isinstance(about, Mapping) and isinstance(rows, list):
            found = FeatureSet(str(about["name"]), int(str(about["version"])), tuple(map(_from_json, rows)))
    except (KeyError, TypeError, ValueError):
        pass
    if found is None:
        raise SettingsError("A feature spec cannot be read", hint="Build the feature table again")
    return found


def _from_json(row: Mapping[str, JSON]) -> Feature:
    window = row["window_days"]
    return Feature(
        name=str(row["name"]),
        source=Source(str(row["source"])),
        concept=str(row["concept"]),
        aggregate=Aggregate(str(row["aggregate"])),
        window_days=None if window is None else int(str(window)),
    )


def _expanded(group: _Group) -> list[Feature]:
    """Every concept × aggregate × window of a group, in that order."""
    found: list[Feature] = []
    for concept in group.concepts:
        for aggregate in group.aggregates:
            for window in group.window_days:
                days = None if window == "ever" else window
                name = _name(group.source, concept, aggregate, days)
                found.append(Feature(name, group.source, concept, aggregate, days))
    return found


def _name(source: Source, concept: str, aggregate: Aggregate, window_days: int | None) -> str:
    if source is Source.DEMOGRAPHICS:
        return concept
    if source is Source.INDEX_STAY:
        return f"index_stay_{concept}"
    window = "ever" if window_days is None else f"{window_days}d"
    return f"{concept}_{aggregate.value}_{window}"


__all__ = [
    "ALL_OF",
    "BUILT_IN_SETS",
    "ENCOUNTER_KINDS",
    "PRIOR_STAY",
    "Aggregate",
    "Feature",
    "FeatureSet",
    "Source",
    "check_feature",
    "feature_set_from_spec",
    "is_known",
    "load_feature_set",
]
