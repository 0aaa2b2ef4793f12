"""The seam between the view compiler and an engine's SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal as OneOf
from typing import Protocol

from medcairn.lakehouse.views.shape import Shape

MORE_THAN_ONE = "medcairn:more-than-one"
"""What the engine's own error text holds when a view asked for one value and found several."""


class Dialect(Protocol):
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

    def each(self, items: str, variable: str, body: str) -> str:
        """``body`` for every item, as a list. ``<variable>_i`` in ``body`` is the position, from 1."""
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

    def keep_value(self, value: str, condition: str) -> str:
        """``value`` when ``condition`` is true, else NULL."""
        ...

    def at(self, items: str, index: int) -> str:
        """The item at ``index``, from 0, or NULL."""
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

    def choose(self, condition: str, then: str, otherwise: str) -> str:
        """``then`` when ``condition`` is true, else ``otherwise``."""
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
        """Lowest or highest value that ``value`` may stand for."""
        ...

    def cast(self, value: str, type_name: str, *, collection: bool = False) -> str:
        """``value`` as the column type of a FHIR type."""
        ...

    def record(self, members: Sequence[tuple[str, str]]) -> str:
        """A record of named values."""
        ...

    def parse(self, json: str, shape: Shape) -> str:
        """JSON text read with the pruned schema of ``shape``."""
        ...


__all__ = ["MORE_THAN_ONE", "Dialect"]
