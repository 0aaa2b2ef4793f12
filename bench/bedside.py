"""A Bundle as it comes to the bedside: everything of one subject with a long record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson


def long_record(files: Sequence[Path], observations: int) -> tuple[bytes, datetime]:
    """A Bundle of the subject with the most resources, its Observations repeated or cut to so many, and the
    instant of the last of them."""
    records: dict[str, list[dict[str, Any]]] = {}
    for path in files:
        for line in path.open("rb"):
            resource = orjson.loads(line)
            about = resource.get("subject") or resource.get("patient") or {}
            whose = (
                resource["id"] if resource["resourceType"] == "Patient" else about.get("reference", "")[8:]
            )
            records.setdefault(whose, []).append(resource)
    longest = max((record for whose, record in records.items() if whose), key=len)
    measured = [resource for resource in longest if resource["resourceType"] == "Observation"]
    others = [resource for resource in longest if resource["resourceType"] != "Observation"]
    many = [{**o, "id": f"o{n}"} for n, o in enumerate(islice(cycle(measured), observations))]
    last = max(o["effectiveDateTime"] for o in many if "T" in o.get("effectiveDateTime", ""))
    entries = [{"resource": resource} for resource in (*others, *many)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return orjson.dumps(bundle), datetime.fromisoformat(last)
