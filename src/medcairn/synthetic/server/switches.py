"""The faults by name, as the command line and a file of settings give them: ``rate-limit=2``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.synthetic.server.faults import ALWAYS, Faults, Gzip, KickOffBy, Phase, Redirect

_CHOICES: dict[str, type[StrEnum]] = {"kick_off": KickOffBy, "redirect": Redirect, "gzip": Gzip}
_FORMS = {
    "count": "[=N]",
    "number": "=N",
    "flag": "",
    "words": "=A,B",
    "phases": "=A,B",
    "text": "=TEXT",
    "choice": "=WORD",
}


@dataclass(frozen=True)
class Switch:
    """One fault: its name with the form of its value, and what it does."""

    name: str
    form: str
    text: str


def switches() -> list[Switch]:
    """All faults, in the order of :class:`Faults`."""
    return [
        Switch(item.name.replace("_", "-"), _FORMS[item.metadata["kind"]], item.metadata["text"])
        for item in fields(Faults)
    ]


def read_faults(texts: Iterable[str]) -> Faults:
    """The faults of ``NAME`` or ``NAME=VALUE`` texts. A count without a value, or ``always``, never passes.

    Raises :class:`UsageError` for a name that is none, one given twice, and a value that it cannot take.
    """
    kinds: dict[str, str] = {item.name: item.metadata["kind"] for item in fields(Faults)}
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        field = name.strip().replace("-", "_")
        if field not in kinds:
            raise UsageError("There is no such fault", hint="`medcairn hospital faults` lists them")
        read = _read(field, kinds[field], value if equals else None)
        if read is None or field in given:
            raise UsageError(
                "A fault is given twice, or has a value that it cannot take",
                hint="`medcairn hospital faults` shows the form of each",
                fault=Label(field.replace("_", "-")),
            )
        given[field] = read
    return Faults(**given)


def _read(name: str, kind: str, value: str | None) -> object:
    """The value of a switch, None when it is none."""
    if kind == "count":
        return ALWAYS if value in (None, "always") else _number(value)
    if kind == "flag":
        return True if value in (None, "true") else None
    if kind == "text":
        return value
    if not value:
        return None
    if kind == "number":
        return _number(value)
    if kind == "words":
        return frozenset(value.split(","))
    if kind == "phases":
        words = value.split(",")
        return frozenset(Phase(word) for word in words) if set(Phase).issuperset(words) else None
    choices = _CHOICES[name]
    return choices(value) if value in set(choices) else None


def _number(text: str | None) -> int | None:
    """A number, with K, M or G for thousands, millions or thousands of millions."""
    text = text or ""
    scale = {"K": 1_000, "M": 1_000_000, "G": 1_000_000_000}.get(text[-1:].upper(), 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.removeprefix("-").isdecimal() or len(digits) > 15:
        return None
    return int(digits) * scale


__all__ = ["Switch", "read_faults", "switches"]
