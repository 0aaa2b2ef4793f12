"""The detectors of ``rules.yaml``, compiled once, and the sieve that spares most texts all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

from medcairn.core.identifiers import (
    Detector,
    IdentifierClass,
    allowed_patterns,
    filled,
    shipped_detectors,
    shipped_fragments,
)
from medcairn.phi.checks import PHI_CHECKS
from medcairn.phi.words import shipped

_NOT_A_DIGIT = re.compile(r"[^0-9]+")


@dataclass(frozen=True)
class Rule:
    """A detector and what a text must hold before it is tried: digits, a mark, one of some triggers."""

    detector: Detector
    digits: int
    marks: str
    triggers: tuple[str, ...]
    cued: bool


@dataclass(frozen=True)
class Rules:
    """All rules, and what is allowed although it looks like an identifier."""

    every: tuple[Rule, ...]
    allowed: tuple[Detector, ...]
    triggers: tuple[str, ...]

    def worth_trying(self, text: str, *, only_cued: bool = False) -> list[Detector]:
        """The detectors that can find something in ``text``, by what it holds; none for most texts."""
        digits = len(_NOT_A_DIGIT.sub("", text))
        small = text.casefold()
        present = {trigger for trigger in self.triggers if trigger in small}
        return [
            rule.detector
            for rule in self.every
            if digits >= rule.digits
            and (rule.cued or not only_cued)
            and (not rule.marks or rule.marks in text)
            and (not rule.triggers or not present.isdisjoint(rule.triggers))
        ]


@cache
def shipped_rules() -> Rules:
    """The rules of ``rules.yaml``."""
    content = shipped("rules.yaml")
    fragments = {**shipped_fragments(), **cast("dict[str, str]", content["fragments"])}
    shared = cast("dict[str, dict[str, object]]", content["shared"])
    known = {detector.name: detector for detector in shipped_detectors()}
    rules = [_rule(known[name], entry) for name, entry in shared.items()]
    rules += [
        _rule(_detector(entry, fragments), entry)
        for entry in cast("list[dict[str, object]]", content["detectors"])
    ]
    allowed = [one for one in allowed_patterns() if one.name in cast("list[str]", content["shared_allowed"])]
    allowed += [_detector(entry, fragments) for entry in cast("list[dict[str, object]]", content["allowed"])]
    triggers = {trigger for rule in rules for trigger in rule.triggers}
    return Rules(tuple(rules), tuple(allowed), tuple(sorted(triggers)))


def _rule(detector: Detector, entry: Mapping[str, object]) -> Rule:
    return Rule(
        detector=detector,
        digits=cast("int", entry.get("digits", 0)),
        marks=cast("str", entry.get("marks", "")),
        triggers=tuple(cast("list[str]", entry.get("triggers", []))),
        cued=bool(entry.get("cued", False)),
    )


def _detector(entry: Mapping[str, object], fragments: Mapping[str, str]) -> Detector:
    pattern = filled(cast("str", entry["pattern"]), fragments)
    if "cue" in entry:
        # A cue is a word of its own, where "_" is no letter; its value may follow at once: mrn4711.
        pattern = rf"(?<![^\W_])(?i:{entry['cue']})(?![^\W\d_]){fragments['after']}(?P<value>{pattern})"
    named, check = entry.get("class"), entry.get("check")
    return Detector(
        name=cast("str", entry["name"]),
        identifier_class=None if named is None else IdentifierClass(cast("str", named)),
        pattern=re.compile(pattern),
        check=None if check is None else PHI_CHECKS[cast("str", check)],
        needs="",
        finds=tuple(cast("list[str]", entry["finds"])),
        spares=tuple(cast("list[str]", entry.get("spares", []))),
    )


__all__ = ["Rule", "Rules", "shipped_rules"]
