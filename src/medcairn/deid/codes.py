"""When a code is well formed for its system, and so may leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from medcairn.core.errors import SettingsError
from medcairn.core.identifiers.checks import luhn, verhoeff
from medcairn.core.labels import Label
from medcairn.deid.policy import CodeRule

_LOINC = re.compile(r"(?:LA|LP|LL|LG)?([1-9][0-9]{0,6})-([0-9])\Z")
_SNOMED = re.compile(r"[1-9][0-9]{2,14}[01]0[0-9]\Z")

Check = Callable[[str], bool]


def is_loinc(code: str) -> bool:
    """A LOINC code, part, answer or answer list, with its modulus-10 check digit (LOINC Users' Guide, F)."""
    match = _LOINC.match(code)
    return match is not None and luhn(match[1] + match[2])


def is_snomed(code: str) -> bool:
    """A SNOMED CT concept id: 6 to 18 digits, a concept's partition (00 or 10), a Verhoeff check digit."""
    return _SNOMED.match(code) is not None and verhoeff(code)


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
