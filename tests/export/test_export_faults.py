"""Servers as they are: each fault over real HTTP."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from medcairn.core.clock import SystemClock
from medcairn.core.errors import DataError, ExternalError, MedcairnError, TransientError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest, SmartCredentials, export_bulk

from .conftest import Export, FakeTime, names
from .simulator import Reply, SimFile, Simulator, ndjson, resource

FIRST_FILE = "GET /files/output/0"


def outcome(severity: str) -> bytes:
    issue = {"severity": severity, "code": "processing", "diagnostics": "CANARY-DIAGNOSTICS"}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode() + b"\n"


@pytest.mark.parametrize("endpoint", ["GET /fhir/$export", "GET /status/job1", FIRST_FILE])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_passes_is_waited_out(
    hospital: Simulator, export: Export, fake_time: FakeTime, out: Path, endpoint: str, status: int
) -> None:
    hospital.script[endpoint] = [Reply(status, b"<html>down</html>")] * 3
    export(hospital)
    assert (out / "Patient.000.ndjson").read_bytes() == hospital.files[0].body
    assert 3 < fake_time.total < 30


@pytest.mark.parametrize("retry_after", ["1893456000", "1893456000000", "-5", "soon", "99999999999999999999"])
def test_a_broken_retry_after_is_clamped(
    hospital: Simulator, export: Export, fake_time: FakeTime, retry_after: str
) -> None:
    hospital.script["GET /status/job1"] = [Reply(429, headers={"Retry-After": retry_after})]
    export(hospital)
    assert 0 < fake_time.total <= 605


def test_retry_after_in_seconds_is_obeyed(hospital: Simulator, export: Export, fake_time: FakeTime) -> None:
    hospital.script["GET /status/job1"] = [Reply(202, headers={"Retry-After": "90"})]
    export(hospital)
    assert 90 <= fake_time.total < 100


def test_a_server_that_never_finishes_meets_the_time_limit(
    hospital: Simulator, export: Export, fake_time: FakeTime
) -> None:
    hospital.polls_until_ready = 10**9
    with pytest.raises(ExternalError, match="time limit"):
        export(hospital, time_limit_seconds=200)
    assert fake_time.total <= 200


def test_a_job_that_failed_is_said_so_and_asked_for_anew(hospital: Simulator, export: Export) -> None:
    hospital.script["GET /status/job1"] = [Reply(500, b"<html>CANARY-HTML</html>")] * 6
    with pytest.raises(ExternalError, match="the export failed") as caught:
        export(hospital)
    assert "CANARY" not in str(caught.value)
    export(hospital)
    assert hospital.kick_offs == 2


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"output": [{"type": "Patient"}]}', b"\xff"])
def test_a_manifest_that_cannot_be_read(hospital: Simulator, export: Export, body: bytes) -> None:
    hospital.script["GET /status/job1"] = [Reply(200, body)]
    with pytest.raises(ExternalError, match="manifest"):
        export(hospital)


@pytest.mark.parametrize("cut", [1, 70, 90])
def test_a_connection_dropped_in_a_file(hospital: Simulator, export: Export, out: Path, cut: int) -> None:
    body = hospital.files[0].body
    hospital.script[FIRST_FILE] = [Reply(200, body, cut_after=cut)]
    export(hospital)
    assert (out / "Patient.000.ndjson").read_bytes() == body


def test_a_file_cut_at_a_line_end_is_fetched_again(hospital: Simulator, export: Export, out: Path) -> None:
    body = hospital.files[0].body
    hospital.script[FIRST_FILE] = [Reply(200, body[: body.index(b"\n") + 1])]
    export(hospital)
    assert (out / "Patient.000.ndjson").read_bytes() == body


def test_a_count_that_stays_wrong_stops_the_export(export: Export, out: Path) -> None:
    file = ndjson("Patient", 3)
    with (
        Simulator([ndjson("Condition", 2), SimFile("Patient", file.body, count=4)]) as simulator,
        pytest.raises(TransientError) as caught,
    ):
        export(simulator)
    assert caught.value.fields == {"file": "Patient.000.ndjson", "expected_lines": 4, "found_lines": 3}
    assert caught.value.exit_code == 6
    assert not (out / "Patient.000.ndjson").exists()
    assert (out / "Condition.000.ndjson").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"resourceType":"Patient","id":"CANARY",}', "no JSON object"),
        (b'["CANARY"]', "no JSON object"),
        (b'{"resourceType":"Patient","id":"CANARY\xff"}', "no JSON object"),
        (b'{"resourceType":"Observation","id":"CANARY"}', "another type"),
        (b'{"id":"CANARY"}', "another type"),
    ],
)
def test_a_bad_line_is_named_and_never_quoted(export: Export, out: Path, line: bytes, message: str) -> None:
    body = resource("Patient", 1) + line + b"\n" + resource("Patient", 2)
    with Simulator([SimFile("Patient", body, count=3)]) as simulator, pytest.raises(DataError) as caught:
        export(simulator)
    assert message in caught.value.message
    assert caught.value.fields == {"file": "Patient.000.ndjson", "line": 2}
    assert "CANARY" not in str(caught.value)
    assert not (out / "Patient.000.ndjson").exists()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "Patient/../x", "/tmp/x", "", "Pat ient", "patient", "P" * 99]
)
def test_a_type_that_is_no_name_writes_nothing(export: Export, out: Path, tmp_path: Path, name: str) -> None:
    file = SimFile("Patient", resource("Patient", 1), listed_type=name or " ")
    with Simulator([file]) as simulator, pytest.raises(ExternalError, match="type"):
        export(simulator)
    assert names(out) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://user:word@127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0:1/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://127.0.0.1:bad/x",
        "http://[broken/x",
    ],
)
def test_an_address_that_must_not_be_opened(export: Export, url: str) -> None:
    file = SimFile("Patient", resource("Patient", 1), url=url)
    with Simulator([file]) as simulator, pytest.raises(ExternalError) as caught:
        export(simulator)
    assert "169.254" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_a_redirect_to_storage_is_followed_without_the_token(
    guarded: Simulator, export: Export, credentials: SmartCredentials, out: Path
) -> None:
    with Simulator([ndjson("Patient", 3)]) as storage:
        address = f"{storage.root}/files/output/0?signature=abc"
        guarded.script[FIRST_FILE] = [Reply(302, headers={"Location": address})]
        export(guarded, credentials=credentials)
        assert [(seen.path, seen.token) for seen in storage.seen] == [("/files/output/0", None)]
    assert (out / "Patient.000.ndjson").read_bytes() == guarded.files[0].body


def test_files_on_another_host_get_no_token_though_the_manifest_asks(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    with Simulator([ndjson("Patient", 3)]) as storage:
        address = f"{storage.root}/files/output/0"
        guarded.files[0] = SimFile("Patient", guarded.files[0].body, 3, url=address)
        export(guarded, credentials=credentials)
        assert [seen.token for seen in storage.seen] == [None]


def test_redirects_without_end(hospital: Simulator, export: Export) -> None:
    hospital.script[FIRST_FILE] = [Reply(302, headers={"Location": "/files/output/0"})] * 50
    with pytest.raises(ExternalError, match="without end"):
        export(hospital)


def test_an_expired_file_is_asked_for_again_once(hospital: Simulator, export: Export, out: Path) -> None:
    hospital.script[FIRST_FILE] = [Reply(410)]
    export(hospital)
    assert (out / "Patient.000.ndjson").read_bytes() == hospital.files[0].body
    assert hospital.kick_offs == 1


def test_a_file_that_stays_gone(hospital: Simulator, export: Export) -> None:
    hospital.script[FIRST_FILE] = [Reply(404)] * 9
    with pytest.raises(ExternalError, match="refused to deliver") as caught:
        export(hospital)
    assert caught.value.fields["status"] == 404


def test_a_partial_failure_keeps_what_succeeded_and_fails(
    hospital: Simulator, export: Export, out: Path
) -> None:
    errors = outcome("error") + outcome("warning") + b"not json\n"
    hospital.errors = [SimFile("OperationOutcome", errors, count=17)]
    with pytest.raises(ExternalError, match="could not export everything") as caught:
        export(hospital)
    assert caught.value.fields["issues"] == 2
    assert caught.value.fields["files_kept"] == 3
    assert "CANARY" not in str(caught.value)
    assert (out / "Patient.001.ndjson").read_bytes() == hospital.files[2].body
    assert (out / "errors" / "OperationOutcome.000.ndjson").read_bytes() == errors

    report = export(hospital, allow_partial=True)
    assert report.outcomes == {"error": 1, "unreadable": 1, "warning": 1}
    assert hospital.kick_offs == 1, "accepting what is there asks for nothing new"


def test_a_partial_failure_is_asked_for_anew_on_the_next_run(hospital: Simulator, export: Export) -> None:
    hospital.errors = [SimFile("OperationOutcome", outcome("fatal"))]
    with pytest.raises(ExternalError):
        export(hospital)
    hospital.errors = []
    assert export(hospital).outcomes == {}
    assert hospital.kick_offs == 2


def test_warnings_alone_are_no_failure(hospital: Simulator, export: Export) -> None:
    hospital.errors = [SimFile("OperationOutcome", outcome("warning") + outcome("information"))]
    assert export(hospital).outcomes == {"information": 1, "warning": 1}


def test_nothing_exported_is_an_error_unless_only_news_were_asked_for(export: Export) -> None:
    with Simulator([]) as simulator:
        with pytest.raises(DataError, match="exported nothing"):
            export(simulator, BulkRequest(level="group", group="unknown"))
        assert export(simulator, BulkRequest(since="2026-01-01")).resource_count == 0


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "--client-id"), (403, "registered"), (404, "group"), (400, "types")]
)
def test_a_refused_kick_off(hospital: Simulator, export: Export, status: int, hint: str) -> None:
    hospital.script["GET /fhir/$export"] = [Reply(status, outcome("error"))]
    with pytest.raises(ExternalError, match="refused to start") as caught:
        export(hospital)
    assert hint in caught.value.hint
    assert caught.value.fields["status"] == status
    assert "CANARY" not in str(caught.value)


def test_a_server_that_is_down_is_said_so_at_once(out: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ExternalError, match="cannot be reached") as caught:
        export_bulk(
            f"http://127.0.0.1:{port}/secret-path",
            out,
            request=BulkRequest(),
            credentials=None,
            progress=NoProgress(),
            clock=SystemClock(),
        )
    assert time.monotonic() - started < 5
    assert caught.value.hint
    assert "secret-path" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert caught.value.__context__ is None, "a foreign error would bring the address along"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:CANARY@host/fhir",
        "https://host/fhir?key=CANARY",
        "https://h/#CANARY",
        "ftp://h",
        "host/fhir",
    ],
)
def test_a_base_url_that_is_none(out: Path, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        export_bulk(
            url, out, request=BulkRequest(), credentials=None, progress=NoProgress(), clock=SystemClock()
        )
    assert "CANARY" not in str(caught.value)


def test_a_token_is_not_sent_over_plain_http(out: Path, credentials: SmartCredentials) -> None:
    with pytest.raises(UsageError, match="plain http"):
        export_bulk(
            "http://hospital.example/fhir",
            out,
            request=BulkRequest(),
            credentials=credentials,
            progress=NoProgress(),
            clock=SystemClock(),
        )


def test_a_full_disk_is_a_clear_error(
    hospital: Simulator, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "CANARY")

    monkeypatch.setattr("medcairn.export.bulkdata.commit.os.fsync", full)
    assert os.fsync is full
    with pytest.raises(MedcairnError, match="disk is full") as caught:
        export(hospital)
    assert "CANARY" not in str(caught.value)
