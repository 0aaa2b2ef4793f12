"""A run's context as a FHIR Provenance: https://hl7.org/fhir/R4/provenance.html and …/R5/provenance.html.

The elements that are used have the same names, types and codes in R4 (4.0.1) and R5 (5.0.0), so one
resource is valid in both. Two readings where the standard leaves room:

- A data source is no FHIR resource, so an ``entity`` names it by a logical reference: with a digest by its
  name of RFC 6920 (``ni:///sha-256;…``), without one by its URN.
- ``policy`` holds URNs (RFC 8141) of data sources and regulatory tags, as HealthChain's RFC 001 has it;
  what the URN grammar does not take is percent-encoded from UTF-8.

It tells where something came from and is no evidence that a rule was kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.digests import Digest
from medcairn.tracking.fields import problem

if TYPE_CHECKING:
    from medcairn.tracking.context import HealthcareRunContext

VERSIONS = ("R4", "R5")

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]\Z")  # RFC 8141, section 2
_DIGEST = re.compile(r"(.+)@(sha256:[0-9a-f]{64})\Z", re.DOTALL)
_MODEL_VERSION = re.compile(r"models:/[^\s@]+(/|@)[^\s/@]+\Z")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?\Z")
_ABSOLUTE = re.compile(r"(https?://|urn:(uuid|oid):)\S+\Z")


def provenance(
    context: HealthcareRunContext,
    fhir_version: str,
    *,
    recorded: datetime,
    target: str | Iterable[str] | None,
    urn_namespace: str,
) -> dict[str, JSON]:
    """The resource. ``target`` is what it is about:

    - None: what the model put out, by a display only;
    - ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``: a registered model version, as an identifier;
    - ``Type/id`` or a URL: a FHIR resource, as a reference; or several of these.
    """
    from medcairn.audit.export.fhir import coding  # here, because the audit package is not light

    if fhir_version not in VERSIONS:
        raise problem("fhir_version", "not_R4_or_R5")
    if not _NAMESPACE.match(urn_namespace):
        raise problem("urn_namespace", "not_a_urn_namespace")
    urns = _Urns(urn_namespace)
    found: dict[str, JSON] = {
        "resourceType": "Provenance",
        "target": _targets(target, f"Output of the model {context.model_id} {context.version}"),
        "recorded": instant(recorded),
        "activity": {
            "coding": [coding.data_operation("DERIVE", "derive")],
            **({"text": context.purpose} if context.purpose else {}),
        },
        "agent": [_agent(context, urns)],
    }
    sources = [_named(source) for source in context.data_sources]
    policy: list[JSON] = [urns("datasource", name) for name, _ in sources]
    policy += [urns("regulatory", tag) for tag in context.regulatory_tags]
    if policy:
        found["policy"] = policy
    if sources:
        found["entity"] = [_entity(name, digest, urns) for name, digest in sources]
    return found


def _agent(context: HealthcareRunContext, urns: _Urns) -> dict[str, JSON]:
    from medcairn.audit.export.fhir import coding

    urn = urns("model", context.model_id, context.version)
    agent: dict[str, JSON] = {
        "type": coding.participant("performer"),
        "who": coding.uri_reference(urn, f"{context.model_id} {context.version}"),
    }
    if context.organization is not None:
        agent["onBehalfOf"] = {"display": context.organization}
    return agent


def _entity(name: str, digest: Digest | None, urns: _Urns) -> dict[str, JSON]:
    from medcairn.audit.export.fhir import coding

    if digest is not None:
        return {"role": "source", "what": coding.digest_reference(digest, name)}
    return {"role": "source", "what": coding.uri_reference(urns("datasource", name), name)}


class _Urns:
    """Makes URNs of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def __call__(self, *parts: str) -> str:
        return ":".join(("urn", self._namespace, *(quote(part, safe="") for part in parts)))


def _named(source: str) -> tuple[str, Digest | None]:
    """The name of a data source and the digest that it carries."""
    found = _DIGEST.match(source)
    return (found[1], Digest(found[2])) if found else (source, None)


def _targets(target: str | Iterable[str] | None, display: str) -> list[JSON]:
    if target is None:
        return [{"display": display}]
    named = [target] if isinstance(target, str) else list(target)
    if not named:
        raise problem("target", "empty")
    return [_target(name, display) for name in named]


def _target(name: str, display: str) -> dict[str, JSON]:
    from medcairn.audit.export.fhir import coding

    if _MODEL_VERSION.match(name):
        return coding.uri_reference(quote(name, safe=":/@"), display)
    if _RELATIVE.match(name) or _ABSOLUTE.match(name):
        return {"reference": name}
    raise problem("target", "not_a_reference")


__all__ = ["VERSIONS", "provenance"]
