"""Typing that recognises what it has read before.

Most of a resource recurs: its status, category and codings are, byte for byte, those of a thousand others. So
of a line only the row's own columns are decoded, and the JSON text of the other members is a key for what
they came to last time. A key that is new, and a line that is in any way unusual, are read by the view itself
(:class:`~medcairn.lakehouse.views.direct.DirectReader`); what that finds is known from then on. The rows are
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from medcairn.lakehouse.silver.quick_form import Unusual
from medcairn.lakehouse.silver.quick_text import KeysOf, OfRecords, Quick, quick_functions, quick_records
from medcairn.lakehouse.silver.typed import Profile, Typed
from medcairn.lakehouse.silver.typer import MOST_PROFILES, Typer
from medcairn.lakehouse.views.definition import parse_view
from medcairn.lakehouse.views.direct import direct_reader
from medcairn.lakehouse.views.plan import plan_view

Append = Callable[[Typed], None]


class QuickTyper:
    """Types resources line by line, as ``typer`` and its view would. One a thread."""

    def __init__(self, typer: Typer) -> None:
        self.table, self.resource_type = typer.table, typer.recipe.resource_type
        self._typer = typer
        plan = plan_view(parse_view(typer.view))
        self._plan, self._reader = plan, direct_reader([plan])
        self._known: dict[object, Profile] = {}
        self._functions: tuple[Quick, KeysOf] | None = None
        with suppress(Unusual):
            self._functions = quick_functions(plan, typer.recipe, self._known, self._read)

    def type(self, lines: Iterable[bytes], append: Append) -> None:
        """Hand the typed rows of the resources in ``lines`` to ``append``, in their order.

        Raises :class:`~medcairn.core.errors.DataError` when a line is no JSON object; nothing of it was
        handed over then, and no later line was taken from ``lines``.
        """
        if self._functions is not None:
            self._functions[0](lines, append)
            return
        for line in lines:
            self._read(line, append)

    def records(self) -> OfRecords | None:
        """What lines may be decoded to instead, as one type among others, and the function that types that
        from what lines have told; None where the view is not of the form for it."""
        if self._functions is None:
            return None
        return quick_records(self._plan, self._typer.recipe, self._known)

    def _read(self, line: bytes, append: Append) -> None:
        """By the view."""
        values = self._typer.values(self._reader.rows(line)[0])
        typed = self._typer.recipe.typed
        for own, profile in values:
            row = typed(profile, *own)
            if row is not None:
                append(row)
        if self._functions is not None and line.isascii():
            self._learn(self._functions[1], line, [profile for _, profile in values])

    def _learn(self, keys_of: KeysOf, line: bytes, profiles: list[Profile]) -> None:
        keys: list[object] = []
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            keys = keys_of(line)
        if len(keys) == len(profiles):
            if len(self._known) >= MOST_PROFILES:
                self._known.clear()
            self._known.update(zip(keys, profiles, strict=True))


__all__ = ["Append", "QuickTyper"]
