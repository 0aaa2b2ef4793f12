"""Against the synthetic hospital: the server that the demonstration uses."""

from __future__ import annotations

from pathlib import Path

from medcairn.core.clock import SystemClock
from medcairn.core.progress import NoProgress
from medcairn.export import (
    BulkRequest,
    SmartCredentials,
    export_bulk,
    export_files,
    public_jwks,
)
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server import HospitalServer

from .conftest import CLIENT_ID


def test_what_is_exported_is_what_the_hospital_holds(
    tmp_path: Path, out: Path, client_key: bytes, credentials: SmartCredentials
) -> None:
    data = tmp_path / "hospital"
    generated = write_ndjson(data, patients=12, seed=7, progress=NoProgress())
    with HospitalServer(data, clients={CLIENT_ID: public_jwks(client_key)}) as server:
        report = export_bulk(
            server.base_url,
            out,
            request=BulkRequest(),
            credentials=credentials,
            progress=NoProgress(),
            clock=SystemClock(),
        )
    assert report.resources == {name: count for name, count in sorted(generated.counts.items()) if count}
    assert report.transaction_time is not None

    landed = tmp_path / "landed"
    landed.mkdir()
    export_files(data, landed, progress=NoProgress())
    for resource_type in report.resources:
        lines = [path.read_bytes() for path in sorted(out.glob(f"{resource_type}.*.ndjson"))]
        assert b"".join(lines) == (landed / f"{resource_type}.000.ndjson").read_bytes()


def test_a_group_and_some_types(
    tmp_path: Path, out: Path, client_key: bytes, credentials: SmartCredentials
) -> None:
    data = tmp_path / "hospital"
    write_ndjson(data, patients=12, seed=7, progress=NoProgress())
    with HospitalServer(data, clients={CLIENT_ID: public_jwks(client_key)}) as server:
        report = export_bulk(
            server.base_url,
            out,
            request=BulkRequest(level="group", group="cohort", types=("Patient", "Encounter")),
            credentials=credentials,
            progress=NoProgress(),
            clock=SystemClock(),
        )
    assert set(report.resources) == {"Patient", "Encounter"}
    assert 0 < report.resources["Patient"] < 12
