"""The typed tree's expressions as lines of Python.

A single value becomes a local name, None when there is nothing. A collection becomes nested loops around
what is to be done with each item, and is only put into a list where the list itself is asked for. What is
read with its digits (decimals under a boundary) is text until it is used as a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.direct import values
from medcairn.lakehouse.views.direct.nodes import Groups, field_of, is_text_of_number, item_of
from medcairn.lakehouse.views.direct.operations import operation
from medcairn.lakehouse.views.direct.reading import Field, Reading
from medcairn.lakehouse.views.direct.records import attribute, opener
from medcairn.lakehouse.views.direct.source import Item, Scope, Source
from medcairn.lakehouse.views.elements import TEMPORALS
from medcairn.lakehouse.views.shape import Form

Use = Callable[[str, Scope], None]
"""Writes what is done with one item, given its name."""


class Expressions:
    """Writes expressions into one function.

    ``groups`` are the members read together, see :func:`groups_in`; ``walked`` the readings of what repeats
    walk, by type.
    """

    def __init__(self, out: Source, groups: Groups, walked: Mapping[str, Reading]) -> None:
        self._out = out
        self._groups = groups
        self._walked = walked
        for name, function in values.FUNCTIONS.items():
            out.bind(name, function)

    def value(self, node: tree.Node, scope: Scope) -> str:
        """The name of a single value, as a Python object of its column's type."""
        name = self._native(node, scope)
        if not is_text_of_number(node, scope) or name == "None":
            return name
        return self._once(("number", node), scope, f"None if {name} is None else number({name})")

    def each(self, node: tree.Node, scope: Scope, use: Use) -> None:
        """Loops over the items of ``node``, in order."""
        if not is_text_of_number(node, scope):
            self.items(node, scope, use)
            return

        def use_number(name: str, inner: Scope) -> None:
            use(self._out.new(f"number({name})"), inner)

        self.items(node, scope, use_number)

    def items(self, node: tree.Node, scope: Scope, use: Use) -> None:
        """As :meth:`each`, for items that expressions of their own stand on."""
        self._each(node, scope, use, "")

    def items_or(self, node: tree.Node, scope: Scope, use: Use, none: Callable[[], None]) -> None:
        """As :meth:`items`; ``none`` writes what is done when there is no item."""
        plain = self._plain_list(node, scope)
        if plain is not None and plain != "None":
            self.items(node, scope, use)
            with self._out.block("else:"):
                none()
            return
        none_yet = self._out.new("True")

        def use_noted(name: str, inner: Scope) -> None:
            self._out.line(f"{none_yet} = False")
            use(name, inner)

        self.items(node, scope, use_noted)
        with self._out.block(f"if {none_yet}:"):
            none()

    def collected(self, node: tree.Node, scope: Scope) -> str:
        """The name of a list of the items of ``node``."""
        known = scope.recall(("list", node))
        if known is not None:
            return known
        found = self._out.new("[]")
        self.each(node, scope, lambda name, _: self._out.line(f"{found}.append({name})"))
        scope.known["list", node] = found
        return found

    def only(self, node: tree.Node, scope: Scope) -> str:
        """The name of the only item of ``node``; the text raises when there are several."""
        if not node.many:
            return self.value(node, scope)
        known = scope.recall(("only", node))
        if known is None:
            known = scope.known["only", node] = self._alone(lambda use: self.each(node, scope, use))
        return known

    def _alone(self, loop: Callable[[Use], None]) -> str:
        """The name of the one item that ``loop`` comes by."""
        found = self._out.new("None")

        def use(name: str, inner: Scope) -> None:
            with self._out.block(f"if {found} is not None:"):
                self._out.line("raise several()")
            self._out.line(f"{found} = {name}")

        loop(use)
        return found

    def _native(self, node: tree.Node, scope: Scope) -> str:
        match node:
            case tree.Context(variable):
                return scope.item(variable).name
            case tree.Constant(value, type_name):
                return self._out.constant(values.constant(value, type_name))
            case tree.Nothing():
                return "None"
            case tree.RowIndex(variable):
                return scope.position(variable)
        known = scope.recall(node)
        if known is None:
            known = self._written(node, scope)
            scope.known[node] = known
        return known

    def _once(self, key: object, scope: Scope, text: str) -> str:
        known = scope.recall(key)
        if known is None:
            known = scope.known[key] = self._out.new(text)
        return known

    def _written(self, node: tree.Node, scope: Scope) -> str:
        new = self._out.new
        match node:
            case tree.Step():
                return self._step(node, scope)
            case tree.Where():
                return self._where(node, scope)
            case tree.Item():
                return self._item(node, scope)
            case tree.Single(base):
                return self._alone(lambda use: self.items(base, scope, use))
            case tree.Exists(base):
                return self._exists(base, scope)
            case tree.Not(base):
                name = self.value(base, scope)
                return new(f"None if {name} is None else not {name}")
            case tree.Operation():
                return self._operation(node, scope)
            case tree.Join(base, separator):
                items = self.collected(base, scope)
                return new(f"{self._out.constant(separator)}.join({items})")
            case tree.ReferenceKey(base, target):
                name = self.value(base, scope)
                return new(f"None if {name} is None else {self._key(target)}[{name}]")
            case tree.Boundary(base, side, type_name):
                name = self._digits(base, scope) if type_name == "decimal" else self._native(base, scope)
                return new(f"None if {name} is None else {side}_{_boundary_of(type_name)}({name})")
        raise AssertionError("a node of the tree that is not known here")

    def _digits(self, node: tree.Node, scope: Scope) -> str:
        if isinstance(node, tree.Constant):
            return self._out.constant(node.value)
        return self._native(node, scope)

    def _key(self, target: str | None) -> str:
        return self._out.bind(f"key_{target or ''}", values.Keys(target))

    def _step(self, node: tree.Step, scope: Scope) -> str:
        """A field of a single object."""
        base = self._native(node.base, scope)
        if base == "None":
            return "None"
        if isinstance(node.base, tree.Context):
            return self._out.new(self._taken(node, base, scope))
        self._unpack(node.base, base, scope)
        return scope.known[node]

    def _unpack(self, node: tree.Node, name: str, scope: Scope) -> list[str]:
        """Takes all fields that a view reads of the object ``name``, so that it is tested for None once.

        What lies below a field is taken with it. Gives the names that are None when ``name`` is.
        """
        names: list[str] = []
        with self._out.block(f"if {name} is not None:"):
            for part in self._groups[node]:
                if isinstance(part, tree.Step):
                    text = self._taken(part, name, scope)
                else:
                    text = _at(name, part.index)
                names.append(self._out.new(text))
                scope.known[part] = names[-1]
                if part in self._groups and (not part.many or self._plain_list(part, scope)):
                    names += self._unpack(part, names[-1], scope)
        with self._out.block("else:"):
            self._out.line(f"{' = '.join(names)} = None")
        return names

    def _taken(self, node: tree.Step, base: str, scope: Scope) -> str:
        """The text that takes a field out of the object named ``base``."""
        field = field_of(node, scope)
        if field is None:
            return "None"
        if field.form is Form.WHOLE:
            return base
        text = f"{base}.{attribute(field.member)}"
        if field.form is Form.PAIRS:
            more = f"{base}.{attribute(field.more)}" if field.more else "None"
            read = "digits" if field.source.raw else "None"
            return f"{'pairs' if node.repeats else 'pair'}({text}, {more}, {read})"
        read = "" if node.repeats else self._opener(field)
        return f"{read}({text})" if read else text

    def _opener(self, field: Field) -> str:
        """The name of the function that makes of decoded JSON text what the field gives; empty for none."""
        if field.only and field.below is not None:
            return self._out.bind_once(field, "only", lambda: opener(cast("Reading", field.below)))
        return "digits" if field.is_digits else ""

    def _where(self, node: tree.Where, scope: Scope) -> str:
        base = self._native(node.base, scope)
        found = self._out.new("None")
        with self._out.block(f"if {base} is not None:"):
            inner = self._with_item(node, base, scope.inner(), scope)
            with self._out.block(f"if {self.value(node.criterion, inner)}:"):
                self._out.line(f"{found} = {base}")
        return found

    def _with_item(self, node: tree.Where, name: str, inner: Scope, scope: Scope) -> Scope:
        inner.items[node.variable] = item_of(name, node.base, scope)
        return inner

    def _item(self, node: tree.Item, scope: Scope) -> str:
        base, index = node.base, node.index
        plain = self._plain_list(base, scope)
        if plain is not None:
            return self._out.new(_at(plain, index))
        if index > 0:
            found = self._out.new("[]")
            self._each(base, scope, lambda name, _: self._out.line(f"{found}.append({name})"), "")
            return self._out.new(f"{found}[{index}] if len({found}) > {index} else None")
        found = self._out.new("None")

        def use(name: str, inner: Scope) -> None:
            self._out.line(f"{found} = {name}")
            self._out.line("break")

        self._each(base, scope, use, f"{found} is not None")
        return found

    def _exists(self, base: tree.Node, scope: Scope) -> str:
        if not base.many:
            return self._out.new(f"{self._native(base, scope)} is not None")
        plain = self._plain_list(base, scope)
        if plain is not None:
            return self._out.new(f"True if {plain} else False")
        found = self._out.new("False")

        def use(name: str, inner: Scope) -> None:
            self._out.line(f"{found} = True")
            self._out.line("break")

        self._each(base, scope, use, found)
        return found

    def _plain_list(self, node: tree.Node, scope: Scope) -> str | None:
        """The name of the list that a member is, when its items need no look."""
        if isinstance(node, tree.Step) and node.repeats and not node.base.many:
            field = field_of(node, scope)
            if field is None or field.form is Form.PAIRS or not (self._opener(field) or field.source.aligned):
                return self._native(node, scope)
        return None

    def _each(self, node: tree.Node, scope: Scope, use: Use, stop: str) -> None:
        match node:
            case tree.Step() if node.many:
                self._each_member(node, scope, use, stop)
            case tree.Where() if node.many:
                self._each_kept(node, scope, use, stop)
            case tree.ReferenceKey(base, target) if node.many:

                def use_key(name: str, inner: Scope) -> None:
                    key = self._out.new(f"{self._key(target)}[{name}]")
                    with self._out.block(f"if {key} is not None:"):
                        use(key, inner)

                self._each(base, scope, use_key, stop)
            case tree.Nothing():
                pass
            case tree.Repeat():
                self._each_found(node, scope, use)
            case _:
                # One pass of a loop, so that whoever is satisfied may break out of it.
                name = self._native(node, scope)
                single = self._out.new()
                with self._out.loop(single, f"() if {name} is None else ({name},)"):
                    use(single, scope.inner())

    def _each_member(self, node: tree.Step, scope: Scope, use: Use, stop: str) -> None:
        if not node.base.many:
            self._each_in(self._native(node, scope), node, scope, use)
            return

        def use_base(base: str, inner: Scope) -> None:
            member = self._out.new(self._taken(node, base, scope))
            if node.repeats:
                self._each_in(member, node, inner, use)
                if stop:
                    with self._out.block(f"if {stop}:"):
                        self._out.line("break")
            else:
                with self._out.block(f"if {member} is not None:"):
                    use(member, inner)

        self._each(node.base, scope, use_base, stop)

    def _each_in(self, items: str, node: tree.Step, scope: Scope, use: Use) -> None:
        if items == "None":
            return
        field = field_of(node, scope)
        read, gaps = "", False
        if field is not None and field.form is not Form.PAIRS:
            read, gaps = self._opener(field), field.source.aligned
        name = self._out.new()
        with self._out.block(f"if {items}:"), self._out.loop(name, items):
            if read:
                self._out.line(f"{name} = {read}({name})")
            if not (read or gaps):
                use(name, scope.inner())
                return
            with self._out.block(f"if {name} is not None:"):
                use(name, scope.inner())

    def _each_found(self, node: tree.Repeat, scope: Scope, use: Use) -> None:
        """Gathers what a repeat finds, parents before children, and then loops over it."""
        found, gather, item = self._out.new("[]"), self._out.new(), self._out.new()

        def gathered(name: str, _: Scope) -> None:
            self._out.line(f"{gather}({name})")

        with self._out.function_block(f"def {gather}({item}):"):
            self._out.line(f"{found}.append({item})")
            below = scope.inner()
            below.items[node.variable] = Item(item, None, self._walked[node.type])
            for following in node.next:
                self._each(following, below, gathered, "")
        for first in node.first:
            self._each(first, scope, gathered, "")
        name = self._out.new()
        with self._out.loop(name, found):
            use(name, scope.inner())

    def _each_kept(self, node: tree.Where, scope: Scope, use: Use, stop: str) -> None:
        def use_base(name: str, inner: Scope) -> None:
            self._with_item(node, name, inner, scope)
            with self._out.block(f"if {self.value(node.criterion, inner)}:"):
                use(name, inner)

        self._each(node.base, scope, use_base, stop)

    def _operation(self, node: tree.Operation, scope: Scope) -> str:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        return self._out.new(operation(node, left, right, self._out.constant(node.operator)))


def _at(items: str, index: int) -> str:
    """The item at a place of a list that may be None."""
    holds = items if index == 0 else f"{items} and len({items}) > {index}"
    return f"{items}[{index}] if {holds} else None"


def _boundary_of(type_name: str) -> str:
    return type_name if type_name in TEMPORALS else "decimal"


__all__ = ["Expressions", "Use"]
