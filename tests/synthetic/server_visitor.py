"""A plain client for the tests of the server: it does one request at a time and hides nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from medcairn.synthetic.server import Faults, HospitalServer

KICK_OFF = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
LENIENT = KICK_OFF | {"Prefer": "respond-async, handling=lenient"}
PATIENTS = 6


def small_hospital(folder: Path) -> Path:
    """Six patients with two Observations and one Condition each, and an Organization."""
    folder.mkdir(exist_ok=True)
    patients = range(PATIENTS)
    _write(
        folder,
        "Patient",
        [{"id": f"p{n}", "gender": "female", "birthDate": f"195{n}-01-01"} for n in patients],
    )
    _write(folder, "Organization", [{"id": "org", "name": "Clinic"}])
    _write(
        folder,
        "Condition",
        [{"id": f"c{n}", "subject": {"reference": f"Patient/p{n}"}} for n in patients],
    )
    _write(
        folder,
        "Observation",
        [
            {
                "id": f"o{n}",
                "status": "final" if n % 3 else "amended",
                "category": [
                    {"coding": [{"system": "urn:c", "code": "laboratory" if n % 2 else "vital-signs"}]}
                ],
                "code": {"coding": [{"system": "http://loinc.org", "code": f"100{n % 4}-1"}]},
                "subject": {"reference": f"Patient/p{n // 2}"},
                "effectiveDateTime": f"2024-{n + 1:02}-15T08:00:00Z",
                "meta": {"lastUpdated": f"2024-{n + 1:02}-16T00:00:00Z"},
            }
            for n in range(2 * PATIENTS)
        ],
    )
    (folder / "hospital.json").write_text(
        json.dumps(
            {"transactionTime": "2025-01-01T00:00:00Z", "groups": {"everyone": {}, "cohort": {"every": 2}}}
        ).replace("transactionTime", "transaction_time")
    )
    return folder


def _write(folder: Path, resource_type: str, resources: list[dict[str, Any]]) -> None:
    stamp = {"meta": {"lastUpdated": "2024-01-01T00:00:00Z"}}
    lines = [json.dumps({"resourceType": resource_type} | stamp | item) for item in resources]
    (folder / f"{resource_type}.000.ndjson").write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Visitor:
    """Exports from a server without waiting between polls."""

    server: HospitalServer
    http: httpx.Client

    def begin(self, path: str, **more: Any) -> httpx.Response:
        """The answer to a kick-off by GET, or by POST of a Parameters resource with ``json``."""
        method = "POST" if "json" in more else "GET"
        return self.http.request(method, path, **({"headers": KICK_OFF} | more))

    def poll(self, where: str) -> httpx.Response:
        """The first answer that does not say "not yet"."""
        for _ in range(500):
            answer = self.http.get(where)
            if answer.status_code != 202:
                return answer
            time.sleep(0.005)
        raise AssertionError("the export did not end")

    def manifest(self, path: str = "/$export", **more: Any) -> dict[str, Any]:
        begun = self.begin(path, **more)
        assert begun.status_code == 202, begun.text
        answer = self.poll(begun.headers["Content-Location"])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def export(self, path: str = "/$export", **more: Any) -> dict[str, list[dict[str, Any]]]:
        """All resources by type; every file holds as many as the manifest says."""
        return self.fetch(self.manifest(path, **more)["output"])

    def fetch(self, entries: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in entries:
            lines = self.http.get(entry["url"]).content.splitlines()
            assert len(lines) == entry["count"]
            found.setdefault(entry.get("type", ""), []).extend(json.loads(line) for line in lines)
        return found

    def ids(self, path: str = "/$export", **more: Any) -> dict[str, list[str]]:
        return {name: [item["id"] for item in found] for name, found in self.export(path, **more).items()}


@contextmanager
def visiting(folder: Path, faults: Faults | None = None, **more: Any) -> Iterator[Visitor]:
    """A visitor to a server over ``folder``, open to all unless told otherwise."""
    access: Mapping[str, Any] = {} if "clients" in more or "client_secrets" in more else {"open_access": True}
    options: dict[str, Any] = {"polls": 0, "faults": faults or Faults(), **access, **more}
    with (
        HospitalServer(folder, **options) as server,
        httpx.Client(base_url=server.base_url, timeout=20, headers={"Accept-Encoding": "identity"}) as http,
    ):
        yield Visitor(server, http)


def issue(answer: httpx.Response) -> str:
    """The code of the first issue of an OperationOutcome."""
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["code"])
