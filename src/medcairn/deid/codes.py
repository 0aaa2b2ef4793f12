"""When a code is well formed for its system, and so may leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.deid.policy import CodeRule

_LOINC = re.compile(r"(?:LA|LP|LL|LG)?([1-9][0-9]{0,6})-([0-9])\Z")
_SNOMED = re.compile(r"[1-9][0-9]{2,14}[01]0[0-9]\Z")

_VERHOEFF_PRODUCT = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)

Check = Callable[[str], bool]


def is_loinc(code: str) -> bool:
    """A LOINC code, part, answer or answer list, with its modulus-10 check digit (LOINC Users' Guide, F)."""
    match = _LOINC.match(code)
    if match is None:
        return False
    total = 0
    for place, digit in enumerate(reversed(match[1])):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return (10 - total % 10) % 10 == int(match[2])


def is_snomed(code: str) -> bool:
    """A SNOMED CT concept id: 6 to 18 digits, a concept's partition (00 or 10), a Verhoeff check digit."""
    if not _SNOMED.match(code):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = _VERHOEFF_SHIFT[value]
        check = _VERHOEFF_PRODUCT[check][value]
    return check == 0


_FORMS: Mapping[str, Check] = {"loinc": is_loinc, "snomed": is_snomed}


def compile_rule(system: str, rule: CodeRule) -> Check:
    """The check that a rule of the policy stands for. Raises :class:`SettingsError` for a rule of none."""
    if rule.form is not None and rule.form in _FORMS:
        return _FORMS[rule.form]
    if rule.pattern is not None:
        pattern = re.compile(rule.pattern, re.ASCII)
        return lambda code: pattern.fullmatch(code) is not None
    if rule.codes:
        return rule.codes.__contains__
    raise SettingsError("A code system of a policy has no rule", system=Label(system))


def compile_rules(rules: Mapping[str, CodeRule]) -> dict[str, Check]:
    """The checks of all allow-listed systems, by system URI."""
    return {system: compile_rule(system, rule) for system, rule in rules.items()}


__all__ = ["Check", "compile_rule", "compile_rules", "is_loinc", "is_snomed"]
