"""The word lists of ``words.yaml`` and what ``rules.yaml`` says of words, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import cast

import yaml

from medcairn.phi.findings import PhiClass

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Near:
    """What ties a date to a person, and what makes it the border of a cohort. For small letters."""

    person: re.Pattern[str]
    border: re.Pattern[str]


@dataclass(frozen=True)
class Vocabulary:
    """All words that the guard knows, in small letters."""

    grammar: frozenset[str]
    narrative: re.Pattern[str]
    no_names: frozenset[str]
    given: frozenset[str]
    family: frozenset[str]
    near: Near
    columns: Mapping[str, PhiClass]
    shown_keys: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """The shipped vocabulary."""
    words, rules = shipped("words.yaml"), shipped("rules.yaml")
    phrases = sorted(cast("list[str]", words["narrative"]), key=len, reverse=True)
    near = cast("dict[str, str]", rules["near_a_person"])
    columns = cast("dict[str, list[str]]", rules["columns"])
    return Vocabulary(
        grammar=_listed(words["grammar"]),
        narrative=re.compile(rf"(?<![\w/])(?:{'|'.join(map(re.escape, phrases))})(?![\w/])"),
        no_names=_listed(words["no_names"]),
        given=_listed(words["given"]),
        family=_listed(words["family"]),
        near=Near(re.compile(near["person"]), re.compile(near["border"])),
        columns={name: PhiClass(kind) for kind, names in columns.items() for name in names},
        shown_keys=frozenset(cast("list[str]", rules["shown_keys"])),
    )


def key_words(key: str) -> str:
    """A key as words in small letters: ``patientBirthDate`` and ``PATIENT.birth-date`` are one."""
    return _NO_WORD.sub(" ", _CAMEL.sub(" ", key)).strip().casefold()


def taken_apart(text: str) -> str:
    """A text with its compound names taken apart: ``auc_patientId_4711`` is ``auc patient Id 4711``."""
    return _CAMEL.sub(" ", text).replace("_", " ")


def column_class(name: str) -> PhiClass | None:
    """What a column of this name holds, where the name alone tells."""
    return vocabulary().columns.get(key_words(name[:100]))


@cache
def shipped(file: str) -> Mapping[str, object]:
    """The content of a YAML file of this package."""
    text = resources.files("medcairn.phi").joinpath(file).read_text(encoding="utf-8")
    return cast("Mapping[str, object]", yaml.safe_load(text))


def _listed(value: object) -> frozenset[str]:
    return frozenset(cast("str", value).split())


__all__ = ["Near", "Vocabulary", "column_class", "key_words", "shipped", "taken_apart", "vocabulary"]
