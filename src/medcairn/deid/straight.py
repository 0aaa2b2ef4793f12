"""Changes written out: one function a group of elements, straight-line, without a loop over its elements.

A loop over (name, change) pairs costs more than most changes. So, as :mod:`dataclasses` does for
``__init__``, the source of a function is put together from names that the policy gives, and compiled once::

    def function(value):
        parts = [start, pseudonym(value.id).encode(), quote]
        x = value.category
        if x is not None:
            k = b"" + x
            p = seen2.get(k)
            if p is None:
                p = change2(k, x)
            parts.append(p)
        ...
        return join(parts)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.deid.axis import Span
from medcairn.deid.elements import Element, Transform
from medcairn.deid.memory import Remembered
from medcairn.deid.passage import Passage, Telling

Collect = Callable[[object, Span], None]
Write = Callable[[object], bytes]
Withhold = Callable[[Telling, bytes], bytes]


@dataclass(frozen=True)
class Step:
    """One element: its name in FHIR, the attribute that holds it, and how it is changed."""

    key: str
    attribute: str
    element: Element
    withhold: Withhold | None = None
    """Asked before the element leaves, when the first step's element, which names it, was telling."""
    always: bool = False
    """Whether the change is also asked what to write for an element that is not there."""

    def __post_init__(self) -> None:
        _checked(self.attribute)


def writer(
    resource_type: str, pseudonym: Callable[[str], str], steps: Sequence[Step], passage: Passage
) -> Write:
    """Writes what may leave of a decoded resource as one line."""
    source = [
        "def function(value):\n",
        "    parts = [start, pseudonym(value.id).encode(), quote]\n",
        *_body(steps),
        "    parts.append(end)\n",
        "    return join(parts)\n",
    ]
    start = b'{"resourceType":' + msgspec.json.encode(resource_type) + b',"id":"'
    names = _names(steps, passage) | {"start": start, "pseudonym": pseudonym, "quote": b'"', "end": b"}\n"}
    return cast(Write, _function(source, names))


def changer(steps: Sequence[Step], passage: Passage) -> Transform:
    """Changes a decoded group of elements into JSON; None when nothing of it is left."""
    source = [
        "def function(value):\n",
        "    parts = []\n",
        *_body(steps),
        "    x = join(parts)\n",
        "    return b'{' + x[1:] + b'}' if x else None\n",
    ]
    return cast(Transform, _function(source, _names(steps, passage)))


def _body(steps: Sequence[Step]) -> list[str]:
    guarded = any(step.withhold is not None for step in steps)
    lines = ["    passage.telling = None\n"] if guarded else []
    for n, step in enumerate(steps):
        lines.append(f"    x = value.{step.attribute}\n")
        lines.append("    if True:\n" if step.always else "    if x is not None:\n")
        if step.element.key is None:
            lines.append(f"        y = change{n}(x)\n        p = b'' if y is None else key{n} + y\n")
        elif step.element.seen is None:
            lines.append(f"        k = {step.element.key.value}\n        p = seen{n}.get(k)\n")
            lines.append(f"        if p is None:\n            p = change{n}(k, x)\n")
        else:
            lines.append(f"        y = seen{n}.get({step.element.key.value})\n")
            lines.append(f"        if y is None:\n            y = change{n}(x)\n")
            lines.append(f"        p = b'' if y is None else key{n} + y\n")
        if step.withhold is not None:
            lines.append("        if telling is not None and p:\n")
            lines.append(f"            p = withhold{n}(telling, p)\n")
        lines.append("        parts.append(p)\n")
        if guarded and n == 0:  # a group within this one has a telling of its own
            lines.append("    telling = passage.telling\n")
    return lines


def _names(steps: Sequence[Step], passage: Passage) -> dict[str, object]:
    names: dict[str, object] = {"passage": passage, "join": b"".join}
    for n, step in enumerate(steps):
        key = names[f"key{n}"] = b"," + msgspec.json.encode(step.key) + b":"
        change = step.element.transform or msgspec.json.encode
        names[f"change{n}"], names[f"seen{n}"] = change, step.element.seen
        if step.element.key is not None and step.element.seen is None:
            remembered = Remembered(change, key, passage)
            names[f"change{n}"], names[f"seen{n}"] = remembered, remembered.seen
        names[f"withhold{n}"] = step.withhold
    return names


def collector(steps: Sequence[tuple[str, Collect | None]], note: Collect) -> Collect:
    """Shows the dates of a decoded struct to a span; None stands for a date that is simply noted."""
    source = ["def function(value, span):\n    pass\n"]
    for n, (attribute, collect) in enumerate(steps):
        source.append(f"    x = value.{_checked(attribute)}\n")
        if collect is None:
            source.append("    if x is not None and not span.after_first < x < span.last_text:\n")
            source.append("        note(x, span)\n")
        else:
            source.append(f"    if x is not None:\n        collect{n}(x, span)\n")
    names = {f"collect{n}": collect for n, (_, collect) in enumerate(steps)}
    return cast(Collect, _function(source, names | {"note": note}))


def _checked(name: str) -> str:
    """``name``, when it can be nothing but a name. Raises :class:`SettingsError` otherwise."""
    if not (name.isascii() and name.isidentifier() and name[0].isalpha()):
        raise SettingsError("A policy has an element whose name is none", element=Label("element"))
    return name


def _function(source: Sequence[str], names: Mapping[str, object]) -> Callable[..., object]:
    scope = dict(names)
    exec(compile("".join(source), "<de-identification policy>", "exec"), scope)  # noqa: S102 (checked names)
    return cast("Callable[..., object]", scope["function"])


__all__ = ["Collect", "Step", "Withhold", "Write", "changer", "collector", "writer"]
