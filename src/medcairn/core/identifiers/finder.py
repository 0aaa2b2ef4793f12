"""Finding identifiers in text with the detectors of ``detectors.yaml``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import cast

import yaml

from medcairn.core.identifiers.checks import CHECKS, Check, value_of
from medcairn.core.identifiers.classes import IdentifierClass

_FRAGMENT = re.compile(r"(?<!\?P)<([a-z]+)>")  # and not the name of a group
_AFTER_CUE = r"[\"’']?[ \t]{0,3}(?:(?:is|was|are)[ \t])?[:#=]{0,2}[ \t]{0,3}[\"’']?"
_ANY_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True)
class Detector:
    """One pattern. ``finds`` and ``spares`` are examples, and a test of it."""

    name: str
    identifier_class: IdentifierClass | None
    pattern: re.Pattern[str]
    check: Check | None
    needs: str
    finds: tuple[str, ...]
    spares: tuple[str, ...]

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it finds something: (start, end) of each."""
        if self.needs and not (_ANY_DIGIT.search(text) if self.needs == "digit" else self.needs in text):
            return
        for match in self.pattern.finditer(text):
            if self.check is None or self.check(match):
                _, start, end = value_of(match)
                yield start, end


@dataclass(frozen=True, order=True)
class Finding:
    """Where in a text an identifier stands, from ``start`` up to ``end``, and of which class it is.

    It holds no value: whoever needs one has the text.
    """

    start: int
    end: int
    identifier_class: IdentifierClass
    detector: str = ""


class IdentifierFinder:
    """Finds identifiers of some classes. What lies within an ``allowed`` pattern is not reported."""

    def __init__(self, detectors: Sequence[Detector], allowed: Sequence[Detector] = ()) -> None:
        self._detectors = tuple(detectors)
        self._allowed = tuple(allowed)

    def find(self, text: str) -> list[Finding]:
        """Every identifier in ``text``, in order, none overlapping another; see :func:`joined`."""
        return joined(self.every(text))

    def every(self, text: str) -> list[Finding]:
        """What each detector finds, in the detectors' order; findings may overlap."""
        found = [
            Finding(start, end, detector.identifier_class, detector.name)
            for detector in self._detectors
            if detector.identifier_class is not None
            for start, end in detector.spans(text)
        ]
        if not found or not self._allowed:
            return found
        allowed = [span for pattern in self._allowed for span in pattern.spans(text)]
        return [
            finding
            for finding in found
            if not any(start <= finding.start and finding.end <= end for start, end in allowed)
        ]


def joined(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order of place, those that overlap made into one that covers them all.

    It has the class of the longest, and of the first given where two are of one length.
    """
    ranked = sorted(
        enumerate(findings), key=lambda item: (item[1].start, item[1].start - item[1].end, item[0])
    )
    result: list[Finding] = []
    longest: Finding | None = None
    for _, finding in ranked:
        if longest is None or finding.start >= result[-1].end:
            result.append(finding)
            longest = finding
            continue
        if finding.end - finding.start > longest.end - longest.start:
            longest = finding
        start, end = result[-1].start, max(result[-1].end, finding.end)
        result[-1] = Finding(start, end, longest.identifier_class, longest.detector)
    return result


def shipped_detectors(classes: Collection[IdentifierClass] | None = None) -> tuple[Detector, ...]:
    """The shipped detectors, all or those of some classes."""
    found = _shipped()["detectors"]
    return tuple(d for d in found if classes is None or d.identifier_class in classes)


def allowed_patterns() -> tuple[Detector, ...]:
    """What looks like an identifier and is none: UUIDs, digests, versions, instants, codes of terms."""
    return _shipped()["allowed"]


@cache
def _shipped() -> Mapping[str, tuple[Detector, ...]]:
    return {
        part: tuple(
            _detector(entry, shipped_fragments())
            for entry in cast("list[Mapping[str, object]]", _content()[part])
        )
        for part in ("detectors", "allowed")
    }


@cache
def _content() -> Mapping[str, object]:
    text = resources.files("medcairn.core.identifiers").joinpath("detectors.yaml").read_text(encoding="utf-8")
    return cast("Mapping[str, object]", yaml.safe_load(text))


def _detector(entry: Mapping[str, object], fragments: Mapping[str, str]) -> Detector:
    pattern = filled(str(entry["pattern"]), fragments)
    if "cue" in entry:
        cue = filled(str(entry["cue"]), fragments)
        pattern = rf"(?<![^\W_])(?i:{cue})(?:(?<=#)|(?!\w)){_AFTER_CUE}(?P<value>{pattern})"
    named = entry.get("class")
    check = entry.get("check")
    return Detector(
        name=str(entry["name"]),
        identifier_class=None if named is None else IdentifierClass(str(named)),
        pattern=re.compile(pattern),
        check=None if check is None else CHECKS[str(check)],
        needs=str(entry.get("needs", "")),
        finds=tuple(cast("list[str]", entry["finds"])),
        spares=tuple(cast("list[str]", entry.get("spares", []))),
    )


def shipped_fragments() -> Mapping[str, str]:
    """The fragments of ``detectors.yaml`` (``<date>``, ``<street>`` …), for rule files of other packages."""
    return cast("Mapping[str, str]", _content()["fragments"])


def filled(pattern: str, fragments: Mapping[str, str]) -> str:
    """``pattern`` with the fragments that it names, and those that they name, in place."""
    result = _FRAGMENT.sub(lambda match: fragments[match[1]], pattern)
    return pattern if result == pattern else filled(result, fragments)


__all__ = [
    "Detector",
    "Finding",
    "IdentifierFinder",
    "allowed_patterns",
    "filled",
    "joined",
    "shipped_detectors",
    "shipped_fragments",
]
