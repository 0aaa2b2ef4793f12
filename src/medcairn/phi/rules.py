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
_WORD = re.compile(r"[a-z]+")
_MOST_DIGITS = 15


@dataclass(frozen=True)
class Rule:
    """A detector and what a text must hold before it is tried: a length, digits, a mark, one of some words."""

    detector: Detector
    shortest: int
    digits: int
    mark: str
    times: int
    words: frozenset[str]
    cued: bool

    def suits(self, text: str) -> bool:
        """Whether a text is long enough and holds the mark as often as it must."""
        return len(text) >= self.shortest and (not self.mark or text.count(self.mark) >= self.times)


@dataclass(frozen=True)
class Rules:
    """All rules, and what is allowed although it looks like an identifier.

    ``by_digits`` holds, for each number of digits, the rules that need no word and no more digits.
    """

    by_digits: tuple[tuple[Rule, ...], ...]
    by_word: Mapping[str, tuple[Rule, ...]]
    allowed: tuple[Detector, ...]

    def worth_trying(self, text: str) -> list[Rule]:
        """The rules whose detector can find something in ``text``, by what it holds; none for most texts."""
        digits = min(len(_NOT_A_DIGIT.sub("", text)), _MOST_DIGITS)
        return [rule for rule in self.by_digits[digits] if rule.suits(text)] + self._by_words(text, digits)

    def worth_trying_under_cues(self, text: str) -> list[Rule]:
        """Those of them that look for a value under a cue."""
        digits = min(len(_NOT_A_DIGIT.sub("", text)), _MOST_DIGITS)
        return [rule for rule in self._by_words(text, digits) if rule.cued]

    def _by_words(self, text: str, digits: int) -> list[Rule]:
        words = self.by_word.keys() & set(_WORD.findall(text.casefold()))
        if not words:
            return []
        rules = dict.fromkeys(rule for word in words for rule in self.by_word[word])
        return [rule for rule in rules if digits >= rule.digits and rule.suits(text)]


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
    wordless = [rule for rule in rules if not rule.words]
    return Rules(
        by_digits=tuple(
            tuple(rule for rule in wordless if rule.digits <= digits) for digits in range(_MOST_DIGITS + 1)
        ),
        by_word={
            word: tuple(rule for rule in rules if word in rule.words)
            for word in sorted({word for rule in rules for word in rule.words})
        },
        allowed=tuple(allowed),
    )


def _rule(detector: Detector, entry: Mapping[str, object]) -> Rule:
    return Rule(
        detector=detector,
        shortest=cast("int", entry.get("shortest", 0)),
        digits=cast("int", entry.get("digits", 0)),
        mark=cast("str", entry.get("mark", "")),
        times=cast("int", entry.get("times", 1)),
        words=frozenset(cast("list[str]", entry.get("words", []))),
        cued=bool(entry.get("cued", False)),
    )


def _detector(entry: Mapping[str, object], fragments: Mapping[str, str]) -> Detector:
    pattern = filled(cast("str", entry["pattern"]), fragments)
    if "cue" in entry:
        # A cue is a word of its own, where "_" is no letter; its value may follow at once: mrn4711.
        pattern = (
            rf"(?<![^\W_])(?i:{entry['cue']})(?:(?<=#)|(?![^\W\d_])){fragments['after']}(?P<value>{pattern})"
        )
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
