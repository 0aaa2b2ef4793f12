"""The catalogue: every concept file beside this module, read on first use, and the look-up by code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from medcairn.core.concepts.concept import Concept, Kind
from medcairn.core.concepts.parse import parse_concepts
from medcairn.core.concepts.systems import plain_code, system_of
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_FILES: Mapping[Kind, tuple[str, ...]] = {
    Kind.MEASUREMENT: (
        "vital_signs",
        "chemistry",
        "metabolism",
        "haematology",
        "coagulation",
        "heart",
        "hormones",
        "blood_gas",
        "urine",
        "questionnaires",
    ),
    Kind.CONDITION: ("conditions", "acute_conditions", "charlson", "elixhauser"),
    Kind.MEDICATION: ("medications", "medication_classes"),
    Kind.PROCEDURE: ("procedures",),
    Kind.IMMUNIZATION: ("immunizations",),
    Kind.ALLERGY: ("allergies",),
}
"""File names in the order of the catalogue. A file may refer to concepts of its kind in files before it."""


class _Catalogue(Mapping[str, Concept]):
    """The concepts by name; the files are read when the first one is asked for."""

    def __getitem__(self, name: str) -> Concept:
        return _concepts()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_concepts())

    def __len__(self) -> int:
        return len(_concepts())

    def __repr__(self) -> str:
        return f"<catalogue of {len(self)} concepts>"


CONCEPTS: Mapping[str, Concept] = _Catalogue()
"""Every concept by name, in the order of the files. Raises :class:`SettingsError` for a broken file."""


@cache
def _concepts() -> Mapping[str, Concept]:
    folder = resources.files(__package__).joinpath("value_sets")
    found: dict[str, Concept] = {}
    for kind, files in _FILES.items():
        for file in files:
            text = folder.joinpath(f"{file}.yaml").read_text(encoding="utf-8")
            concepts = parse_concepts(text, kind, found)
            if found.keys() & concepts.keys():
                raise SettingsError("Two concept files define the same name", kind=kind)
            found.update(concepts)
    _refuse_shared_measurements(found)
    return found


def _refuse_shared_measurements(concepts: Mapping[str, Concept]) -> None:
    """A measurement code has one meaning; conditions and combination drugs may have several."""
    seen: set[tuple[str, str]] = set()
    for concept in concepts.values():
        if concept.kind is Kind.MEASUREMENT:
            if seen & set(concept.codes):
                raise SettingsError("Two measurements share a code", concept=concept.name)
            seen |= set(concept.codes)


@dataclass(frozen=True)
class _Index:
    """Places in the catalogue by (kind, system, plain code); ``longest`` prefix of each kind and system."""

    names: tuple[Label, ...]
    exact: Mapping[tuple[Kind, str, str], list[int]]
    prefixes: Mapping[tuple[Kind, str, str], list[int]]
    longest: Mapping[tuple[Kind, str], int]


@cache
def _index() -> _Index:
    exact: dict[tuple[Kind, str, str], list[int]] = {}
    prefixes: dict[tuple[Kind, str, str], list[int]] = {}
    longest: dict[tuple[Kind, str], int] = {}
    concepts = tuple(_concepts().values())
    for place, concept in enumerate(concepts):
        for system, code in concept.codes:
            exact.setdefault((concept.kind, system, plain_code(system, code)), []).append(place)
        for system, prefix in concept.prefixes:
            plain = plain_code(system, prefix)
            prefixes.setdefault((concept.kind, system, plain), []).append(place)
            key = (concept.kind, system)
            longest[key] = max(longest.get(key, 0), len(plain))
    return _Index(tuple(concept.name for concept in concepts), exact, prefixes, longest)


@lru_cache(maxsize=65_536)
def concepts_of(system: str, code: str, kind: Kind) -> tuple[Label, ...]:
    """Names of the concepts of ``kind`` that the code belongs to, in catalogue order.

    Dots in ICD codes, leading zeros in CVX codes and other spellings of the system's URI do not matter.
    """
    index = _index()
    system = system_of(system)
    plain = plain_code(system, code)
    places = set(index.exact.get((kind, system, plain), ()))
    for length in range(1, min(len(plain), index.longest.get((kind, system), 0)) + 1):
        places.update(index.prefixes.get((kind, system, plain[:length]), ()))
    return tuple(index.names[place] for place in sorted(places))


def concepts_of_coding(system: str, code: str) -> tuple[Label, ...]:
    """Names of the concepts of every kind that the code belongs to, in catalogue order."""
    return tuple(name for kind in Kind for name in concepts_of(system, code, kind))


__all__ = ["CONCEPTS", "concepts_of", "concepts_of_coding"]
