"""The reviewed table against the installed MLflow, and every role against every route."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from werkzeug.routing import Map, Rule

from medcairn.access import Action, is_allowed
from medcairn.tracking.server.app import Guards
from medcairn.tracking.server.enumeration import Enumerated
from medcairn.tracking.server.routes import Body, Kind, Route

from .in_process import Ask, Trap, ask
from .tracking_server import PASSWORD, ROLES

READERS = ("colin", "quinn", "olga", "audrey")


def test_every_route_of_the_installed_mlflow_was_reviewed(guards: Guards) -> None:
    assert guards.table.unknown(guards.enumerated) == []


def test_every_row_of_the_table_is_a_route_of_the_installed_mlflow(guards: Guards) -> None:
    assert guards.table.stale(guards.enumerated) == []


def test_a_new_write_route_fails_the_build_and_is_closed(guards: Guards) -> None:
    flask = Map([Rule("/api/2.0/mlflow/runs/log-everything", endpoint="e", methods=["POST"])])
    newer = Enumerated([("/v2/traces", frozenset({"POST"}))], flask)
    assert guards.table.unknown(newer) == [
        ("POST", "/v2/traces"), ("POST", "/api/2.0/mlflow/runs/log-everything")
    ]  # fmt: skip
    trap = Trap()
    asks = [
        Ask("POST", path, headers=_signed_in("dora"))
        for path in ("/v2/traces", "/api/2.0/mlflow/runs/log-everything")
    ]
    answers = ask(replace(guards, enumerated=newer), trap, *asks)
    assert [answer.status_code for answer in answers] == [403, 403]
    assert trap.reached == 0


def test_what_writes_has_a_body_that_is_read_and_an_action_that_writes(guards: Guards) -> None:
    reading = frozenset({Action.READ_REPORTS})
    for route in guards.table:
        if route.kind is Kind.WRITE:
            assert route.needs and not route.needs & reading, route
            assert route.body is not Body.NONE or route.method == "DELETE", route
        elif route.kind in (Kind.READ, Kind.SEARCH):
            assert route.needs == reading, route


@pytest.mark.parametrize("name", ROLES)
def test_a_role_reaches_the_routes_of_its_actions_and_no_other(guards: Guards, name: str) -> None:
    routes = [route for route in guards.table if route.kind is not Kind.OPEN]
    trap = Trap()
    answers = ask(guards, trap, *(_ask(route, name) for route in routes))
    for route, answer in zip(routes, answers, strict=True):
        allowed = route.kind is Kind.PAGE or any(is_allowed([ROLES[name]], action) for action in route.needs)
        assert ("Your roles do not allow this" not in answer.text) == allowed, route
        assert allowed or answer.status_code == 403, route


@pytest.mark.parametrize("name", ["audrey", "colin", "quinn", "root"])
def test_a_reader_writes_by_no_route(guards: Guards, name: str) -> None:
    writing = [
        route for route in guards.table if route.kind is Kind.WRITE and Action.RETIRE_MODEL not in route.needs
    ]
    trap = Trap()
    answers = ask(guards, trap, *(_ask(route, name) for route in writing))
    assert {answer.status_code for answer in answers} == {403}
    assert trap.reached == 0


def _ask(route: Route, name: str) -> Ask:
    path = re.sub(r"<[^>]+>|\{[^}]+\}", "x", route.template)
    types = {Body.OTLP: "application/x-protobuf", Body.ARTIFACT: "application/octet-stream"}
    body = b"{}" if route.body in (Body.JSON, Body.GRAPHQL) else b""
    return Ask(route.method, path, body, _signed_in(name, types.get(route.body, "application/json")))


def _signed_in(name: str, content_type: str = "application/json") -> tuple[tuple[str, str], ...]:
    import base64

    credentials = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    return (("content-type", content_type), ("authorization", f"Basic {credentials}"))
