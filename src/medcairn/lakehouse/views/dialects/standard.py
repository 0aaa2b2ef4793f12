"""The SQL that every engine understands alike, on the few words that each has of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar
from typing import Literal as OneOf

from medcairn.lakehouse.views.dialects import texts
from medcairn.lakehouse.views.elements import INTEGERS, TEMPORALS


class StandardSql(ABC):
    """The methods of :class:`~medcairn.lakehouse.views.dialects.dialect.Dialect` that are the same text on
    every engine; a dialect adds the others."""

    text_type: ClassVar[str]
    """The engine's type of texts."""

    @abstractmethod
    def name(self, text: str) -> str:
        """As the dialect's."""

    @abstractmethod
    def let(self, value: str, variable: str, body: str) -> str:
        """As the dialect's."""

    @abstractmethod
    def record(self, members: Sequence[tuple[str, str]]) -> str:
        """As the dialect's."""

    @abstractmethod
    def quoted(self, text: str) -> str:
        """A text constant."""

    @abstractmethod
    def joined(self, *values: str) -> str:
        """Texts one behind the other."""

    @abstractmethod
    def matches(self, value: str, pattern: str) -> str:
        """Whether all of a text is of that form."""

    @abstractmethod
    def groups(self, value: str, pattern: str, names: Sequence[str]) -> str:
        """A record of the pattern's groups, empty texts where all of ``value`` is not of that form."""

    @abstractmethod
    def moment(self, value: str) -> str:
        """A text of day and time as the same instant in UTC, any other as it is."""

    @abstractmethod
    def calculated(self, operator: str, left: str, right: str, *, whole: bool) -> str:
        """A calculation of numbers; NULL when its result is none, or, if ``whole``, needs over 64 bits."""

    def column_type(self, type_name: str) -> str:
        """The engine's type for a FHIR type."""
        if type_name == "boolean":
            return "BOOLEAN"
        if type_name in INTEGERS:
            return "BIGINT"
        return "DOUBLE" if type_name == "decimal" else self.text_type

    def literal(self, value: str, type_name: str) -> str:
        if type_name == "boolean":
            return "TRUE" if value == "true" else "FALSE"
        if type_name in INTEGERS or type_name == "decimal":
            return f"CAST({self.quoted(value)} AS {self.column_type(type_name)})"
        return self.quoted(value)

    def member(self, value: str, field: str) -> str:
        return f"{value}.{self.name(field)}"

    def choose(self, condition: str, then: str, otherwise: str | None = None) -> str:
        return f"CASE WHEN {condition} THEN {then} ELSE {otherwise or 'NULL'} END"

    def present(self, value: str) -> str:
        return f"({value} IS NOT NULL)"

    def negation(self, value: str) -> str:
        return f"(NOT {value})"

    def operation(self, operator: str, left: str, right: str, left_type: str, right_type: str) -> str:
        if operator in ("and", "or"):
            return f"({left} {operator.upper()} {right})"
        kinds = {left_type, right_type}
        if operator in "+-*/" and kinds <= INTEGERS | {"decimal"}:
            return self.calculated(operator, left, right, whole=kinds <= INTEGERS and operator != "/")
        if operator == "+":
            return f"({self.joined(left, right)})"
        if "decimal" in kinds:
            left, right = f"CAST({left} AS DOUBLE)", f"CAST({right} AS DOUBLE)"
        elif kinds & TEMPORALS:
            return self._by_precision(operator, left, right)
        return f"({left} {operator} {right})"

    def _by_precision(self, operator: str, left: str, right: str) -> str:
        shorter = "least(length(x.a), length(x.b))"
        cut = f"left(x.a, {shorter}) {operator} left(x.b, {shorter})"
        same = f"length(x.a) = length(x.b) OR left(x.a, {shorter}) <> left(x.b, {shorter})"
        moments = self.record([("a", self.moment(left)), ("b", self.moment(right))])
        return self.let(moments, "x", f"CASE WHEN {same} THEN {cut} END")

    def boundary(self, value: str, side: OneOf["low", "high"], type_name: str) -> str:
        if type_name == "decimal":
            found = self._decimal_boundary(side)
        elif type_name == "time":
            found = f"CASE WHEN {self.matches('x', texts.CLOCK)} THEN {self._clock_boundary('x', side)} END"
        elif type_name == "date":
            found = self._date_boundary("x", side)
        else:
            found = self._instant_boundary(side)
        return self.let(value, "x", found)

    def _decimal_boundary(self, side: str) -> str:
        sign = "-" if side == "low" else "+"
        half = self.joined("'0.'", "repeat('0', length(split_part(x, '.', 2)))", "'5'")
        exact = f"CAST(x AS DECIMAL(37, 14)) {sign} CAST({half} AS DECIMAL(37, 14))"
        # By way of text, so that the double is the nearest one.
        number = f"CAST(CAST({exact} AS {self.text_type}) AS DOUBLE)"
        return f"CASE WHEN {self.matches('x', texts.DIGITS)} THEN {number} END"

    def _date_boundary(self, value: str, side: str) -> str:
        year = self.joined(value, "'-01-01'" if side == "low" else "'-12-31'")
        first_day = self.joined(value, "'-01'")
        first = f"try_cast({first_day} AS DATE)"
        day = "'01'" if side == "low" else f"CAST(day(last_day({first})) AS {self.text_type})"
        any_day = self.joined(value, "'-'", day)
        month = f"CASE WHEN {first} IS NOT NULL THEN {any_day} END"
        forms = ((texts.DAY, value), (texts.MONTH, month), (texts.YEAR, year))
        return texts.cases([(self.matches(value, form), found) for form, found in forms])

    def _clock_boundary(self, value: str, side: str) -> str:
        second, fraction = (":00", "0") if side == "low" else (":59", "9")
        return texts.cases(
            [
                (f"length({value}) = 5", self.joined(value, f"'{second}.{fraction * 3}'")),
                (f"length({value}) = 8", self.joined(value, f"'.{fraction * 3}'")),
                (f"length({value}) < 12", f"rpad({value}, 12, '{fraction}')"),
            ],
            value,
        )

    def _instant_boundary(self, side: str) -> str:
        parts = self.groups("x", f"({texts.DAY})T({texts.CLOCK})({texts.ZONE})?", ("day", "clock", "zone"))
        zone, midnight = ("+14:00", "T00:00:00.000") if side == "low" else ("-12:00", "T23:59:59.999")
        clock = self._clock_boundary("p.clock", side)
        timed = self.joined("p.day", "'T'", clock, f"coalesce(nullif(p.zone, ''), '{zone}')")
        untimed = self.joined(self._date_boundary("x", side), f"'{midnight}{zone}'")
        return self.let(parts, "p", f"CASE WHEN p.day <> '' THEN {timed} ELSE {untimed} END")


__all__ = ["StandardSql"]
