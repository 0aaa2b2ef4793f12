"""What the server says of itself: CapabilityStatement and SMART's discovery document."""

from __future__ import annotations

from medcairn.core.canonical import JSON
from medcairn.synthetic.server.changes import Snapshot
from medcairn.synthetic.server.tokens import ALGORITHMS

_OPERATIONS = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
_GUIDE = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"


def capability_statement(snapshot: Snapshot, base: str, *, open_access: bool, bulk: bool) -> dict[str, JSON]:
    """The CapabilityStatement, with the export operations when ``bulk``."""
    read: list[JSON] = [{"code": "read"}, {"code": "search-type"}]
    resources: list[JSON] = []
    for name in sorted({*snapshot.types(), "Patient", "Group", "Binary"}):
        operation = {"Patient": "patient-export", "Group": "group-export"}.get(name)
        resource: dict[str, JSON] = {"type": name, "interaction": read}
        if operation and bulk:
            resource["operation"] = [{"name": "export", "definition": f"{_OPERATIONS}/{operation}"}]
        resources.append(resource)
    rest: dict[str, JSON] = {
        "mode": "server",
        "security": {} if open_access else _security(base),
        "resource": resources,
    }
    if bulk:
        rest["operation"] = [{"name": "export", "definition": f"{_OPERATIONS}/export"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": snapshot.transaction_time,
        "kind": "instance",
        "software": {"name": "medcairn synthetic hospital"},
        "implementation": {"description": "Invented patients", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "instantiates": [_GUIDE] if bulk else [],
        "rest": [rest],
    }


def smart_configuration(token_url: str, *, secrets: bool) -> dict[str, JSON]:
    """SMART App Launch 2.0, section 7; ``secrets`` when a client is registered with one."""
    methods = ["private_key_jwt", "client_secret_basic"] if secrets else ["private_key_jwt"]
    capabilities = ["client-confidential-asymmetric", "permission-v1", "permission-v2"]
    return {
        "token_endpoint": token_url,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.read", "system/*.rs"],
        "capabilities": [*capabilities, *(["client-confidential-symmetric"] if secrets else [])],
    }


def _security(base: str) -> dict[str, JSON]:
    service = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
    }
    return {
        "service": [{"coding": [service]}],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": f"{base}/auth/token"}],
            }
        ],
    }


__all__ = ["capability_statement", "smart_configuration"]
