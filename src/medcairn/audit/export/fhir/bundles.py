"""The ledger as FHIR R4 Bundles of type collection: one file for every 10,000 resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import orjson

from medcairn.audit.events import StoredEvent
from medcairn.audit.export.fhir.audit_event import audit_event
from medcairn.audit.export.fhir.coding import event_uri
from medcairn.audit.export.fhir.provenance import provenance
from medcairn.core.canonical import JSON
from medcairn.core.files import write_file

RESOURCES_IN_A_BUNDLE = 10_000

Resource = dict[str, JSON]


def write_fhir(folder: Path, events: Callable[[], Iterable[StoredEvent]], *, origin: str) -> dict[str, int]:
    """Write ``AuditEvent.0001.json`` … and ``Provenance.0001.json`` … below ``folder``.

    Every entry becomes an AuditEvent, every one that made or signed something also a Provenance. The same
    ledger gives the same bytes. At most one Bundle is held in memory. How many resources of each type there
    are comes back. Raises :class:`~medcairn.core.errors.StorageError` when a file cannot be written.
    """
    return {
        "AuditEvent": _write(folder, "AuditEvent", (audit_event(stored, origin) for stored in events())),
        "Provenance": _write(
            folder, "Provenance", (made for stored in events() if (made := provenance(stored)) is not None)
        ),
    }


def _write(folder: Path, name: str, resources: Iterable[Resource]) -> int:
    count = 0
    for number, batch in enumerate(_batches(resources), start=1):
        write_file(folder / f"{name}.{number:04}.json", bundle(batch))
        count += len(batch)
    return count


def _batches(resources: Iterable[Resource]) -> Iterator[list[Resource]]:
    batch: list[Resource] = []
    for resource in resources:
        batch.append(resource)
        if len(batch) == RESOURCES_IN_A_BUNDLE:
            yield batch
            batch = []
    if batch:
        yield batch


def bundle(resources: list[Resource]) -> bytes:
    """A collection of ``resources``, one to a line, dated by the last of them."""
    entries = [
        _json({"fullUrl": event_uri(f"{found['resourceType']} {found['id']}"), "resource": found})
        for found in resources
    ]
    last = _json(resources[-1]["recorded"])
    head = b'{"resourceType":"Bundle","type":"collection","timestamp":' + last + b',"entry":[\n'
    return head + b",\n".join(entries) + b"\n]}\n"


def _json(value: JSON) -> bytes:
    """Sorted keys, so that the same value has the same bytes; canonical JSON takes ten times as long."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


__all__ = ["RESOURCES_IN_A_BUNDLE", "bundle", "write_fhir"]
