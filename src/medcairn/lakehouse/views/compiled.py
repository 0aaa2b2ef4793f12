"""A compiled view: SQL over a relation of JSON resources."""

# ruff: noqa: S608 -- statements are put together from names of ours; no value of data enters their text

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.lakehouse.views import tree
from medcairn.lakehouse.views.definition import as_view_text, parse_view
from medcairn.lakehouse.views.dialects import Dialect, DuckDb
from medcairn.lakehouse.views.plan import ROOT, ViewPlan, plan_view
from medcairn.lakehouse.views.write import Writer

_ITEM = "medcairn_item"


@dataclass(frozen=True)
class CompiledView:
    """A view that can be written in the SQL of one engine.

    ``columns`` are (name, FHIR type, is a list) in order. ``warnings`` name elements that the view asks for
    and R4 does not have: they are always empty. ``plan`` is the typed tree, for other executors than SQL.
    """

    name: Label
    resource: str
    columns: tuple[tuple[str, str, bool], ...]
    warnings: tuple[str, ...]
    plan: ViewPlan
    _dialect: Dialect

    def sql(self, source: str, *, json: str = "resource", keep: Sequence[str] = ()) -> str:
        """A SELECT over ``source``: a table, or a query in parentheses.

        ``json`` is the column of ``source`` that holds a resource as JSON text, one a row; rows of other
        resource types give nothing. ``keep`` names columns of ``source`` that go before the view's own.
        """
        d = self._dialect
        kept = [d.name(column) for column in keep]
        final = [f"{d.member(_ITEM, column)} AS {d.name(column)}" for column, _, _ in self.columns]
        unnested = f"{d.unnest(self.rows_sql(json))} AS {_ITEM}"
        return (
            f"SELECT {', '.join((*kept, *final))} FROM (SELECT {', '.join((*kept, unnested))} FROM {source})"
        )

    def rows_sql(self, json: str = "resource") -> str:
        """An expression: the rows that the resource in the column ``json`` gives, as a list of records."""
        d, plan, writer = self._dialect, self.plan, Writer(self._dialect)
        names = {ROOT: ROOT}
        found = writer.rows(plan.rows, names)
        if plan.wheres:
            found = d.choose(writer.conditions(plan.wheres, names), found)
        # The resource is read once, and nothing is computed for one of another type.
        read = writer.resource(d.name(json), plan.shape, plan.digits)
        return d.let(read, ROOT, d.choose(d.present(ROOT), found))


def compile_view(view: Mapping[str, object] | str | bytes, dialect: Dialect | None = None) -> CompiledView:
    """Compile a ViewDefinition, given as JSON text or as Python values.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the view, column and position at fault.
    """
    plan: ViewPlan | None = None
    # Thousands of steps in one expression; no view needs them, and Python does not go so deep.
    with contextlib.suppress(RecursionError):
        plan = plan_view(parse_view(view if isinstance(view, (str, bytes)) else as_view_text(view)))
    if plan is None:
        raise SettingsError("A view is nested too deep")
    columns = tuple((c.name, c.type, c.collection) for c in tree.columns_of(plan.rows))
    return CompiledView(plan.name, plan.resource, columns, plan.warnings, plan, dialect or DuckDb())


__all__ = ["CompiledView", "compile_view"]
