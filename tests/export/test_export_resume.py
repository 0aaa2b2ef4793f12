"""After kill -9, Ctrl-C and other ends: nothing is asked for or fetched twice, and the bytes are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medcairn.core.digests import digest_file
from medcairn.core.errors import DataError, ExternalError
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server import HospitalServer
from medcairn.synthetic.server.faults import Faults

from .conftest import Export, FakeTime, data_of, names
from .simulator import Hold, Reply, Simulator, ndjson

WAIT_SECONDS = 40


def _eventually(what: object) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def _start(simulator: Simulator | HospitalServer, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "medcairn.cli.main", "export", simulator.base_url, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def many(request: pytest.FixtureRequest) -> Simulator:
    return Simulator([ndjson("Observation", 200, start=200 * n) for n in range(6)])


def test_kill_9_in_a_download(many: Simulator, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    release = threading.Event()
    with many as simulator:
        assert _start(simulator, whole).wait(WAIT_SECONDS) == 0
        simulator.seen.clear()

        simulator.script["GET /files/output/3"] = [Hold(release)]
        process = _start(simulator, out)
        partial = out.with_name("out.partial")
        journal = out.with_name("out.work") / "job.ndjson"
        _eventually(lambda: journal.exists() and journal.read_bytes().count(b'"type":"file"') == 5)
        _eventually(lambda: (partial / "Observation.003.ndjson.partial").exists())
        process.send_signal(signal.SIGKILL)
        assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
        release.set()
        assert not out.exists()

        before = len(simulator.requests("/files/"))
        assert _start(simulator, out).wait(WAIT_SECONDS) == 0
        fetched = [seen.path for seen in simulator.requests("/files/")[before:]]

        assert simulator.kick_offs == 2, "one for each of the two exports, none for the rerun"
        assert fetched == ["/files/output/3"]
        assert len(simulator.requests("/status/job2", "DELETE")) == 1
    assert data_of(out) == data_of(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "whole"]


def test_kill_9_while_the_server_prepares(many: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with many as simulator:
        simulator.polls_until_ready = 10**6
        process = _start(simulator, out)
        _eventually(lambda: len(simulator.requests("/status/")) >= 1)
        process.kill()
        process.wait(WAIT_SECONDS)
        simulator.polls_until_ready = 0
        assert _start(simulator, out).wait(WAIT_SECONDS) == 0
        assert simulator.kick_offs == 1
    assert len(list(out.glob("Observation.*.ndjson"))) == 6


def test_kill_9_again_and_again(tmp_path: Path) -> None:
    """While it waits, after the first file, in the midst of files: the bytes are those of one go."""
    data, whole, out = tmp_path / "data", tmp_path / "whole", tmp_path / "out"
    write_ndjson(data, patients=4, seed=3, progress=NoProgress())
    journal = out.with_name("out.work") / "job.ndjson"

    def recorded(kind: str, count: int) -> Callable[[], bool]:
        return lambda: journal.exists() and journal.read_bytes().count(f'"type":"{kind}"'.encode()) >= count

    faults = Faults(lines_per_file=60, drip=300_000, only=frozenset({"Observation"}), drop_connection=1)
    with HospitalServer(data, open_access=True, polls=1, faults=faults) as server:
        assert _start(server, whole).wait(WAIT_SECONDS) == 0
        for moment in (
            recorded("kickoff", 1),
            recorded("plan", 1),
            recorded("file", 3),
            recorded("file", 15),
        ):
            process = _start(server, out)
            _eventually(moment)
            process.kill()
            assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
            assert not out.exists()
        assert _start(server, out).wait(WAIT_SECONDS) == 0
        assert len([asked for asked in server.requests if "$export" in asked.path]) == 2
        deleted = [asked for asked in server.requests if asked.method == "DELETE"]
        assert len(deleted) == 2, "one for each job, at its end"
    assert data_of(out) == data_of(whole)
    assert len(data_of(out)) > 20


LARGE = ndjson("Observation", 60_000, note="x" * 60)


@pytest.mark.parametrize(
    ("etag", "later", "ranges"),
    [
        ('"v1"', '"v1"', ["", "bytes=3000000-"]),
        ('"v1"', '"v2"', ["", "bytes=3000000-"]),
        ('W/"v1"', 'W/"v1"', ["", ""]),
        (None, None, ["", ""]),
    ],
    ids=["goes on", "changed meanwhile", "weak", "not offered"],
)
def test_a_large_file_goes_on_where_the_connection_broke(
    export: Export, out: Path, etag: str | None, later: str | None, ranges: list[str]
) -> None:
    with Simulator([LARGE]) as simulator:
        simulator.etag = later
        offered = {"ETag": etag, "Accept-Ranges": "bytes"} if etag else {}
        simulator.script["GET /files/output/0"] = [Reply(200, LARGE.body, offered, cut_after=3_000_000)]
        report = export(simulator)
        asked = simulator.requests("/files/")
    assert (out / "Observation.000.ndjson").read_bytes() == LARGE.body
    assert report.files[0].digest == digest_file(out / "Observation.000.ndjson")
    assert [seen.headers.get("range", "") for seen in asked] == ranges


def test_bytes_that_fail_a_check_are_not_built_on(export: Export, out: Path) -> None:
    spoilt = LARGE.body.replace(b'"id"', b'"id', 1)
    with Simulator([LARGE]) as simulator:
        simulator.etag = '"v1"'
        offered = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        simulator.script["GET /files/output/0"] = [Reply(200, spoilt, offered, cut_after=3_000_000)]
        export(simulator)
        assert [seen.headers.get("range") for seen in simulator.requests("/files/")] == [None, None]
    assert (out / "Observation.000.ndjson").read_bytes() == LARGE.body


@pytest.mark.parametrize("part", ["another", "none"])
def test_a_part_that_was_not_asked_for_is_not_taken(export: Export, out: Path, part: str) -> None:
    with Simulator([LARGE]) as simulator:
        simulator.etag = '"v1"'
        offered = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        wrong = {"ETag": '"v1"', "Content-Range": f"bytes 5-9/{len(LARGE.body)}"}
        simulator.script["GET /files/output/0"] = [
            Reply(200, LARGE.body, offered, cut_after=3_000_000),
            Reply(206, LARGE.body[5:10], wrong) if part == "another" else Reply(416),
        ]
        export(simulator)
    assert (out / "Observation.000.ndjson").read_bytes() == LARGE.body


def test_a_large_file_goes_on_after_kill_9(tmp_path: Path) -> None:
    out, release = tmp_path / "out", threading.Event()
    partial = tmp_path / "out.partial" / "Observation.000.ndjson.partial"
    with Simulator([LARGE]) as simulator:
        simulator.etag = '"v1"'
        simulator.script["GET /files/output/0"] = [Hold(release)]
        process = _start(simulator, out)
        _eventually(lambda: partial.exists() and partial.stat().st_size > 1_000_000)
        process.kill()
        process.wait(WAIT_SECONDS)
        release.set()
        held = partial.stat().st_size
        assert _start(simulator, out).wait(WAIT_SECONDS) == 0
        assert simulator.requests("/files/")[-1].headers["range"] == f"bytes={held}-"
        assert simulator.kick_offs == 1
    assert data_of(out)["Observation.000.ndjson"] == LARGE.body


def test_ctrl_c_tells_the_server_and_leaves_with_130(many: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with many as simulator:
        simulator.polls_until_ready = 10**6
        process = _start(simulator, out)
        _eventually(lambda: len(simulator.requests("/status/")) >= 1)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 130
        assert len(simulator.requests("/status/job1", "DELETE")) == 1
    assert not out.exists()


def test_ctrl_c_in_a_download_does_not_wait_for_a_silent_stream(many: Simulator, tmp_path: Path) -> None:
    release = threading.Event()
    with many as simulator:
        simulator.script["GET /files/output/3"] = [Hold(release)]
        process = _start(simulator, tmp_path / "out")
        _eventually(lambda: len(simulator.requests("/files/")) == 6)
        os.kill(process.pid, signal.SIGINT)
        _eventually(lambda: simulator.requests("/status/job1", "DELETE"))
        release.set()
        assert process.wait(WAIT_SECONDS) == 130


def test_a_finished_job_is_not_asked_for_again(hospital: Simulator, export: Export, tmp_path: Path) -> None:
    """A crash between the export's end and the artifact's rename costs nothing."""
    job_file = tmp_path / "job"
    first = export(hospital, job_file=job_file)
    requests = len(hospital.seen)
    assert export(hospital, job_file=job_file) == first
    assert len(hospital.seen) == requests


def test_a_changed_file_is_noticed(hospital: Simulator, export: Export, out: Path, tmp_path: Path) -> None:
    job_file = tmp_path / "job"
    export(hospital, job_file=job_file)
    (out / "Patient.000.ndjson").write_bytes(b"{}\n")
    export(hospital, job_file=job_file)
    assert (out / "Patient.000.ndjson").read_bytes() == hospital.files[0].body
    assert hospital.kick_offs == 2


def _fails_at_third_file(hospital: Simulator, export: Export) -> None:
    hospital.script["GET /files/output/2"] = [Reply(403)]
    with pytest.raises(ExternalError):
        export(hospital, parallel=1)


def test_only_what_is_missing_is_fetched(hospital: Simulator, export: Export, out: Path) -> None:
    _fails_at_third_file(hospital, export)
    assert [seen.path for seen in hospital.requests("/files/")] == [
        "/files/output/1",
        "/files/output/0",
        "/files/output/2",
    ]
    report = export(hospital)
    assert hospital.kick_offs == 1
    assert [seen.path for seen in hospital.requests("/files/")][3:] == ["/files/output/2"]
    assert report.resources == {"Condition": 2, "Patient": 5}
    assert not (out / "job.journal").exists()


def test_another_request_starts_anew(hospital: Simulator, export: Export, out: Path) -> None:
    _fails_at_third_file(hospital, export)
    hospital.files = hospital.files[:1]
    export(hospital, BulkRequest(types=("Patient",)))
    assert hospital.kick_offs == 2
    assert names(out) == ["Patient.000.ndjson"], "no file of the earlier request"


def test_a_job_that_the_server_forgot_starts_anew(hospital: Simulator, export: Export) -> None:
    _fails_at_third_file(hospital, export)
    hospital.script["GET /status/job1"] = [Reply(404)]
    assert export(hospital).resources == {"Condition": 2, "Patient": 5}
    assert hospital.kick_offs == 2


def test_a_manifest_that_changed_makes_finished_files_worthless(
    hospital: Simulator, export: Export, out: Path
) -> None:
    _fails_at_third_file(hospital, export)
    hospital.files = [ndjson("Patient", 9)]
    assert export(hospital).resources == {"Patient": 9}
    assert hospital.kick_offs == 1
    assert names(out) == ["Patient.000.ndjson"]


def test_a_journal_cut_short_is_read_up_to_the_cut(hospital: Simulator, export: Export, out: Path) -> None:
    _fails_at_third_file(hospital, export)
    journal = out / "job.journal"
    journal.write_bytes(journal.read_bytes()[:-5])
    export(hospital)
    assert hospital.kick_offs == 1
    assert [seen.path for seen in hospital.requests("/files/")][3:] != []


@pytest.mark.parametrize("journal", [b"", b"\xff\xfe\n", b"[]\n", b'{"type":"end"}\n', b"x" * 100])
def test_a_journal_that_is_none_is_no_journal(
    hospital: Simulator, export: Export, out: Path, journal: bytes
) -> None:
    (out / "job.journal").write_bytes(journal)
    assert export(hospital).resource_count == 7


def test_an_outage_while_waiting_keeps_the_job(
    hospital: Simulator, export: Export, fake_time: FakeTime
) -> None:
    hospital.script["GET /status/job1"] = [Reply(503)] * 30
    with pytest.raises(ExternalError, match="does not tell"):
        export(hospital)
    export(hospital)
    assert hospital.kick_offs == 1


@pytest.mark.parametrize("fault", ["manifest", "line", "count", "gone"])
def test_what_is_worthless_is_asked_for_anew(hospital: Simulator, export: Export, fault: str) -> None:
    """Going on with a job whose files are wrong would fail for ever."""
    script: dict[str, list[Reply | Hold]] = {
        "manifest": [Reply(200, b"<html>")],
        "line": [Reply(200, b"{\n")] * 3,
        "count": [Reply(200, hospital.files[0].body[:0])] * 3,
        "gone": [Reply(410)] * 2,
    }
    hospital.script["GET /status/job1" if fault == "manifest" else "GET /files/output/0"] = script[fault]
    with pytest.raises((ExternalError, DataError)):
        export(hospital)
    assert len(hospital.requests("/status/job1", "DELETE")) == 1
    assert export(hospital).resource_count == 7
    assert hospital.kick_offs == 2
