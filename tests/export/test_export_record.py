"""``log.ndjson``: the events of the SMART client's log by its names, and nothing that must not be in it."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from medcairn.core.errors import ExternalError
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest, Credentials, SmartCredentials, public_jwks
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server.faults import Faults

from .conftest import CLIENT_ID, Export, FakeTime
from .hospital_client import ServedHospital
from .simulator import Reply, SimFile, Simulator, resource

EVENTS = {
    "kickoff": {
        "exportUrl",
        "errorCode",
        "errorBody",
        "softwareName",
        "softwareVersion",
        "softwareReleaseDate",
        "fhirVersion",
        "requestParameters",
        "responseHeaders",
    },
    "status_progress": {"body", "xProgress", "retryAfter"},
    "status_error": {"body", "code", "message", "responseHeaders"},
    "status_complete": {"transactionTime"},
    "status_page_complete": {"transactionTime", "outputFileCount", "deletedFileCount", "errorFileCount"},
    "manifest_complete": {
        "transactionTime",
        "totalOutputFileCount",
        "totalDeletedFileCount",
        "totalErrorFileCount",
        "totalManifests",
    },
    "download_request": {"fileUrl", "itemType", "resourceType"},
    "download_complete": {"fileUrl", "resourceCount", "fileSize"},
    "download_error": {"fileUrl", "body", "code", "message", "responseHeaders"},
    "export_complete": {"files", "resources", "bytes", "attachments", "duration"},
}
"""Names as in smart-on-fhir/bulk-data-client, whose log dashboards read."""


def events(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "log.ndjson").read_text().splitlines()]
    for event in found:
        assert set(event) == {"exportId", "timestamp", "eventId", "eventDetail"}
        assert set(event["eventDetail"]) == EVENTS[event["eventId"]]
    return found


def details(folder: Path, name: str) -> list[dict[str, object]]:
    return [event["eventDetail"] for event in events(folder) if event["eventId"] == name]  # type: ignore[misc]


@pytest.fixture
def served(tmp_path: Path, fake_time: FakeTime) -> ServedHospital:
    data = tmp_path / "hospital"
    write_ndjson(data, patients=2, seed=7, progress=NoProgress())
    return ServedHospital(data, tmp_path, fake_time)


def test_the_events_of_an_export_in_order(
    served: ServedHospital, credentials: Credentials, client_key: bytes
) -> None:
    clients: dict[str, object] = {CLIENT_ID: public_jwks(client_key)}
    with served(Faults(page_size=1), credentials=credentials, clients=clients) as client:
        report = client.export(BulkRequest(types=("Patient", "Condition"), since="2001-01-01"))
        requests = client.server.requests
    ids = [str(event["eventId"]) for event in events(client.out)]
    assert list(dict.fromkeys(ids)) == [
        "kickoff",
        "status_progress",
        "status_complete",
        "status_page_complete",
        "manifest_complete",
        "download_request",
        "download_complete",
        "export_complete",
    ]
    (kickoff,) = details(client.out, "kickoff")
    assert kickoff["requestParameters"] == {"_type": "Patient,Condition", "_since": "2001-01-01T00:00:00Z"}
    assert str(kickoff["exportUrl"]).endswith("/fhir/$export")
    assert kickoff["softwareName"] == "medcairn synthetic hospital"
    (manifest,) = details(client.out, "manifest_complete")
    assert (manifest["totalOutputFileCount"], manifest["totalManifests"]) == (2, 2)
    (complete,) = details(client.out, "export_complete")
    assert complete["resources"] == report.resource_count
    assert complete["bytes"] == report.size
    assert complete["files"] == 2
    assert isinstance(complete["duration"], int)
    assert complete["duration"] > 0
    asked = {str(item["fileUrl"]) for item in details(client.out, "download_request")}
    assert asked == {str(item["fileUrl"]) for item in details(client.out, "download_complete")}
    assert len({event["exportId"] for event in events(client.out)}) == 1
    assert requests


def test_a_refused_kick_off_is_an_event_with_its_reason(served: ServedHospital) -> None:
    with served(Faults(unsupported=frozenset({"_type"}))) as client, pytest.raises(ExternalError):
        client.export(BulkRequest(types=("Patient",)))
    (kickoff,) = details(client.out, "kickoff")
    assert kickoff["errorCode"] == 400
    assert kickoff["errorBody"] == "error: The request has a parameter that this server does not know"


def test_a_failed_job_and_a_failed_file_are_events(
    hospital: Simulator, served: ServedHospital, export: Export, out: Path
) -> None:
    with served(Faults(failing_jobs=1)) as client, pytest.raises(ExternalError):
        client.export()
    (error,) = details(client.out, "status_error")
    assert (error["code"], error["body"]) == (500, "error: The export failed")
    hospital.script["GET /files/output/0"] = [Reply(403, b"CANARY-BODY")]
    with pytest.raises(ExternalError):
        export(hospital)
    (failed,) = details(out, "download_error")
    assert failed["code"] == 403
    assert failed["message"] == "The server refused to deliver a file"
    assert "CANARY-BODY" not in (out / "log.ndjson").read_text()


def test_the_log_goes_on_after_a_crash_with_the_same_export(
    hospital: Simulator, export: Export, out: Path
) -> None:
    hospital.script["GET /files/output/2"] = [Reply(403)]
    with pytest.raises(ExternalError):
        export(hospital, parallel=1)
    with (out / "log.ndjson").open("ab") as stream:
        stream.write(b'{"exportId": "cut sh')
    before = len(events_up_to_the_cut(out))
    export(hospital)
    assert len(events(out)) > before
    assert len({event["exportId"] for event in events(out)}) == 1
    assert [event["eventId"] for event in events(out)].count("kickoff") == 1
    export(hospital)
    assert len({event["exportId"] for event in events(out)}) == 2, "another export is another id"
    assert stat.S_IMODE((out / "log.ndjson").stat().st_mode) == 0o600


def events_up_to_the_cut(folder: Path) -> list[bytes]:
    return (folder / "log.ndjson").read_bytes().split(b"\n")[:-1]


def test_no_signature_token_or_control_character_gets_in(
    guarded: Simulator, export: Export, credentials: SmartCredentials, out: Path
) -> None:
    """A server may echo the token that it refuses."""
    guarded.files.append(SimFile("Patient", resource("Patient", 9), url="../files/output/3?sig=CANARYSIG"))
    issue = {"severity": "error", "code": "exception", "diagnostics": "token secret-token-0 \x1b[31m refused"}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    guarded.script["GET /status/job1"] = [Reply(500, body)]
    remarks: list[str] = []
    with pytest.raises(ExternalError):
        export(guarded, credentials=credentials, on_remark=remarks.append)
    export(guarded, credentials=credentials)
    (error,) = details(out, "status_error")
    assert error["body"] == "error: token (token) [31m refused"
    assert remarks == ["error: token (token) [31m refused"]
    text = (out / "log.ndjson").read_text()
    assert not [form for form in ("CANARYSIG", "secret-token", "eyJ", CLIENT_ID) if form in text]
    assert "#Patient.002.ndjson" in text, "which file it is shows without the query"


def test_the_log_may_lie_elsewhere(hospital: Simulator, export: Export, out: Path, tmp_path: Path) -> None:
    export(hospital, event_log=tmp_path / "events.ndjson")
    assert not (out / "log.ndjson").exists()
    assert (tmp_path / "events.ndjson").read_text().count("export_complete") == 1
