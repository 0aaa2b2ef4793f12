"""Runs views over resources in memory: on one engine, or directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from medcairn.core.errors import DataError, MedcairnError
from medcairn.lakehouse.engines import EngineName, Row, ViewEngine, view_engine
from medcairn.lakehouse.views.compiled import CompiledView, compile_view
from medcairn.lakehouse.views.lines import object_text

View: TypeAlias = Mapping[str, object] | str | bytes
Outcome: TypeAlias = tuple[list[str], list[Row]] | MedcairnError
"""(Column names, rows), or the error that the view ended with."""


class ViewRunner:
    """Runs views over resources in memory, on one engine: DuckDB unless another is given."""

    def __init__(self, engine: ViewEngine | None = None) -> None:
        self._engine = engine or view_engine(EngineName.DUCKDB)
        self._loaded: tuple[Sequence[bytes], str] = ((), "")

    def __call__(self, view: View, resources: Sequence[bytes]) -> tuple[list[str], list[Row]]:
        """Rows of ``view`` over ``resources``: (column names, rows).

        Raises :class:`~medcairn.core.errors.SettingsError` for a view that cannot be compiled and
        :class:`DataError` for resources that it cannot be run on.
        """
        compiled = compile_view(view, self._engine.dialect)
        rows = self._engine.rows(compiled.sql(self._relation(resources)))
        return _names(compiled), rows

    def many(self, views: Sequence[View], resources: Sequence[bytes]) -> list[Outcome]:
        """What each of ``views`` gives over the same resources, in one query: to an engine that is slow to
        start, hundreds of small queries are what takes the time."""
        compiled = [self._compiled(view) for view in views]
        good = [view for view in compiled if isinstance(view, CompiledView)]
        found: list[list[Row]] | None = None
        try:
            found = self._together(good, resources) if good else []
        except MedcairnError:
            found = None
        if found is None:
            return [self._alone(view, resources) for view in compiled]
        rows = iter(found)
        return [(_names(view), next(rows)) if isinstance(view, CompiledView) else view for view in compiled]

    def _compiled(self, view: View) -> CompiledView | MedcairnError:
        try:
            return compile_view(view, self._engine.dialect)
        except MedcairnError as error:
            return error

    def _together(self, views: Sequence[CompiledView], resources: Sequence[bytes]) -> list[list[Row]]:
        lists = ", ".join(f"{view.rows_sql()} AS v{number}" for number, view in enumerate(views))
        found: list[list[Row]] = [[] for _ in views]
        for row in self._engine.rows(f"SELECT {lists} FROM {self._relation(resources)}"):  # noqa: S608
            for rows, records in zip(found, row, strict=True):
                assert records is None or isinstance(records, list)
                rows += [tuple(r.values()) if isinstance(r, dict) else tuple(r) for r in records or ()]
        return found

    def _alone(self, view: CompiledView | MedcairnError, resources: Sequence[bytes]) -> Outcome:
        if not isinstance(view, CompiledView):
            return view
        try:
            return _names(view), self._engine.rows(view.sql(self._relation(resources)))
        except MedcairnError as error:
            return error

    def _relation(self, resources: Sequence[bytes]) -> str:
        if not self._loaded[1] or self._loaded[0] != resources:
            self._loaded = (tuple(resources), self._engine.texts(_texts(resources)))
        return self._loaded[1]


def run_directly(view: View, resources: Sequence[bytes]) -> tuple[list[str], list[Row]]:
    """Rows of ``view`` over ``resources`` without an engine: see :mod:`medcairn.lakehouse.views.direct`.

    Raises what :class:`ViewRunner` raises.
    """
    from medcairn.lakehouse.views.direct import direct_reader

    compiled = compile_view(view)
    texts = _texts(resources)
    reader = direct_reader([compiled])
    return _names(compiled), [row for text in texts for row in reader.rows(text)[0]]


def _names(view: CompiledView) -> list[str]:
    return [name for name, _, _ in view.columns]


def _texts(resources: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    for position, data in enumerate(resources, start=1):
        text = object_text(data)
        if text is None:
            raise DataError("A resource is not a JSON object", position=position)
        texts.append(text)
    return texts


__all__ = ["Outcome", "View", "ViewRunner", "run_directly"]
