"""Every route of an MLflow application, as MLflow itself would match a request to it.

MLflow's server is a FastAPI application with native routes and, mounted at ``/``, a Flask application that
takes what no native route takes. Both are asked here in the same order, so that what is decided about a
template is decided about the handler that would run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import compile_path
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from medcairn.core.errors import IntegrityError

_ANSWERED_BY_THE_FRAMEWORK = frozenset({"HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Matched:
    """The template that a request falls to, and what stands in its places."""

    template: str
    arguments: Mapping[str, str] = field(repr=False)


class Enumerated:
    """The routes of one MLflow application."""

    def __init__(self, native: Iterable[tuple[str, frozenset[str]]], flask: Map) -> None:
        self._native = [(*_compiled(path), path, methods) for path, methods in native]
        self._flask = flask
        self._adapter = flask.bind("localhost")

    @classmethod
    def of(cls, app: Any) -> Enumerated:
        """The routes of MLflow's FastAPI application.

        Raises :class:`IntegrityError` when a part of it is of a kind whose routes cannot be listed.
        """
        native: list[tuple[str, frozenset[str]]] = []
        maps: list[Map] = []
        for path, methods, flask in _walk(app.routes):
            if flask is not None:
                maps.append(flask)
            else:
                native.append((path, methods))
        if len(maps) != 1:
            raise IntegrityError("MLflow's application is not built as expected", mounts=len(maps))
        return cls(native, maps[0])

    def all(self) -> Iterator[tuple[str, str]]:
        """Every method and template, native ones first."""
        for _, _, path, methods in self._native:
            for method in sorted(methods - _ANSWERED_BY_THE_FRAMEWORK):
                yield method, path
        for rule in self._flask.iter_rules():
            for method in sorted((rule.methods or set()) - _ANSWERED_BY_THE_FRAMEWORK):
                yield method, rule.rule

    def match(self, method: str, path: str) -> Matched | None:
        """The route that would handle the request; None when none would, or one would redirect it."""
        for pattern, _, template, methods in self._native:
            found = pattern.match(path)
            if found is not None and method in methods:
                return Matched(template, found.groupdict())
        try:
            rule, arguments = self._adapter.match(path, method, return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        return Matched(rule.rule, {name: str(value) for name, value in arguments.items()})


def _compiled(path: str) -> tuple[re.Pattern[str], str]:
    pattern, _, _ = compile_path(path)
    return pattern, path


def _walk(routes: Iterable[Any]) -> Iterator[tuple[str, frozenset[str], Map | None]]:
    for route in routes:
        if hasattr(route, "effective_candidates"):  # a router of FastAPI's that was included
            yield from _walk(route.effective_candidates())
            continue
        flask = getattr(getattr(getattr(route, "app", None), "app", None), "url_map", None)
        methods = getattr(route, "methods", None)
        if flask is not None and route.path == "":
            yield "", frozenset(), flask
        elif methods and isinstance(getattr(route, "path", None), str):
            yield route.path, frozenset(methods), None
        else:
            raise IntegrityError("MLflow has a route whose methods cannot be told")


__all__ = ["Enumerated", "Matched"]
