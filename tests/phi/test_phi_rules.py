"""The rules by their own examples; the sieve before them; and what they cost at worst."""

from __future__ import annotations

import importlib
import time
from typing import Any

import pytest

from core.test_core_identifiers import marked
from medcairn.core.identifiers import Detector
from medcairn.phi.findings import PHI_CLASS_OF, PhiClass
from medcairn.phi.rules import Rule, shipped_rules
from medcairn.phi.words import taken_apart, vocabulary

RULES = shipped_rules()
EVERY = {
    rule.detector.name: rule for rules in (RULES.by_digits[-1], *RULES.by_word.values()) for rule in rules
}


@pytest.mark.parametrize("rule", EVERY.values(), ids=lambda rule: rule.detector.name)
def test_a_rule_finds_and_spares_what_its_examples_say(rule: Rule) -> None:
    """As written or, for rules of cues, with compound names taken apart; and the sieve lets it through."""
    assert rule.detector.finds
    for example in rule.detector.finds:
        text, spans = marked(example)
        apart = taken_apart(text) if rule.cued else text
        assert spans in (list(rule.detector.spans(text)), list(rule.detector.spans(apart))), example
        assert rule in RULES.worth_trying(text), example
    for example in rule.detector.spares:
        assert list(rule.detector.spans(example)) == [], example


@pytest.mark.parametrize("allowed", RULES.allowed, ids=lambda allowed: allowed.name)
def test_what_is_allowed_by_its_examples(allowed: Detector) -> None:
    for example in allowed.finds:
        text, spans = marked(example)
        assert list(allowed.spans(text)) == spans, example
    for example in allowed.spares:
        assert list(allowed.spans(example)) == [], example


def test_every_class_has_a_rule() -> None:
    classes = {
        PHI_CLASS_OF[r.detector.identifier_class] for r in EVERY.values() if r.detector.identifier_class
    }
    assert classes == set(PhiClass) - {PhiClass.FREE_TEXT}


def test_a_word_that_is_nobody_is_no_frequent_given_name_too() -> None:
    """But for months and such, where the rules ask for more."""
    both = vocabulary().no_names & vocabulary().given
    assert both <= {
        *[
            "april",
            "august",
            "autumn",
            "june",
            "julia",
            "max",
            "summer",
            "claude",
            "jan",
            "may",
            "adam",
            "marco",
            "roberta",
        ]
    }


_SHARED = {"ssn_last_four", "mbi", "email", "mac", "po_box", "city_before_state"}


@pytest.mark.parametrize("name", sorted(set(EVERY) - _SHARED))
def test_every_repetition_of_a_rule_is_bounded(name: str) -> None:
    """So at each place of a text a pattern does at most a constant amount of work: cost grows with length."""
    parser: Any = importlib.import_module("re._parser")
    unbounded = [most for most in _repeats(parser.parse(EVERY[name].detector.pattern.pattern)) if most > 300]
    assert unbounded == [], name


def _repeats(node: Any) -> list[int]:
    """The upper bounds of all repetitions in a parsed pattern."""
    found: list[int] = []
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple) and len(item) == 2 and str(item[0]) in ("MAX_REPEAT", "MIN_REPEAT"):
            found.append(int(item[1][1]))
        if isinstance(item, (list, tuple)) or hasattr(item, "data"):
            waiting.extend(getattr(item, "data", item))
    return found


@pytest.mark.parametrize(
    "piece",
    ["a ", "1 ", "1-", "A ", "Aa ", "a@a.", "1.", "1:", "/a", "patient ", "name: A ", "MRN ", "dob 1"],
)
def test_work_grows_with_the_length_of_a_text_and_not_faster(piece: str) -> None:
    """Four times the text takes far less than sixteen times the processor time, over all rules."""
    size = 6_000

    def work(text: str) -> float:
        begun = time.thread_time()
        for rule in EVERY.values():
            list(rule.detector.spans(text))
        return time.thread_time() - begun

    short = min(work(piece * (size // len(piece))) for _ in range(2))
    long = work(piece * (4 * size // len(piece)))
    assert long < 10 * short + 0.05
