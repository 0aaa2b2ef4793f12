"""Straight-line Python put together line by line, and compiled once.

Only names of ours stand in the text: local variables, attributes that :func:`~.records.attribute` has
checked, and names that are bound to the view's constants. No text of a view or of data enters it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from medcairn.core.errors import SettingsError
from medcairn.lakehouse.views.direct.reading import Field, Reading

_MOST_LOOPS = 18
"""Python compiles at most 20 loops within each other. The plan's own limit lets more through: it counts lists
and iterations apart, and an iteration over a single value (``forEach: $this``) is a loop, but no list."""


@dataclass(frozen=True)
class Item:
    """What a variable of the tree is called in the text, and how what it stands for was read."""

    name: str
    field: Field | None
    reading: Reading | None


@dataclass
class Scope:
    """What is known at a place in the text: variables, and values that are already there under a name."""

    items: dict[str, Item] = dataclasses.field(default_factory=dict)
    positions: dict[str, str] = dataclasses.field(default_factory=dict)
    known: dict[object, str] = dataclasses.field(default_factory=dict)
    outer: Scope | None = None

    def inner(self) -> Scope:
        """The scope of a block within this one; what it learns is forgotten at its end."""
        return Scope(outer=self)

    def item(self, variable: str) -> Item:
        """The item that ``variable`` stands for."""
        scope: Scope | None = self
        while scope is not None:
            if variable in scope.items:
                return scope.items[variable]
            scope = scope.outer
        raise AssertionError("a variable stands outside its iteration")

    def position(self, variable: str | None) -> str:
        """The position of the item of ``variable`` among its like, from 0."""
        scope: Scope | None = self
        while scope is not None and variable is not None:
            if variable in scope.positions:
                return scope.positions[variable]
            scope = scope.outer
        return "0"

    def recall(self, key: object) -> str | None:
        """The name under which a value is already there."""
        scope: Scope | None = self
        while scope is not None:
            if key in scope.known:
                return scope.known[key]
            scope = scope.outer
        return None


class Source:
    """The text of one function."""

    def __init__(self, head: str) -> None:
        self._lines = [head]
        self._depth = 1
        self._loops = 0
        self._count = 0
        self._bound: dict[str, object] = {}
        self._made: dict[object, str] = {}
        self._constants: dict[tuple[type, object], str] = {}

    def line(self, text: str) -> None:
        """One line at the present depth."""
        self._lines.append(" " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """``head`` with the lines that follow under it."""
        self.line(head)
        self._depth += 1
        mark = len(self._lines)
        yield
        if len(self._lines) == mark:
            self.line("pass")
        self._depth -= 1

    @contextmanager
    def function_block(self, head: str) -> Iterator[None]:
        """A function within the function, where loops are counted anew."""
        loops, self._loops = self._loops, 0
        with self.block(head):
            yield
        self._loops = loops

    @contextmanager
    def loop(self, name: str, items: str) -> Iterator[None]:
        """A loop over ``items``. Raises :class:`SettingsError` when too many lie within each other."""
        if self._loops >= _MOST_LOOPS:
            raise SettingsError("A view steps through too many lists within each other", most=_MOST_LOOPS)
        self._loops += 1
        with self.block(f"for {name} in {items}:"):
            yield
        self._loops -= 1

    def new(self, text: str | None = None) -> str:
        """A fresh local name; with ``text`` also the line that assigns it."""
        self._count += 1
        name = f"v{self._count}"
        if text is not None:
            self.line(f"{name} = {text}")
        return name

    def bind(self, name: str, value: object) -> str:
        """``name``, which stands for ``value`` in the text."""
        self._bound[name] = value
        return name

    def bind_once(self, key: object, prefix: str, make: Callable[[], object]) -> str:
        """A name for what ``make`` gives; the same for the same ``key``."""
        if key not in self._made:
            self._made[key] = self.bind(f"{prefix}{len(self._made)}", make())
        return self._made[key]

    def constant(self, value: str | float | bool) -> str:
        """The name of a constant."""
        if isinstance(value, (bool, int)):
            return repr(value) if value is True or value is False or value >= 0 else f"({value})"
        key = (type(value), value)
        if key not in self._constants:
            self._constants[key] = self.bind(f"c{len(self._constants)}", value)
        return self._constants[key]

    def function(self) -> Callable[..., object]:
        """The function, compiled."""
        scope = dict(self._bound)
        text = "\n".join([*self._lines, "" if len(self._lines) > 1 else " pass", ""])
        exec(compile(text, "<view>", "exec"), scope)  # noqa: S102 (see the module's docstring)
        return cast("Callable[..., object]", scope["function"])


__all__ = ["Item", "Scope", "Source"]
