"""One rule of a configuration: where it applies, by which method, with which settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from medcairn.core.errors import SettingsError
from medcairn.core.fhirpath import Call, Literal, Name
from medcairn.core.fhirpath import Path as Expression
from medcairn.core.labels import Label
from medcairn.core.r4 import PRIMITIVES, element_of, type_table
from medcairn.deid.ms_compat.expressions import parse_expression

GENERAL = frozenset({"", "Resource", "DomainResource"})
"""A path that begins with none of the types, or with one of these, is for resources of every type."""

_TYPE = re.compile(r"([A-Z][a-zA-Z]*)?\.?(.*)", re.DOTALL)
_MOST_PLACES = 28


class Method(StrEnum):
    """What a rule does, as configurations name it."""

    KEEP = "keep"
    REDACT = "redact"
    DATE_SHIFT = "dateShift"
    CRYPTO_HASH = "cryptoHash"
    ENCRYPT = "encrypt"
    SUBSTITUTE = "substitute"
    PERTURB = "perturb"
    GENERALIZE = "generalize"


@dataclass(frozen=True)
class Substitution:
    """What is put in place: an object for a complex element, else a text, number or truth value."""

    replace_with: object


@dataclass(frozen=True)
class Noise:
    """Uniform noise of width ``span`` around zero, ``proportional`` to the value or not, then rounding."""

    span: Decimal
    proportional: bool
    round_to: int


@dataclass(frozen=True)
class Cases:
    """Condition and result, in order; what meets no condition is kept or removed."""

    cases: tuple[tuple[Expression, Expression], ...]
    keep_others: bool


Settings: TypeAlias = Substitution | Noise | Cases | None


@dataclass(frozen=True)
class Rule:
    """``index`` counts from 0 as in the file. ``expression`` None means the resource itself."""

    index: int
    resource_type: str
    expression: Expression | None
    method: Method
    settings: Settings = None

    def applies_to(self, resource_type: str) -> bool:
        """Whether the rule is for resources of the type."""
        return self.resource_type in GENERAL or self.resource_type == resource_type

    @property
    def has_target(self) -> bool:
        """False when the R4 table shows that no resource can have what the rule's path names.

        Such a rule protects nothing; a misspelt element is the usual cause. Only plain paths are judged.
        """
        if self.resource_type not in GENERAL and self.resource_type not in type_table():
            return False
        names: list[str] = []
        path = self.expression
        while isinstance(path, Name):
            names.insert(0, path.name)
            path = path.base
        types = {"DomainResource" if self.resource_type in GENERAL else self.resource_type}
        if isinstance(path, Call) and path.name == "nodesByType" and isinstance(path.arguments[0], Literal):
            types = {path.arguments[0].value}
        elif path is not None or (names and names[0][0].isupper()):
            return True
        return bool(_types_at(types, names))


def read_rule(index: int, found: object) -> Rule:
    """A rule out of the file. Raises :class:`SettingsError` with the rule's index (from 0)."""
    error: SettingsError | None = None
    try:
        return _rule(index, found)
    except SettingsError as failure:
        error = failure
    error.fields = {"rule": index, **error.fields}
    raise error


def _rule(index: int, found: object) -> Rule:
    if not isinstance(found, Mapping) or not all(
        isinstance(found.get(key), str) for key in ("path", "method")
    ):
        raise SettingsError("A rule needs a path and a method")
    method = {one.value.lower(): one for one in Method}.get(found["method"].lower())
    if method is None:
        raise SettingsError(
            "A rule has a method that is not supported",
            hint="Known: " + ", ".join(one.value for one in Method),
        )
    match = _TYPE.fullmatch(found["path"].strip())
    assert match is not None  # every part is optional
    expression = parse_expression(match[2]) if match[2] else None
    if expression is None and not match[1]:
        raise SettingsError("A rule's path is empty")
    return Rule(index, match[1] or "", expression, method, _settings(method, found))


def _settings(method: Method, found: Mapping[str, object]) -> Settings:
    extra: dict[Method, frozenset[str]] = {
        Method.SUBSTITUTE: frozenset({"replaceWith"}),
        Method.PERTURB: frozenset({"span", "rangeType", "roundTo"}),
        Method.GENERALIZE: frozenset({"cases", "otherValues"}),
    }
    for key in found.keys() - {"path", "method"} - extra.get(method, frozenset()):
        raise SettingsError("A rule has a key that its method does not know", key=_label(key))
    match method:
        case Method.SUBSTITUTE:
            if "replaceWith" not in found:
                raise SettingsError("A substitute rule needs replaceWith")
            return Substitution(found["replaceWith"])
        case Method.PERTURB:
            return _noise(found)
        case Method.GENERALIZE:
            return _cases(found)
        case _:
            return None


def _noise(found: Mapping[str, object]) -> Noise:
    span, places = found.get("span"), found.get("roundTo", 2)
    range_type = str(found.get("rangeType", "fixed")).lower()
    if isinstance(span, bool) or not isinstance(span, (int, Decimal)) or span < 0:
        raise SettingsError("A perturb rule needs a span of zero or more")
    if isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= _MOST_PLACES:
        raise SettingsError("A perturb rule's roundTo is a whole number from 0 to 28")
    if range_type not in ("fixed", "proportional"):
        raise SettingsError("A perturb rule's rangeType is fixed or proportional")
    return Noise(Decimal(span), range_type == "proportional", places)


def _cases(found: Mapping[str, object]) -> Cases:
    cases, others = found.get("cases"), str(found.get("otherValues", "redact")).lower()
    if not isinstance(cases, Mapping) or not all(isinstance(result, str) for result in cases.values()):
        raise SettingsError("A generalize rule needs cases: an object of conditions and results")
    if others not in ("redact", "keep"):
        raise SettingsError("A generalize rule's otherValues is redact or keep")
    parsed = ((parse_expression(condition), parse_expression(result)) for condition, result in cases.items())
    return Cases(tuple(parsed), others == "keep")


def _types_at(types: set[str], names: list[str]) -> set[str]:
    """The types that a plain path leads to; empty when there is no such element."""
    for name in names:
        found = [element for type_name in types if (element := element_of(type_name, name)) is not None]
        types = {one for element in found for one in element.choices or (element.type,)}
    return {one for one in types if one in PRIMITIVES or one in type_table()}


def _label(text: str) -> Label:
    try:
        return Label(text)
    except ValueError:
        return Label("unprintable")


__all__ = ["GENERAL", "Cases", "Method", "Noise", "Rule", "Settings", "Substitution", "read_rule"]
