"""What tutorials show as de-identification of FHIR: the obvious elements, at the top level, and no more."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_REMOVED = ("name", "telecom", "address", "identifier", "photo", "contact", "text")


def tutorial(source: Path, output: Path) -> None:
    """Remove names, contacts, addresses and identifiers, cut the birth date to its year, hash the id."""
    output.mkdir(parents=True)
    for path in sorted(source.glob("*.ndjson")):
        with path.open() as lines, (output / path.name).open("w") as out:
            out.writelines(json.dumps(_cleaned(json.loads(line))) + "\n" for line in lines)


def _cleaned(resource: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in resource.items() if key not in _REMOVED}
    kept["id"] = hashlib.sha256(resource["id"].encode()).hexdigest()[:16]
    if "birthDate" in kept:
        kept["birthDate"] = kept["birthDate"][:4]
    return kept
