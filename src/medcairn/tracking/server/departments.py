"""Who may reach which experiments and registered models, by the first letters of their names.

A request is let through for somebody of a department when every id in it, wherever it stands, belongs to an
experiment or a model of theirs, and at least one id is of the sort that the route is about. So an id under a
name that nobody thought of lets nobody in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from medcairn.core.canonical import JSON
from medcairn.tracking.server.identity import Caller
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.routes import Route
from medcairn.tracking.server.settings import TrackingServerSettings

_SORTS = {
    "experiment": ("experimentid", "experimentids", "xmlflowexperimentid"),
    "run": ("runid", "runuuid", "runids", "sourcerunid", "xmlflowrunid"),
    "logged_model": ("modelid", "modelids"),
    "trace": ("traceid", "traceids", "requestid", "requestids"),
    "dataset": ("datasetid", "datasetids"),
    "artifact": ("artifactpath",),
}
_SORT_OF = {name: sort for sort, names in _SORTS.items() for name in names}
_NAMES = ("name", "newname", "experimentname")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")
_ARTIFACT = re.compile(r"mlflow-artifacts:/+(?:[^/]+:\d+/)?(.+)")


class Resources(Protocol):
    """Which experiment things belong to. None when there is no such thing."""

    def experiment_name(self, experiment_id: str) -> str | None: ...

    def experiments_of(self, sort: str, thing: str) -> Sequence[str] | None:
        """The ids of the experiments that a run, logged model, trace or dataset belongs to."""
        ...


@dataclass(frozen=True)
class Asked:
    """Everything that a request names: what stands in the places of the template, query, headers, body."""

    arguments: Mapping[str, str] = field(repr=False)
    query: Sequence[tuple[str, str]] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: JSON = field(default=None, repr=False)

    def top(self) -> Iterator[tuple[str, JSON]]:
        """Keys and values of the outermost level."""
        yield from self.arguments.items()
        yield from self.query
        yield from ((name, value) for name, value in self.headers.items() if name.startswith("x-mlflow-"))
        if isinstance(self.body, Mapping):
            yield from self.body.items()


class Departments:
    """The table of departments, and the check."""

    def __init__(self, settings: TrackingServerSettings, resources: Resources) -> None:
        self._settings, self._resources = settings, resources

    def prefixes(self, caller: Caller) -> tuple[str, ...] | None:
        """The beginnings of the names that ``caller`` reaches; None when they reach all."""
        everybody = self._settings.departments
        if not everybody or str(caller.name) in self._settings.everywhere:
            return None
        is_service = caller.actor.startswith("service:")
        return tuple(
            prefix
            for department in everybody.values()
            if str(caller.name) in (department.services if is_service else department.members)
            for prefix in department.prefixes
        )

    def check(self, caller: Caller, route: Route, asked: Asked) -> None:
        """Raises :class:`RequestRefused` (403) when ``caller`` does not reach what the request is about."""
        prefixes = self.prefixes(caller)
        if prefixes is None or route.about == "nothing" or route.about.startswith("listed:"):
            return
        met = False
        for sort, thing in _things(route, asked):
            names = self._names(sort, thing)
            if names is None:
                continue  # there is no such thing, so there is nothing to reach
            if not names or not all(name.startswith(prefixes) for name in names):
                raise _not_theirs()
            met = met or sort == route.about
        if not met:
            raise _not_theirs()

    def listed(self, caller: Caller, route: Route, answer: JSON) -> JSON:
        """The answer of a route that lists by name, without what ``caller`` does not reach."""
        prefixes = self.prefixes(caller)
        key = route.about.removeprefix("listed:")
        if prefixes is None or not isinstance(answer, Mapping):
            return answer
        entries = answer.get(key, ())
        kept: list[JSON] = [
            entry
            for entry in (entries if isinstance(entries, Sequence) else ())
            if isinstance(entry, Mapping) and str(entry.get("name", "")).startswith(prefixes)
        ]
        return {**answer, key: kept}

    def _names(self, sort: str, thing: str) -> Sequence[str] | None:
        """The names by which ``thing`` is reached; None when there is no such thing."""
        if sort in ("model", "experiment_name"):
            return [thing]
        ids: Sequence[str] | None = [thing]
        if sort == "artifact":
            if ".." in thing or "%" in thing:
                return []  # no way up out of what is theirs
            ids = [thing.lstrip("/").partition("/")[0]]
        elif sort != "experiment":
            ids = self._resources.experiments_of(sort, thing)
        if ids is None:
            return None
        names = [self._resources.experiment_name(each) for each in ids]
        return None if None in names else [name for name in names if name is not None]


def _things(route: Route, asked: Asked) -> Iterator[tuple[str, str]]:
    """Every id in the request with its sort, and names where the route goes by name."""
    for key, value in asked.top():
        short = _short(key)
        if route.about in ("model", "experiment_name") and short in _NAMES and isinstance(value, str):
            yield route.about, value
        if route.about == "experiment" and short == "newname" and isinstance(value, str):
            yield "experiment_name", value
        if route.about == "artifact" and short == "path" and isinstance(value, str):
            yield "artifact", value
        yield from _ids(key, value)


def _ids(key: str, value: JSON) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _ids(name, inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _ids(key, inner)
    elif isinstance(value, str) and value:
        short = _short(key)
        if short in _SORT_OF:
            yield _SORT_OF[short], value
        if short == "source":
            yield from (("logged_model", found) for found in _LOGGED_MODEL.findall(value))
            if artifact := _ARTIFACT.match(value):
                yield "artifact", artifact.group(1)


def _short(key: str) -> str:
    """One spelling for ``run_id``, ``runId`` and ``X-MLflow-Run-Id``: MLflow takes the first two alike."""
    return key.replace("_", "").replace("-", "").lower()


def _not_theirs() -> RequestRefused:
    return RequestRefused(
        403, Check.DEPARTMENT, "This is not among the experiments and models that you reach"
    )


__all__ = ["Asked", "Departments", "Resources"]
