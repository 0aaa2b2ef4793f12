"""The limits of the gold tables as records, read from ``rules.yaml`` or a file of the same form."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

SCALE = 10_000
"""Values are compared and summed as whole multiples of 1/10,000 of the concept's canonical unit."""

Statistic = Literal["avg", "min", "max"]
_CODE = re.compile(r"[A-Za-z0-9<>_-]{1,40}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\Z")
_WHERE = re.compile(r"`(\$[A-Za-z0-9_.\[\]]*)`\Z")


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what the file holds."""


class Limit(_Record, frozen=True):
    """When a number counts: ``below``, ``above``, ``at_least`` or ``at_most``; any that is given."""

    below: float | None = None
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def bounds(self) -> list[tuple[str, float]]:
        """(sign, bound) of each that is given; a number counts when any comparison holds."""
        signs = ("<", self.below), (">", self.above), (">=", self.at_least), ("<=", self.at_most)
        return [(sign, bound) for sign, bound in signs if bound is not None]

    @property
    def under(self) -> int | None:
        """In 1/:data:`SCALE`: a value less than this counts. None when no lower limit is given."""
        given = [scaled(self.below)] if self.below is not None else []
        given += [scaled(self.at_most) + 1] if self.at_most is not None else []
        return max(given, default=None)

    @property
    def start(self) -> int | None:
        """In 1/:data:`SCALE`: a value of this or more counts. None when no upper limit is given."""
        given = [scaled(self.at_least)] if self.at_least is not None else []
        given += [scaled(self.above) + 1] if self.above is not None else []
        return min(given, default=None)


class SexLimits(_Record, frozen=True):
    """Limits of one laboratory value for one sex, or for both."""

    abnormal: Limit = Limit()
    critical: Limit = Limit()


class LabLimits(SexLimits, frozen=True):
    """Limits of one laboratory value; ``male`` and ``female`` replace the common ones."""

    male: SexLimits | None = None
    female: SexLimits | None = None


class Condition(Limit, frozen=True):
    """One condition: a limit on a concept's statistic, any or all of others, or another flag."""

    concept: str | None = None
    statistic: Statistic = "avg"
    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()
    flag: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether it says exactly one of the four things."""
        kinds = [self.concept is not None, bool(self.any), bool(self.all), self.flag is not None]
        return sum(kinds) == 1 and bool(self.bounds()) == (self.concept is not None)

    def walk(self) -> Iterator[Condition]:
        """This condition and all below it."""
        yield self
        for part in (*self.any, *self.all):
            yield from part.walk()


class Flag(_Record, frozen=True):
    """A flag: any or all of some conditions, and the publication that it follows."""

    source: str
    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()

    @property
    def condition(self) -> Condition:
        """The flag as a condition."""
        return Condition(any=self.any, all=self.all)


class Statuses(_Record, frozen=True):
    """FHIR statuses of medications that are being taken."""

    active_medication: tuple[str, ...]


class Interpretations(_Record, frozen=True):
    """Codes of Observation.interpretation by what they mean."""

    source: str
    normal: tuple[str, ...]
    abnormal: tuple[str, ...]
    critical: tuple[str, ...]


class EncounterClasses(_Record, frozen=True):
    """Codes of Encounter.class by the kind of care."""

    source: str
    inpatient: tuple[str, ...]
    emergency: tuple[str, ...]
    outpatient: tuple[str, ...]


class VitalTrends(_Record, frozen=True):
    """What ``patient_vital_trends`` is made of."""

    concepts: tuple[str, ...]
    flags: Mapping[str, Flag]
    settle_days: int = 0


class LabTrends(_Record, frozen=True):
    """What ``lab_result_trends`` is made of."""

    stable_percent: float
    sources: Mapping[str, str]
    labs: Mapping[str, LabLimits]


class Adherence(_Record, frozen=True):
    """What ``medication_adherence`` is made of."""

    source: str
    period_days: tuple[int, ...]
    adherent_percent: int
    least_fills: int
    least_days: int
    classes: tuple[str, ...]


class Recent(_Record, frozen=True):
    """Concepts and how many days before the index they are looked at."""

    days: int
    concepts: tuple[str, ...]


class ChronicDisease(_Record, frozen=True):
    """What ``chronic_disease_features`` is made of. ``diseases`` maps a column's name to a concept."""

    vitals: Recent
    labs: Recent
    medication_days: int
    encounter_days: int
    polypharmacy: tuple[int, ...]
    diseases: Mapping[str, str]
    flags: Mapping[str, Flag]


class Rules(_Record, frozen=True):
    """All limits of the gold tables."""

    statuses: Statuses
    interpretations: Interpretations
    encounter_classes: EncounterClasses
    vital_trends: VitalTrends
    lab_trends: LabTrends
    adherence: Adherence
    chronic_disease: ChronicDisease


def scaled(value: float) -> int:
    """``value`` in 1/:data:`SCALE`, rounded to the nearest."""
    return round(value * SCALE)


@cache
def shipped_rules() -> Rules:
    """The rules that come with this package."""
    return parse_rules(resources.files(__package__).joinpath("rules.yaml").read_text(encoding="utf-8"))


def read_rules(path: Path) -> Rules:
    """The rules of a file of one's own. Raises :class:`SettingsError` when it cannot be used."""
    text: str | None = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    if text is None:
        raise SettingsError("A file of gold rules cannot be read", hint="Give a UTF-8 YAML file", file=path)
    return parse_rules(text)


def parse_rules(text: str) -> Rules:
    """The rules that ``text`` holds.

    Raises :class:`SettingsError` that names the key when one is unknown, missing, of the wrong form, or
    names no concept of the right kind.
    """
    rules: Rules | None = None
    where = "$"
    try:
        rules = msgspec.convert(yaml.safe_load(text), Rules)
    except msgspec.ValidationError as failure:
        found = _WHERE.search(str(failure))
        where = found.group(1) if found else where
    except yaml.YAMLError:
        pass
    if rules is None:
        raise SettingsError("A file of gold rules does not have the form that is due", key=_key(where))
    _check(rules)
    return rules


def _check(rules: Rules) -> None:
    for key, kind, names in _concepts(rules):
        for name in names:
            if name not in CONCEPTS or CONCEPTS[name].kind is not kind:
                raise SettingsError("A gold rule names no concept of its kind", key=Label(key))
    for key, codes in _codes(rules):
        if not all(_CODE.match(code) for code in codes):
            raise SettingsError("A gold rule holds a code that has not the form of one", key=Label(key))
    for key, wrong in _faults(rules).items():
        if wrong:
            raise SettingsError("A gold rule contradicts itself", key=Label(key))


def _concepts(rules: Rules) -> Iterator[tuple[str, Kind, tuple[str, ...]]]:
    chronic = rules.chronic_disease
    yield "vital_trends.concepts", Kind.MEASUREMENT, rules.vital_trends.concepts
    yield "lab_trends.labs", Kind.MEASUREMENT, tuple(rules.lab_trends.labs)
    yield "adherence.classes", Kind.MEDICATION, rules.adherence.classes
    yield "chronic_disease.vitals", Kind.MEASUREMENT, chronic.vitals.concepts
    yield "chronic_disease.labs", Kind.MEASUREMENT, chronic.labs.concepts
    yield "chronic_disease.diseases", Kind.CONDITION, tuple(chronic.diseases.values())


def _codes(rules: Rules) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "statuses.active_medication", rules.statuses.active_medication
    for name in ("normal", "abnormal", "critical"):
        yield f"interpretations.{name}", getattr(rules.interpretations, name)
    for name in ("inpatient", "emergency", "outpatient"):
        yield f"encounter_classes.{name}", getattr(rules.encounter_classes, name)


def _faults(rules: Rules) -> dict[str, bool]:
    chronic, adherence = rules.chronic_disease, rules.adherence
    days = (chronic.vitals.days, chronic.labs.days, chronic.medication_days, chronic.encounter_days)
    both = set(chronic.vitals.concepts) & set(chronic.labs.concepts)
    return {
        "vital_trends.settle_days": rules.vital_trends.settle_days < 0,
        "vital_trends.flags": not _flags_hold(rules.vital_trends.flags, set(rules.vital_trends.concepts)),
        "lab_trends.stable_percent": not 0 <= rules.lab_trends.stable_percent <= 100,
        "adherence.period_days": not adherence.period_days or min(adherence.period_days) <= 0,
        "adherence.adherent_percent": not 0 < adherence.adherent_percent <= 100,
        "chronic_disease": min(days) <= 0 or bool(both) or not all(map(_NAME.match, chronic.diseases)),
        "chronic_disease.flags": not _flags_hold(
            chronic.flags, {*chronic.vitals.concepts, *chronic.labs.concepts}
        ),
    }


def _flags_hold(flags: Mapping[str, Flag], concepts: set[str]) -> bool:
    """Whether every flag is sound, looks at known concepts, and at flags that stand before it."""
    seen: set[str] = set()
    for name, flag in flags.items():
        parts = list(flag.condition.walk())
        if not _NAME.match(name) or not all(part.is_sound for part in parts):
            return False
        if {part.flag for part in parts if part.flag} - seen:
            return False
        if {part.concept for part in parts if part.concept} - concepts:
            return False
        seen.add(name)
    return True


def _key(text: str) -> Label:
    """The place in the file, or a word for one that has not the form of a name."""
    bare = text.removeprefix("$").removeprefix(".")
    return Label(bare) if re.match(r"[A-Za-z0-9_.\[\]]{1,120}\Z", bare) else Label("file")


__all__ = [
    "SCALE",
    "Adherence",
    "ChronicDisease",
    "Condition",
    "EncounterClasses",
    "Flag",
    "Interpretations",
    "LabLimits",
    "LabTrends",
    "Limit",
    "Recent",
    "Rules",
    "SexLimits",
    "Statistic",
    "Statuses",
    "VitalTrends",
    "parse_rules",
    "read_rules",
    "scaled",
    "shipped_rules",
]
