"""The reviewed table of MLflow's routes (``routes.yaml``), and what it says about a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources

import yaml

from medcairn.access import Action
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.tracking.server.enumeration import Enumerated

_TWINS = ("/api/", "/ajax-api/")


class Kind(StrEnum):
    """What a request does to the store. A search asks with a body; ``PAGE`` and ``OPEN`` hold no data."""

    READ = "read"
    SEARCH = "search"
    WRITE = "write"
    PAGE = "page"
    OPEN = "open"


class Body(StrEnum):
    """How MLflow reads the body."""

    JSON = "json"
    OTLP = "otlp"
    ARTIFACT = "artifact"
    GRAPHQL = "graphql"
    NONE = "none"


class Reason(StrEnum):
    """Why a family of routes is refused."""

    GOES_ROUND_THE_GUARD = "goes_round_the_guard"
    SENDS_TO_OTHERS = "sends_to_others"
    RUNS_CODE_HERE = "runs_code_here"
    WRITES_UNSEEN = "writes_unseen"
    NOT_USED_HERE = "not_used_here"
    UNKNOWN_ROUTE = "unknown_route"


@dataclass(frozen=True)
class Route:
    """A row of the table, for one method and one template."""

    method: str
    template: str
    kind: Kind
    needs: frozenset[Action]
    body: Body
    about: str

    @property
    def label(self) -> Label:
        """The template as it goes into logs and the ledger: FastAPI's and Flask's places look the same."""
        return template_label(self.template)


@dataclass(frozen=True)
class Request:
    """What a request is, by the table: the route with the values in its places, or why it is refused."""

    route: Route | None
    template: Label
    refused: Reason | None = None
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)


class RouteTable:
    """Decides about requests; see :func:`read_table`."""

    def __init__(self, routes: Iterable[Route], refused: Mapping[str, Reason]) -> None:
        self._routes = {(route.method, route.template): route for route in routes}
        self._refused = dict(refused)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def request(self, enumerated: Enumerated, method: str, path: str) -> Request:
        """Which route ``method`` on ``path`` falls to. A HEAD is decided on as its GET."""
        asked = "GET" if method == "HEAD" else method
        matched = enumerated.match(asked, path)
        if matched is None:
            return Request(None, Label("unknown"), Reason.UNKNOWN_ROUTE)
        route = self._routes.get((asked, matched.template))
        label = template_label(matched.template)
        refused = self._reason(matched.template) if route is None else None
        return Request(route, label, refused, matched.arguments)

    def unknown(self, enumerated: Enumerated) -> list[tuple[str, str]]:
        """Routes of the installed MLflow that nobody reviewed; they are refused at run time."""
        return [
            (method, template)
            for method, template in enumerated.all()
            if (method, template) not in self._routes and self._reason(template) is Reason.UNKNOWN_ROUTE
        ]

    def stale(self, enumerated: Enumerated) -> list[tuple[str, str]]:
        """Rows of the table that the installed MLflow has no route for."""
        there = set(enumerated.all())
        return [key for key in self._routes if key not in there]

    def _reason(self, template: str) -> Reason:
        for prefix, reason in self._refused.items():
            if template.startswith(prefix):
                return reason
        return Reason.UNKNOWN_ROUTE


def template_label(template: str) -> Label:
    """A template as a label: ``{artifact_path:path}`` and ``<path:artifact_path>`` as ``<artifact_path>``."""
    text = template.replace("{", "<").replace(":path}", ">").replace("}", ">").replace("<path:", "<")
    return Label("root" if text == "/" else text.lstrip("/"))


def read_table() -> RouteTable:
    """The table that ships with medcairn. Raises :class:`SettingsError` when it cannot be read."""
    text = resources.files(__package__).joinpath("routes.yaml").read_text("utf-8")
    return parse_table(text)


def parse_table(text: str) -> RouteTable:
    """The table from the text of a ``routes.yaml``."""
    table: RouteTable | None = None
    try:
        content = yaml.safe_load(text)
        routes = [route for row in content["routes"] for route in _routes(*row)]
        routes += [_free(template, Kind.PAGE) for template in content["pages"]]
        routes += [_free(template, Kind.OPEN) for template in content["open"]]
        refused = {
            prefix: Reason(row["reason"])
            for row in content["refused"]
            for prefix in _templates(row["prefix"])
        }
        table = RouteTable(routes, refused)
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        table = None
    if table is None:
        raise SettingsError("The table of MLflow's routes cannot be read")
    return table


def _routes(
    method: str, template: str, kind: str, needs: list[str], body: str, about: str
) -> Iterator[Route]:
    actions = frozenset(Action(name) for name in needs)
    for full in _templates(template):
        yield Route(method, full, Kind(kind), actions, Body(body), about)


def _free(template: str, kind: Kind) -> Route:
    return Route("GET", template, kind, frozenset(), Body.NONE, "nothing")


def _templates(template: str) -> tuple[str, ...]:
    return (template,) if template.startswith("/") else tuple(twin + template for twin in _TWINS)


__all__ = [
    "Body",
    "Kind",
    "Reason",
    "Request",
    "Route",
    "RouteTable",
    "parse_table",
    "read_table",
    "template_label",
]
