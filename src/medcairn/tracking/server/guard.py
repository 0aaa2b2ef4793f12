"""The guard: every text of a request goes through the detector before MLflow sees a byte of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from medcairn.core.canonical import JSON
from medcairn.core.errors import shown
from medcairn.core.labels import Label
from medcairn.phi import PhiDetector, PhiFinding
from medcairn.phi.artifacts import ArtifactLimits, ArtifactRefused, Reason, scan_artifact
from medcairn.tracking.server.bodies import Headers, Spooled, parse_json
from medcairn.tracking.server.departments import Asked
from medcairn.tracking.server.otlp import spans_as_json
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.routes import Body, Kind, Request, Route
from medcairn.tracking.server.settings import Limits, Pickles

_MOST_FIELDS = 1000
_LOCATIONS = {
    "artifactlocation": ("mlflow-artifacts:",),
    "source": ("mlflow-artifacts:", "models:/", "runs:/"),
}
"""Where artifacts may lie, by the key that says so: behind this server, or the guard never sees them."""

_WITH_LOCATIONS = ("/experiments/create", "/model-versions/create")


@dataclass(frozen=True)
class PhiGuard:
    """Searches requests. ``detector`` is the one that de-identification and monitoring use."""

    detector: PhiDetector
    limits: Limits

    def most_bytes(self, route: Route) -> int:
        """The largest body of the route."""
        if route.body is Body.ARTIFACT:
            return self.limits.artifact_bytes
        return self.limits.spans_bytes if route.body is Body.OTLP else self.limits.json_bytes

    def check(self, request: Request, route: Route, query: bytes, headers: Headers, body: Spooled) -> Asked:
        """What the request asks, when nothing in it looks like PHI.

        Raises :class:`RequestRefused`: 400 with the fields and classes of what was found, or for a form that
        two readers could read apart; 415 for an artifact that cannot be searched.
        """
        pairs = _query(query)
        found = self._in_address(request.arguments, pairs)
        for name, value in headers.items():
            if name.startswith("x-mlflow-"):
                found += self.detector.find(value, location=Label(f"header.{Label(name)}"))
        content: JSON = None
        if route.body is Body.ARTIFACT:
            if not found:
                found += self._in_artifact(_artifact_name(request.arguments, pairs), body)
        elif route.body is Body.OTLP:
            content = spans_as_json(body.bytes(), headers)
            found += self.detector.find_in_json(content, location=Label("spans"))
        elif body.size:
            content = self._json(route, body, headers)
            found += self.detector.find_in_json(content, location=Label("body"))
        if found:
            raise RequestRefused(
                400, Check.PHI, "Refused by the PHI guard, nothing was stored", findings=_distinct(found)
            )
        return Asked(request.arguments, pairs, headers, content)

    def _json(self, route: Route, body: Spooled, headers: Headers) -> JSON:
        content = parse_json(body.bytes(), headers)
        if route.body is Body.NONE:
            raise RequestRefused(400, Check.FORM, "This route takes no body")
        if route.body is Body.GRAPHQL:
            _check_query_only(content)
        if route.kind is Kind.WRITE and route.template.endswith(_WITH_LOCATIONS):
            _check_locations(content)
        return content

    def _in_address(self, arguments: Mapping[str, str], pairs: list[tuple[str, str]]) -> list[PhiFinding]:
        found: list[PhiFinding] = []
        for name, value in arguments.items():
            found += self.detector.find(value, location=Label(f"path.{name}"))
        for position, (name, value) in enumerate(pairs):
            found += self.detector.find(name, location=Label(f"query[{position}].name"))
            found += self.detector.find(value, location=Label(f"query[{position}].value"), cue=name)
        return found

    def _in_artifact(self, name: str, body: Spooled) -> list[PhiFinding]:
        body.stream.seek(0)
        refused: ArtifactRefused | None = None
        try:
            return scan_artifact(name, body.stream, self.detector, limits=self._artifact_limits())
        except ArtifactRefused as failure:
            refused = failure
        why = shown(refused.fields.get("reason", Reason.UNREADABLE))
        raise RequestRefused(415, Check.ARTIFACT, f"Refused by the PHI guard, this artifact: {why}")

    def _artifact_limits(self) -> ArtifactLimits:
        limits = self.limits
        return ArtifactLimits(largest=limits.artifact_bytes, allow_pickle=limits.pickles is Pickles.SEARCHED)


def _query(query: bytes) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] | None = None
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        pairs = None
    if pairs is None:
        raise RequestRefused(400, Check.FORM, "The query is not UTF-8, or has too many fields")
    return pairs


def _artifact_name(arguments: Mapping[str, str], pairs: list[tuple[str, str]]) -> str:
    path = arguments.get("artifact_path") or dict(pairs).get("path", "")
    return path.rsplit("/", 1)[-1]


def _check_query_only(content: JSON) -> None:
    """GraphQL queries alone; MLflow's mutations are searches too, and nobody needs them."""
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    text = content.get("query") if isinstance(content, Mapping) else None
    only_queries = False
    try:
        document = parse(text, no_location=True, max_tokens=5000) if isinstance(text, str) else None
        only_queries = document is not None and all(
            node.operation is OperationType.QUERY
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        )
    except (GraphQLError, RecursionError):
        only_queries = False
    if not only_queries:
        raise RequestRefused(403, Check.ROUTE, "GraphQL is for queries alone here")


def _check_locations(content: JSON) -> None:
    for key, value in content.items() if isinstance(content, Mapping) else ():
        allowed = _LOCATIONS.get(key.replace("_", "").lower())
        if allowed is not None and value not in (None, "") and not str(value).startswith(allowed):
            raise RequestRefused(400, Check.LOCATION, "Artifacts lie behind this server, nowhere else")


def _distinct(found: list[PhiFinding]) -> list[PhiFinding]:
    return list({(finding.location, finding.phi_class): finding for finding in found}.values())


__all__ = ["PhiGuard"]
