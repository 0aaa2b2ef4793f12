"""The seam between the view compiler and an engine's SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal as OneOf
from typing import Protocol, TypeAlias

MORE_THAN_ONE = "medcairn:more-than-one"
"""What the engine's own error text holds when a view asked for one value and found several."""
NOT_JSON = "medcairn:not-json"
"""What it holds when the text of a resource is not JSON, where the engine's own error would quote it."""


Members: TypeAlias = Mapping[str, "bool | Members"]
"""JSON member → whether it is a list, or the members below it that are asked for."""


class ReadingDialect(Protocol):
    """How JSON is taken apart. ``raw`` is the SQL of one JSON value as the engine keeps it, of any kind."""

    def document(self, json: str, members: Members, digits: Sequence[str]) -> str:
        """The text of a resource, taken apart as by :meth:`opened`.

        Every number that is a member named in ``digits`` gets a second member, of that name and ``#``, that
        holds its digits as they are written, as a string.
        """
        ...

    def opened(self, raw: str, members: Members) -> str:
        """A record of raw members, NULL when ``raw``, a name or a member, is no object.

        A member that is True is a list of raw items, NULL when it is no array; an item may be NULL. One that
        is members itself is a record of these; when it is no object, then NULL or a record of NULLs.
        """
        ...

    def object(self, raw: str) -> str:
        """``raw`` when it is an object, else NULL."""
        ...

    def text(self, raw: str) -> str:
        """The text when ``raw`` is a string, else NULL."""
        ...

    def number(self, raw: str) -> str:
        """The nearest double when ``raw`` is a number that has one, else NULL."""
        ...

    def whole_number(self, raw: str) -> str:
        """The number when ``raw`` is one written without fraction and exponent, in 64 bits, else NULL."""
        ...

    def truth(self, raw: str) -> str:
        """True or false when ``raw`` is that, else NULL."""
        ...

    def walk(self, items: str, variable: str, children: str, keys: Sequence[str]) -> str:
        """All raw objects that can be reached from the list ``items``, a node before its children.

        ``children`` is the list of raw objects below the raw object ``variable``. Every object below another
        stands in a member that is named in ``keys``.
        """
        ...


class Dialect(ReadingDialect, Protocol):
    """Writes SQL text. Arguments named ``items`` are lists, ``value`` is anything; all are SQL text.

    A list expression may be NULL, and then stands for the empty collection.
    """

    def name(self, text: str) -> str:
        """A quoted identifier."""
        ...

    def literal(self, value: str, type_name: str) -> str:
        """A constant of a FHIR type."""
        ...

    def null(self, type_name: str, *, collection: bool = False) -> str:
        """Nothing, typed."""
        ...

    def member(self, value: str, field: str) -> str:
        """A member of a record."""
        ...

    def let(self, value: str, variable: str, body: str) -> str:
        """``body`` with ``variable`` standing for ``value``, which is computed once."""
        ...

    def each(self, items: str, variable: str, body: str) -> str:
        """``body`` for every item, as a list; :meth:`position` may be used in it."""
        ...

    def position(self, variable: str) -> str:
        """The position, from 0, of the item that ``variable`` stands for in :meth:`each`."""
        ...

    def flat(self, lists: str) -> str:
        """A list of lists as one list."""
        ...

    def compact(self, items: str) -> str:
        """The items that are not NULL."""
        ...

    def keep(self, items: str, variable: str, condition: str) -> str:
        """The items for which ``condition`` is true."""
        ...

    def at(self, items: str, index: str) -> str:
        """The item at ``index`` (SQL, from 0), or NULL."""
        ...

    def single(self, items: str) -> str:
        """The only item or NULL; fails with :data:`MORE_THAN_ONE`."""
        ...

    def holds(self, items: str) -> str:
        """Whether the list has an item; never NULL."""
        ...

    def one(self, value: str) -> str:
        """A list of ``value``, empty when that is NULL."""
        ...

    def listed(self, rows: Sequence[str]) -> str:
        """A list of the given values."""
        ...

    def chain(self, lists: Sequence[str]) -> str:
        """One list after the other."""
        ...

    def choose(self, condition: str, then: str, otherwise: str | None = None) -> str:
        """``then`` when ``condition`` is true, else ``otherwise``, or NULL."""
        ...

    def present(self, value: str) -> str:
        """Whether ``value`` is not NULL."""
        ...

    def operation(self, operator: str, left: str, right: str, left_type: str, right_type: str) -> str:
        """A comparison, calculation, or logical operation of three-valued logic."""
        ...

    def negation(self, value: str) -> str:
        """Logical not."""
        ...

    def join(self, items: str, separator: str) -> str:
        """The texts with ``separator`` between them."""
        ...

    def reference_key(self, value: str, target: str | None) -> str:
        """The id in the text of a reference."""
        ...

    def boundary(self, value: str, side: OneOf["low", "high"], type_name: str) -> str:
        """Lowest or highest value that the text ``value`` may stand for."""
        ...

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        """``value`` as the column type of a FHIR type."""
        ...

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        """A record of named values."""
        ...

    def unnest(self, items: str) -> str:
        """One row an item, in a SELECT list."""
        ...


__all__ = ["MORE_THAN_ONE", "NOT_JSON", "Dialect", "Members", "ReadingDialect"]
