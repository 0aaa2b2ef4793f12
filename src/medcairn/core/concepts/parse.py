"""Reads one concept file: YAML of concept name → entry. README.md lists the keys."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias, Union

import yaml

from medcairn.core.concepts.concept import Coding, Concept, Kind, Unit
from medcairn.core.concepts.systems import SNOMED, SYSTEMS
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_CODES = frozenset({*SYSTEMS, *(f"{name}_prefix" for name in SYSTEMS)})
_KEYS = frozenset({"title", "members", "snomed_of", *_CODES})
_UNIT_KEYS = frozenset(
    {"unit", "units", "decimals", "plausible", "molar_mass", "valence", "unit_when_absent", "answers"}
)
_RANGE = re.compile(r"([A-Z])([0-9][0-9.]*)-([A-Z])([0-9][0-9.]*)\Z")

# libyaml's loader where PyYAML was built with it: ten times as fast. Every scalar stays text: 1.0 and 1E2
# may be codes.
LOADER: type = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

Yaml: TypeAlias = Union[str, list["Yaml"], dict[str, "Yaml"]]


def parse_concepts(text: str, kind: Kind, known: Mapping[str, Concept] | None = None) -> dict[str, Concept]:
    """The concepts of one YAML file, in its order. ``known`` are concepts that it may refer to.

    Raises :class:`SettingsError` that names the concept at fault.
    """
    document: object = None
    broken = False
    try:
        document = yaml.load(text, Loader=LOADER)  # noqa: S506 -- a loader of plain text
    except yaml.YAMLError:
        broken = True
    if broken or not isinstance(document, dict):
        raise SettingsError("A concept file is not a YAML mapping", kind=kind)
    found: dict[str, Concept] = {}
    seen = dict(known or {})
    for name, entry in document.items():
        label = _label(name, kind)
        seen[label] = found[label] = _concept(label, entry, kind, seen)
    return found


def _label(name: str, kind: Kind) -> Label:
    label: Label | None = None
    with contextlib.suppress(ValueError):
        label = Label(name)
    if label is None:
        raise SettingsError("A concept's name is not a plain name", kind=kind)
    return label


def _concept(name: Label, entry: Yaml, kind: Kind, known: Mapping[str, Concept]) -> Concept:
    allowed = _KEYS | _UNIT_KEYS if kind is Kind.MEASUREMENT else _KEYS
    if not isinstance(entry, dict) or not set(entry) <= allowed:
        raise SettingsError("A concept has a key that is not known", concept=name)
    members = tuple(_known(other, name, kind, known) for other in _texts(entry.get("members")))
    codes, prefixes = _codings(entry, name)
    shared = (_known(other, name, kind, known) for other in _texts(entry.get("snomed_of")))
    codes += [c for member in members for c in member.codes]
    codes += [c for other in shared for c in other.codes if c[0] == SNOMED]
    prefixes += [p for member in members for p in member.prefixes]
    unit = str(entry["unit"]) if "unit" in entry else None
    low, high = _bounds(entry.get("plausible"), name)
    valence = _optional(entry, "valence", name)
    return Concept(
        name=name,
        title=str(entry.get("title", "")),
        kind=kind,
        codes=tuple(dict.fromkeys(codes)),
        prefixes=tuple(dict.fromkeys(prefixes)),
        members=tuple(member.name for member in members),
        canonical_unit=unit,
        units=_units(unit, entry.get("units"), name) if unit is not None else (),
        decimals=int(_optional(entry, "decimals", name) or 0),
        low=low,
        high=high,
        molar_mass=_optional(entry, "molar_mass", name),
        valence=None if valence is None else int(valence),
        unit_when_absent=str(entry["unit_when_absent"]) if "unit_when_absent" in entry else None,
        answers=_answers(entry.get("answers"), name),
    )


def _codings(entry: Mapping[str, Yaml], concept: Label) -> tuple[list[Coding], list[Coding]]:
    """The entry's own codes and prefixes, each once."""
    codes = [(uri, code) for short, uri in SYSTEMS.items() for code in _texts(entry.get(short))]
    prefixes = [
        (uri, code)
        for short, uri in SYSTEMS.items()
        for item in _texts(entry.get(f"{short}_prefix"))
        for code in _range(item, concept)
    ]
    if len(set(codes)) != len(codes) or len(set(prefixes)) != len(prefixes):
        raise SettingsError("A concept contradicts itself", hint="It lists a code twice", concept=concept)
    return codes, prefixes


def _bounds(entry: Yaml | None, concept: Label) -> tuple[float | None, float | None]:
    texts = _texts(entry)
    return (_number(texts[0], concept), _number(texts[1], concept)) if len(texts) == 2 else (None, None)


def _optional(entry: Mapping[str, Yaml], key: str, concept: Label) -> float | None:
    return _number(str(entry[key]), concept) if key in entry else None


def _known(name: str, concept: Label, kind: Kind, known: Mapping[str, Concept]) -> Concept:
    other = known.get(name)
    if other is None or other.kind is not kind:
        raise SettingsError(
            "A concept refers to one that is not known",
            hint="List what it refers to above it, and of the same kind",
            concept=concept,
        )
    return other


def _range(item: str, concept: Label) -> Iterable[str]:
    """``C00-C26`` is C00, C01, … C26; ``I42.5-I42.9`` is I42.5, … I42.9. Anything else is itself."""
    match = _RANGE.match(item)
    if match is None:
        return (item,)
    letter, first, other, last = match.groups()
    head, dot, low = first.rpartition(".")
    width = len(low)
    same = letter == other and last.rpartition(".")[:2] == (head, dot) and len(last) == len(first)
    if not same or int(low) >= int(last[-width:]):
        raise SettingsError("A range of codes does not go up", concept=concept)
    return (f"{letter}{head}{dot}{n:0{width}d}" for n in range(int(low), int(last[-width:]) + 1))


def _units(canonical: str, entry: Yaml | None, concept: Label) -> tuple[Unit, ...]:
    found = [Unit(canonical, 1.0, 0.0)]
    for name, rule in (entry if isinstance(entry, dict) else {}).items():
        factor, offset = ([*_texts(rule), "0"] if isinstance(rule, list) else [str(rule), "0"])[:2]
        found.append(Unit(name, _number(factor, concept), _number(offset, concept)))
    return tuple(found)


def _answers(entry: Yaml | None, concept: Label) -> tuple[tuple[Coding, float], ...]:
    found: dict[Coding, float] = {}
    for short, answers in (entry if isinstance(entry, dict) else {}).items():
        if short not in SYSTEMS or not isinstance(answers, dict):
            raise SettingsError("A concept has a key that is not known", concept=concept)
        found |= {(SYSTEMS[short], code): _number(str(number), concept) for code, number in answers.items()}
    return tuple(found.items())


def _texts(entry: Yaml | None) -> list[str]:
    return [str(item) for item in entry] if isinstance(entry, list) else []


def _number(text: str, concept: Label) -> float:
    """A decimal number or a quotient of two."""
    value: float | None = None
    top, _, bottom = text.partition("/")
    with contextlib.suppress(ValueError, ZeroDivisionError):
        value = float(top) / float(bottom or "1")
    if value is None:
        raise SettingsError("A concept has a number that cannot be read", concept=concept)
    return value


__all__ = ["LOADER", "parse_concepts"]
