"""All codings of one fact: which concepts they give, and which coding stands for the fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from medcairn.core.concepts import CONCEPTS, Kind, concepts_of, concepts_of_coding

Coding = tuple[str | None, str | None]
"""(system, code)"""


class Coded(NamedTuple):
    """``system`` and ``code`` are those of the first coding that gives a concept, else the first's."""

    system: str | None
    code: str | None
    codings: tuple[Coding, ...]
    concepts: tuple[str, ...]


def coded(codings: Sequence[Coding], kind: Kind | None) -> Coded:
    """Concepts of ``kind`` (None: of every kind) in catalogue order, each once; every coding is kept."""
    if not codings:
        return Coded(None, None, (), ())
    look = _every_kind if kind is None else _of_kind(kind)
    found = [look(system, code) for system, code in codings]
    concepts = sorted({name for names in found for name in names}, key=_places().__getitem__)
    system, code = next((c for c, names in zip(codings, found, strict=True) if names), codings[0])
    return Coded(system, code, tuple(codings), tuple(concepts))


@cache
def _places() -> Mapping[str, int]:
    return {name: place for place, name in enumerate(CONCEPTS)}


def _of_kind(kind: Kind) -> Callable[[str | None, str | None], Sequence[str]]:
    return lambda system, code: concepts_of(system, code, kind) if system and code else ()


def _every_kind(system: str | None, code: str | None) -> Sequence[str]:
    return concepts_of_coding(system, code) if system and code else ()


__all__ = ["Coded", "Coding", "coded"]
