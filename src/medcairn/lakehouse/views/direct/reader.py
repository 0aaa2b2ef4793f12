"""Views run directly: each line is decoded once, and generated Python makes the rows of every view of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from medcairn.core.errors import DataError, SettingsError
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.compiled import CompiledView, compile_view
from medcairn.lakehouse.views.direct.reading import read_together
from medcairn.lakehouse.views.direct.records import record_of
from medcairn.lakehouse.views.direct.rows import rows_of
from medcairn.lakehouse.views.plan import ViewPlan

View = ViewPlan | CompiledView | Mapping[str, object] | str | bytes
"""A view in any of the forms that it is at hand in."""

Row = tuple[object, ...]


class DirectReader:
    """The rows of some views of one resource type, line by line.

    ``columns`` are for each view its (name, FHIR type, is a list) in the order of the row's values.
    A reader has no state and may be used by several threads.
    """

    def __init__(self, plans: Sequence[ViewPlan]) -> None:
        if not plans or len({plan.resource for plan in plans}) != 1:
            raise SettingsError("Views that are read together must be on one resource type", views=len(plans))
        self.resource = plans[0].resource
        self.columns = tuple(
            tuple((c.name, c.type, c.collection) for c in tree.columns_of(plan.rows)) for plan in plans
        )
        reading, walked = read_together(plans)
        record = record_of(reading)
        self._strict, self._lenient = record.strict, record.lenient
        self._rows = tuple(rows_of(plan, reading, walked) for plan in plans)

    def rows(self, line: bytes | str) -> tuple[list[Row], ...]:
        """The rows of each view for the resource in ``line``; none for one of another type.

        Texts are str, whole numbers int, decimals float; nothing is None; a column that is a collection
        is a list. Raises :class:`~medcairn.core.errors.DataError` when the line is no JSON, or holds
        several values where a view asks for one.
        """
        try:
            if not line.isascii() and isinstance(line, bytes):
                line.decode()  # texts that no view reads are not looked at else
            resource = self._strict(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            resource = None  # left here, so that an error of ours does not carry this one along
        if resource is None:
            resource = self._read_leniently(line)
        if resource.resourceType != self.resource:  # type: ignore[attr-defined]
            return tuple([] for _ in self._rows)
        if len(self._rows) == 1:
            only: list[Row] = []
            self._rows[0](resource, only.append)
            return (only,)
        found: list[list[Row]] = []
        for rows in self._rows:
            into: list[Row] = []
            rows(resource, into.append)
            found.append(into)
        return tuple(found)

    def _read_leniently(self, line: bytes | str) -> msgspec.Struct:
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            text = line if isinstance(line, str) else line.decode()
            found = self._lenient(bytes(msgspec.json.decode(text, type=msgspec.Raw)))
            if found is not None:
                return cast("msgspec.Struct", found)
        raise DataError("A resource is not a JSON object")


def direct_reader(views: Sequence[View]) -> DirectReader:
    """The reader of ``views``, all of one resource type. Making one costs milliseconds; keep it.

    Raises :class:`SettingsError` for a view that cannot be compiled.
    """
    return DirectReader([_plan(view) for view in views])


def _plan(view: View) -> ViewPlan:
    if isinstance(view, ViewPlan):
        return view
    return view.plan if isinstance(view, CompiledView) else compile_view(view).plan


__all__ = ["DirectReader", "Row", "View", "direct_reader"]
