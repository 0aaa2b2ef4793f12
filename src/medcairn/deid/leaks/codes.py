"""Codes that are well formed for a system, checked here on our own: by chance one is a patient's number."""

from __future__ import annotations

import re

from medcairn.deid.policy import CodeRule, Vocabulary

_LOINC = re.compile(r"(?:L[APGL])?([0-9]{1,7})-([0-9])")
_SNOMED = re.compile(r"[1-9][0-9]{5,17}")
_CONCEPTS = ("00", "10")
_LONGEST_BY_PATTERN = 10


class Codes:
    """The systems of a policy, and which codes of them are public."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._rules = vocabulary.systems

    def public(self, system: object, code: str) -> bool:
        """Whether ``code`` is well formed for ``system``, when that is listed.

        A system whose rule is only a pattern is trusted for codes of ten marks and fewer, so that a careless
        pattern hides no identifier of a usual length.
        """
        rule = self._rules.get(system) if isinstance(system, str) else None
        return rule is not None and _fits(rule, code)


def _fits(rule: CodeRule, code: str) -> bool:
    if rule.form == "loinc":
        return _is_loinc(code)
    if rule.form == "snomed":
        return _is_snomed(code)
    if rule.pattern is not None:
        return len(code) <= _LONGEST_BY_PATTERN and re.fullmatch(rule.pattern, code, re.ASCII) is not None
    return code in rule.codes


def _is_loinc(code: str) -> bool:
    """The modulus-10 check digit, as in a payment card's number (LOINC Users' Guide, appendix F)."""
    match = _LOINC.fullmatch(code)
    if match is None:
        return False
    doubled = [int(digit) * 2 for digit in match[1][::-2]]
    others = [int(digit) for digit in match[1][-2::-2]]
    total = sum(value // 10 + value % 10 for value in doubled) + sum(others)
    return (total + int(match[2])) % 10 == 0


def _is_snomed(code: str) -> bool:
    """A concept's partition and the check digit after Verhoeff, computed in the dihedral group of ten."""
    if not _SNOMED.fullmatch(code) or code[-3:-1] not in _CONCEPTS:
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _product(check, _permuted(int(digit), place))
    return check == 0


def _product(a: int, b: int) -> int:
    """Rotations are 0 to 4, reflections 5 to 9."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def _permuted(digit: int, times: int) -> int:
    for _ in range(times % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


__all__ = ["Codes"]
