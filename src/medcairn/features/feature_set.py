"""A feature set: YAML in, a checked tuple of single features out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.features.feature import (
    ALL_OF,
    ENCOUNTER_KINDS,
    LONGEST_WINDOW_DAYS,
    PRIOR_STAY,
    Aggregate,
    Feature,
    Source,
    check_feature,
    concepts_behind,
    feature_name,
    is_known,
    reads_index_stay,
)
from medcairn.features.policy_file import PolicyRecord, read_policy, safe_label

BUILT_IN_SETS = Path(__file__).parent / "sets"


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
        """The set less the features on these sources, or that read any of these concepts.

        A score goes when it counts one of the concepts, or reads the index stay and that source goes.
        Raises :class:`SettingsError` when nothing is left.
        """
        gone = frozenset(concepts)
        kept = tuple(
            f
            for f in self.features
            if f.source not in sources
            and not (Source.INDEX_STAY in sources and reads_index_stay(f))
            and f.concept not in gone
            and not concepts_behind(f) & gone
        )
        return FeatureSet(self.name, self.version, kept)

    def about(self) -> dict[str, JSON]:
        """Name, version and digest, as a feature spec records them."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


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
                name = feature_name(group.source, concept, aggregate, days)
                found.append(Feature(name, group.source, concept, aggregate, days))
    return found


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
    "concepts_behind",
    "feature_set_from_spec",
    "is_known",
    "load_feature_set",
]
