"""The functions that recognise: written from the typed tree of a view, and compiled once.

For a view whose first columns are a row's own (see :class:`~medcairn.lakehouse.silver.typed.Recipe`)::

    def function(lines, append):
        for line in lines:
            try:
                if not line.isascii():
                    raise decode_error
                r = decode(line)
            except decode_errors:
                read(line, append)
                continue
            v1 = r.subject
            v2 = None if v1 is None else v1.reference
            ...
            p = get(join((b"0", r.status, r.category, r.code, ...)))
            if p is None:
                read(line, append)
                continue
            t = typed(p, key_Patient[v2], ...)
            if t is not None:
                append(t)

Only names of ours, and attributes that were checked to be names, stand in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias, cast

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.lakehouse.silver.quick_form import (
    ABSENT,
    Decoding,
    Unusual,
    Value,
    chain_of,
    first_steps,
    step_of,
    values_of,
    variable_of,
)
from medcairn.lakehouse.silver.typed import Profile, Recipe, Typed
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.direct.records import attribute
from medcairn.lakehouse.views.direct.source import Source
from medcairn.lakehouse.views.direct.values import Keys, constant
from medcairn.lakehouse.views.plan import ROOT, ViewPlan

Append = Callable[[Typed], None]
Quick = Callable[[Iterable[bytes], Append], None]
"""Types lines."""
Records = Callable[[Iterable[msgspec.Struct], Append], None]
"""Types decoded resources. Raises :class:`Unusual` at one that is not recognised."""
OfRecords: TypeAlias = tuple[type[msgspec.Struct], Records]
"""What resources are decoded to as one tagged type among others, and what types them."""
KeysOf = Callable[[bytes], list[object]]
"""The keys of the values in a line, which is ASCII. Raises msgspec's errors."""

_BETWEEN = b"\xff"
"""Stands between the texts of a key. It is in no text, for they are ASCII."""


def quick_functions(
    plan: ViewPlan, recipe: Recipe, known: Mapping[object, Profile], read: Callable[[bytes, Append], None]
) -> tuple[Quick, KeysOf]:
    """The function that types lines whose keys are ``known`` and leaves the others to ``read``, and the one
    that gives a line's keys.

    Raises :class:`Unusual` where the view is not of the form for it.
    """
    values = values_of(plan.rows)
    if plan.wheres or [value.loop is not None for value in values] not in ([False], [False, True]):
        raise Unusual
    try:
        writer = _Writer(plan, recipe, values)
        quick = writer.types(known, read)
        keys = writer.keys()
    except SettingsError:
        quick = None
    if quick is None:
        raise Unusual
    return quick, keys


def quick_records(plan: ViewPlan, recipe: Recipe, known: Mapping[object, Profile]) -> OfRecords:
    """What types decoded resources whose keys are ``known``.

    Raises :class:`Unusual` where the view is not of the form for it.
    """
    return _Writer(plan, recipe, values_of(plan.rows)).records(known)


class _Writer:
    def __init__(self, plan: ViewPlan, recipe: Recipe, values: Sequence[Value]) -> None:
        self._recipe, self._values, self._kind = recipe, values, plan.resource
        self.own, self.reference = recipe.shared_from, recipe.reference
        self.decoding = Decoding(plan, values, self.own)
        self._decoder = self.decoding.decoder()

    def types(self, known: Mapping[object, Profile], read: Callable[[bytes, Append], None]) -> Quick:
        """The function that types."""
        out = Source("def function(lines, append):")
        out.bind("get", known.get)
        out.bind("read", read)
        out.bind("typed", self._recipe.typed)
        out.bind("errors", (msgspec.DecodeError, RecursionError))
        text = _Text(self, out, ("read(line, append)", "continue"))
        with out.loop("line", "lines"):
            # Texts that are not looked at might be no UTF-8; the view's reader looks at all of the line.
            with out.block("if not line.isascii():"):
                text.give_up()
            with out.block("try:"):
                out.line(f"{ROOT} = decode(line)")
            with out.block("except errors:"):
                text.give_up()
            text.rows(self._begun(out, text))
        return cast("Quick", out.function())

    def records(self, known: Mapping[object, Profile]) -> OfRecords:
        """The type that resources are decoded to, and the function that types them."""
        out = Source("def function(resources, append):")
        out.bind("get", known.get)
        out.bind("typed", self._recipe.typed)
        out.bind("unusual", Unusual)
        self._bind(out)
        with out.loop(ROOT, "resources"):
            _Text(self, out, ("raise unusual",)).rows(self._values)
        return self.decoding.tagged(), cast("Records", out.function())

    def keys(self) -> KeysOf:
        """The function that gives the keys."""
        out = Source("def function(line):")
        text = _Text(self, out, ("return []",))
        out.line(f"{ROOT} = decode(line)")
        text.keys(self._begun(out, text))
        return cast("KeysOf", out.function())

    @staticmethod
    def _bind(out: Source) -> None:
        for name, bound in (("absent", ABSENT), ("some", b"1"), ("join", _BETWEEN.join)):
            out.bind(name, bound)

    def _begun(self, out: Source, text: _Text) -> Sequence[Value]:
        out.bind("decode", self._decoder)
        out.bind("kind", self._kind)
        self._bind(out)
        with out.block(f"if {ROOT}.resourceType != kind:"):
            text.give_up()
        return self._values


class _Text:
    """Writes the body of one function."""

    def __init__(self, writer: _Writer, out: Source, give_up: Sequence[str]) -> None:
        self._writer, self._out, self._give_up = writer, out, give_up
        self._names: dict[object, str] = {}
        self._looping = False

    def give_up(self) -> None:
        """Leaves the line to the view."""
        if self._looping:
            raise Unusual
        for line in self._give_up:
            self._out.line(line)

    def rows(self, values: Sequence[Value]) -> None:
        """The typed rows of all values, handed over when all keys are known."""
        out = self._out
        profile = out.new(f"get({self._key(values[0], 0)})")
        with out.block(f"if {profile} is None:"):
            self.give_up()
        first = f"typed({', '.join((profile, *self._own(values[0])))})"
        if len(values) == 1:
            self._append(out.new(first))
            return
        items = self._items(values[1])
        with out.block(f"if not {items}:"):
            self._append(out.new(first))
            out.line("continue")
        found = out.new(f"[{first}]")
        with self._each(values[1], items):
            profile = out.new(f"get({self._key(values[1], 1)})")
            with out.block(f"if {profile} is None:"):
                out.line("break")
            out.line(f"{found}.append(typed({', '.join((profile, *self._own(values[1])))}))")
        with out.block("else:"):
            row = out.new()
            with out.loop(row, found):
                self._append(row)
            out.line("continue")
        self.give_up()

    def keys(self, values: Sequence[Value]) -> None:
        """The keys of all values, in order."""
        out = self._out
        found = out.new(f"[{self._key(values[0], 0)}]")
        for value in values[1:]:
            items = self._items(value)
            with out.block(f"if {items}:"), self._each(value, items):
                out.line(f"{found}.append({self._key(value, 1)})")
        out.line(f"return {found}")

    def _append(self, row: str) -> None:
        with self._out.block(f"if {row} is not None:"):
            self._out.line(f"append({row})")

    def _items(self, value: Value) -> str:
        assert value.loop is not None
        return self._member(step_of(value.loop.items))

    @contextmanager
    def _each(self, value: Value, items: str) -> Iterator[None]:
        """A loop over the items of a value; what is named in it is forgotten at its end."""
        assert value.loop is not None
        variable, outer = value.loop.variable, self._names
        number = self._out.new("-1")
        with self._out.loop(variable, items):
            self._out.line(f"{number} += 1")
            self._names, self._looping = {**outer, tree.RowIndex(variable): number}, True
            yield
            self._names, self._looping = outer, False

    def _key(self, value: Value, part: int) -> str:
        """What the columns that recur follow from."""
        key: dict[str, None] = {self._out.bind(f"part{part}", str(part).encode()): None}
        for column in value.columns[self._writer.own :]:
            key.update(dict.fromkeys(self._key_parts(column.value)))
        if value.codings is not None:
            key.update(dict.fromkeys(self._texts(value.codings)))
        return f"join(({', '.join(key)}))"

    def _own(self, value: Value) -> list[str]:
        """The names of a row's own columns."""
        cells = [self._own_value(column) for column in value.columns[: self._writer.own]]
        if self._writer.reference is not None:
            with self._out.block(f"if {cells[self._writer.reference]} is not None:"):
                self.give_up()
        return cells

    def _own_value(self, column: tree.Column) -> str:
        node = column.value
        match node:
            case tree.Constant(value, type_name):
                return self._out.constant(constant(value, type_name))
            case tree.RowIndex():
                return self._names[node]
        chain = chain_of(node.base if isinstance(node, tree.ReferenceKey) else node)
        if chain is None or column.collection:
            for text in self._texts(node):
                with self._out.block(f"if {text} is not absent:"):
                    self.give_up()
            return self._out.bind("nothing", []) if column.collection else "None"
        name = self._scalar(chain)
        if isinstance(node, tree.ReferenceKey):
            keys = self._out.bind_once(node.target, "key", lambda: Keys(node.target))
            return self._new(node, f"None if {name} is None else {keys}[{name}]")
        if column.type == "decimal":
            return self._new((node, "number"), f"None if {name} is None else {name} + 0.0")  # -0.0 is 0.0
        return name

    def _key_parts(self, node: tree.Node) -> Iterator[str]:
        """Names of texts that together determine what ``node`` gives."""
        first = next(iter(first_steps(node)), None)
        if first is None or self._writer.decoding.is_text(first):
            yield from self._texts(node)
        elif isinstance(node, tree.Exists):
            yield self._new(node, f"some if {self._member(first)} else absent")
        else:
            name, below = self._member(first), attribute(cast("tree.Step", node).field)
            yield self._new(node, f"absent if {name} is None else {name}.{below}")

    def _texts(self, node: tree.Node) -> Iterator[str]:
        """The JSON texts of the members below which ``node`` looks, which are absent or are not."""
        return (self._member(step) for step in first_steps(node))

    def _scalar(self, chain: Sequence[tree.Step]) -> str:
        name = self._member(chain[0])
        for step in chain[1:]:
            name = self._new(step, f"None if {name} is None else {name}.{attribute(step.field)}")
        return name

    def _member(self, step: tree.Step) -> str:
        return self._new(step, f"{variable_of(step)}.{attribute(step.field)}")

    def _new(self, key: object, text: str) -> str:
        if key not in self._names:
            self._names[key] = self._out.new(text)
        return self._names[key]


__all__ = ["Append", "KeysOf", "OfRecords", "Quick", "Records", "quick_functions", "quick_records"]
