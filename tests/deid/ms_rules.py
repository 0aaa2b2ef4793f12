"""Small configurations for the tests of ms-compat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from medcairn.deid.ms_compat import MsConfiguration, anonymize

AS_OF = date(2025, 9, 5)
KEYS = {"dateShiftKey": "123", "cryptoHashKey": "123", "encryptKey": "0123456789abcdef"}
PARTIAL: dict[str, Any] = {
    "enablePartialAgesForRedact": True,
    "enablePartialDatesForRedact": True,
    "enablePartialZipCodesForRedact": True,
    "restrictedZipCodeTabulationAreas": ["036"],
}

Rule = Mapping[str, Any]


def rule(path: str, method: str, **settings: object) -> Rule:
    """One rule as a configuration has it."""
    return {"path": path, "method": method, **settings}


def configured(*rules: Rule, errors: str = "raise", **parameters: Any) -> MsConfiguration:
    """A configuration with keys."""
    document = {"fhirPathRules": rules, "processingErrors": errors, "parameters": KEYS | parameters}
    return MsConfiguration.parse(json.dumps(document).encode())


def applied(resource: Mapping[str, Any], *rules: Rule, prefix: str = "", **parameters: Any) -> dict[str, Any]:
    """What rules make of a resource, without labels."""
    found = anonymize(resource, configured(*rules, **parameters), as_of=AS_OF, prefix=prefix)
    found.pop("meta", None)
    return found


def labels(resource: Mapping[str, Any], *rules: Rule, **parameters: Any) -> list[str]:
    """The codes of the security labels that rules leave on a resource."""
    found: dict[str, Any] = anonymize(resource, configured(*rules, **parameters), as_of=AS_OF)
    return [coding["code"] for coding in found.get("meta", {}).get("security", [])]
