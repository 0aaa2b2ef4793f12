"""Every fault over real HTTP: what the server does wrong, and that it does it no longer than told."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from medcairn.core.errors import UsageError
from medcairn.synthetic.server import ALWAYS, Faults, Gzip, KickOffBy, Phase, Redirect, read_faults, switches

from .server_visitor import KICK_OFF, PATIENTS, Visitor, issue, small_hospital, visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("faulty") / "records")


def _first_file(visitor: Visitor, path: str = "/$export?_type=Observation") -> str:
    return str(visitor.manifest(path)["output"][0]["url"])


# Errors that pass


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("transient", 500, "transient"), ("rate_limit", 429, "throttled"), ("unavailable", 503, "transient")],
)
def test_the_first_answers_of_each_address_fail_and_later_ones_do_not(
    folder: Path, fault: str, status: int, code: str
) -> None:
    told: dict[str, Any] = {fault: 2}
    faults = Faults(**told, retry_after="0")
    with visiting(folder, faults) as visitor:
        refused = [visitor.begin("/$export") for _ in range(2)]
        assert [(answer.status_code, issue(answer)) for answer in refused] == [(status, code)] * 2
        assert refused[0].headers["Retry-After"] == "0"
        where = visitor.begin("/$export").headers["Content-Location"]
        assert [visitor.http.get(where).status_code for _ in range(2)] == [status] * 2
        manifest = visitor.poll(where).json()
        for entry in manifest["output"]:
            got = [visitor.http.get(entry["url"]).status_code for _ in range(3)]
            assert got == [status, status, 200]


def test_an_error_strikes_only_the_phases_that_were_chosen(folder: Path) -> None:
    faults = Faults(transient=1, phases=frozenset({Phase.DELETE, Phase.READ}))
    with visiting(folder, faults) as visitor:
        where = visitor.begin("/$export").headers["Content-Location"]
        assert visitor.poll(where).status_code == 200
        assert [visitor.http.delete(where).status_code for _ in range(2)] == [500, 202]
        assert [visitor.http.get("/Patient/p1").status_code for _ in range(2)] == [500, 200]


def test_errors_of_several_kinds_follow_each_other(folder: Path) -> None:
    with visiting(folder, Faults(transient=1, rate_limit=1, unavailable=1)) as visitor:
        assert [visitor.begin("/$export").status_code for _ in range(4)] == [500, 429, 503, 202]


@pytest.mark.parametrize(
    "told", ["1735689600", "1735689600000", "-5", "soon", "Fri, 31 Dec 1999 23:59:59 GMT", "1e9"]
)
def test_retry_after_is_sent_as_it_stands(folder: Path, told: str) -> None:
    faults = Faults(rate_limit=1, retry_after=told, poll_retry_after=told)
    with visiting(folder, faults, polls=1) as visitor:
        assert visitor.begin("/$export").headers["Retry-After"] == told
        where = visitor.begin("/$export").headers["Content-Location"]
        assert [visitor.http.get(where).headers["Retry-After"] for _ in range(2)] == [told, told]


def test_errors_can_be_pages_of_html(folder: Path) -> None:
    with visiting(folder, Faults(unavailable=1, html_errors=True, failing_jobs=1)) as visitor:
        pages = [visitor.begin("/$export")]
        where = visitor.begin("/$export").headers["Content-Location"]
        visitor.http.get(where)
        pages.append(visitor.poll(where))
        assert [page.status_code for page in pages] == [503, 500]
        for page in pages:
            assert page.headers["Content-Type"].startswith("text/html")
            assert "<h1>" in page.text


# Kick-off


def test_a_server_takes_kick_offs_by_one_method_alone(folder: Path) -> None:
    empty = {"resourceType": "Parameters"}
    for by, get, post in ((KickOffBy.GET, 202, 405), (KickOffBy.POST, 405, 202), (KickOffBy.BOTH, 202, 202)):
        with visiting(folder, Faults(kick_off=by)) as visitor:
            assert visitor.begin("/$export").status_code == get
            assert visitor.begin("/$export", json=empty).status_code == post


def test_a_server_without_bulk_data_still_reads(folder: Path) -> None:
    with visiting(folder, Faults(no_bulk=True)) as visitor:
        for path in ("/$export", "/Patient/$export", "/Group/cohort/$export"):
            refused = visitor.begin(path)
            assert (refused.status_code, issue(refused)) == (404, "not-found")
        assert "operation" not in visitor.http.get("/metadata").json()["rest"][0]
        assert visitor.http.get("/Patient").json()["resourceType"] == "Bundle"


def test_comma_lists_are_refused_where_only_repeating_will_do(folder: Path) -> None:
    with visiting(folder, Faults(no_comma_lists=True)) as visitor:
        assert visitor.begin("/$export?_type=Patient,Condition").status_code == 400
        assert set(visitor.ids("/$export?_type=Patient&_type=Condition")) == {"Patient", "Condition"}


def test_unsupported_parameters_are_refused_or_told_of(folder: Path) -> None:
    with visiting(folder, Faults(unsupported=frozenset({"_since"}))) as visitor:
        path = "/$export?_since=2024-06-01T00:00:00Z&_type=Observation"
        assert issue(visitor.begin(path)) == "not-supported"
        lenient = KICK_OFF | {"Prefer": "respond-async; handling=lenient"}
        manifest = visitor.manifest(path, headers=lenient)
        assert len(visitor.fetch(manifest["output"])["Observation"]) == 2 * PATIENTS
        told = visitor.fetch(manifest["error"])["OperationOutcome"]
        assert [item["issue"][0]["severity"] for item in told] == ["warning"]


def test_an_unknown_group_may_be_empty(folder: Path) -> None:
    with visiting(folder, Faults(empty_groups=True)) as visitor:
        manifest = visitor.manifest("/Group/nobody/$export")
        assert (manifest["output"], manifest["error"]) == ([], [])


# Jobs


def test_the_first_jobs_fail_for_good(folder: Path) -> None:
    with visiting(folder, Faults(failing_jobs=1, failure_status=422)) as visitor:
        where = visitor.begin("/$export").headers["Content-Location"]
        answers = [visitor.poll(where) for _ in range(2)]
        assert [(answer.status_code, issue(answer)) for answer in answers] == [(422, "exception")] * 2
        assert visitor.manifest()["output"]


def test_the_first_jobs_are_lost(folder: Path) -> None:
    with visiting(folder, Faults(lost_jobs=1)) as visitor:
        where = visitor.begin("/$export").headers["Content-Location"]
        assert visitor.http.get(where).status_code == 404
        assert visitor.http.delete(where).status_code == 404
        assert visitor.manifest()["output"]


def test_a_job_may_say_nothing_for_long(folder: Path) -> None:
    with visiting(folder, Faults(silent_polls=5), polls=1) as visitor:
        where = visitor.begin("/$export?_type=Patient").headers["Content-Location"]
        answers = [visitor.http.get(where) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 6
        assert "X-Progress" in answers[0].headers
        assert not any({"x-progress", "retry-after"} & answer.headers.keys() for answer in answers[1:])
        assert visitor.poll(where).status_code == 200


# Manifests


def test_counts_may_be_wrong(folder: Path) -> None:
    for wrong, counted in ((3, PATIENTS + 3), (-2, PATIENTS - 2), (-99, 0)):
        with visiting(folder, Faults(wrong_count=wrong)) as visitor:
            assert visitor.manifest("/$export?_type=Patient")["output"][0]["count"] == counted


def test_a_partial_failure_is_a_success_with_errors(folder: Path) -> None:
    with visiting(folder, Faults(partial_failure=frozenset({"Condition"}))) as visitor:
        manifest = visitor.manifest()
        assert {entry["type"] for entry in manifest["output"]} == {"Observation", "Organization", "Patient"}
        (error,) = manifest["error"]
        lines = visitor.http.get(error["url"]).text.splitlines()
        assert error["type"] == json.loads(lines[0])["resourceType"] == "OperationOutcome"
        assert error["count"] != len(lines)
        assert "Condition" in lines[0]


def test_a_manifest_may_have_pages(folder: Path) -> None:
    with visiting(folder, Faults(page_size=1, partial_failure=frozenset({"Condition"}))) as visitor:
        pages = [visitor.manifest()]
        while pages[-1].get("link"):
            (link,) = pages[-1]["link"]
            assert link["relation"] == "next"
            pages.append(visitor.http.get(link["url"]).json())
        assert [[entry["type"] for entry in page["output"]] for page in pages] == [
            ["Observation"],
            ["Organization"],
            ["Patient"],
        ]
        assert [len(page["error"]) for page in pages] == [0, 0, 1]
        wrong = pages[0]["link"][0]["url"].replace("/2", "/9")
        assert visitor.http.get(wrong).status_code == 404


def test_error_may_be_called_outcome(folder: Path) -> None:
    faults = Faults(outcome_for_error=True, partial_failure=frozenset({"Patient"}))
    with visiting(folder, faults) as visitor:
        manifest = visitor.manifest()
        assert "error" not in manifest
        assert manifest["outcome"][0]["type"] == "OperationOutcome"


def test_a_manifest_may_be_hostile(folder: Path) -> None:
    faults = Faults(hostile_type="../../escaped", hostile_url="{elsewhere}/stolen")
    with visiting(folder, faults) as visitor:
        first, second, *_ = visitor.manifest()["output"]
        assert first["type"] == "../../escaped"
        assert first["url"].endswith("/stolen")
        assert not first["url"].startswith(visitor.server.base_url.removesuffix("/fhir"))
        assert second["url"].startswith(visitor.server.base_url)
    with visiting(folder, Faults(hostile_url="file:///etc/hostname")) as visitor:
        assert visitor.manifest()["output"][0]["url"] == "file:///etc/hostname"


def test_addresses_of_files_change_with_each_manifest(folder: Path) -> None:
    with visiting(folder, Faults(signed_urls=True)) as visitor:
        where = visitor.begin("/$export?_type=Patient").headers["Content-Location"]
        old, new = (visitor.poll(where).json()["output"][0]["url"] for _ in range(2))
        assert old != new
        assert [visitor.http.get(url).status_code for url in (old, new)] == [410, 200]


# Files


def _broken(visitor: Visitor, url: str) -> bytes:
    """What arrives of a file before its connection is lost."""
    received = bytearray()
    with (
        pytest.raises(httpx.RemoteProtocolError),
        visitor.http.stream("GET", url) as answer,
    ):
        for block in answer.iter_raw():
            received += block
    return bytes(received)


def test_connections_are_lost_halfway(folder: Path) -> None:
    with visiting(folder, Faults(drop_connection=2)) as visitor:
        url = _first_file(visitor)
        broken = [_broken(visitor, url) for _ in range(2)]
        whole = visitor.http.get(url).content
        assert broken == [whole[: len(whole) // 2]] * 2
        assert len(whole.splitlines()) == 2 * PATIENTS


def test_connections_are_lost_within_gzip(folder: Path) -> None:
    with visiting(folder, Faults(drop_connection=1, gzip=Gzip.ALWAYS)) as visitor:
        url = _first_file(visitor)
        _broken(visitor, url)
        assert len(visitor.http.get(url).content.splitlines()) == 2 * PATIENTS


def test_a_truncated_file_says_so_nowhere(folder: Path) -> None:
    with visiting(folder, Faults(truncated=1)) as visitor:
        url = _first_file(visitor)
        cut, whole = visitor.http.get(url), visitor.http.get(url)
        assert int(cut.headers["Content-Length"]) == len(cut.content) < len(whole.content)
        assert whole.content.startswith(cut.content)
        with pytest.raises(json.JSONDecodeError):
            json.loads(cut.content.splitlines()[-1])


def test_a_short_file_ends_at_a_line_before_its_length(folder: Path) -> None:
    with visiting(folder, Faults(short_body=1)) as visitor:
        url = _first_file(visitor)
        short, whole = _broken(visitor, url), visitor.http.get(url).content
        assert whole.startswith(short)
        assert short.endswith(b"\n")
        assert 0 < len(short.splitlines()) < len(whole.splitlines())


@pytest.mark.parametrize("size", [1, 2])
def test_files_of_one_or_two_lines_are_cut_too(tmp_path: Path, size: int) -> None:
    line = '{"resourceType":"Patient","id":"a"}\n'
    (tmp_path / "Patient.000.ndjson").write_text(line * size)
    with visiting(tmp_path, Faults(truncated=1, short_body=1)) as visitor:
        url = _first_file(visitor, "/$export")
        cut = visitor.http.get(url).text
        assert cut == (line * size)[: len(cut)]
        assert cut.rpartition("\n")[2] not in ("", line.strip())
        assert _broken(visitor, url).decode() == line * (size - 1)
        assert visitor.http.get(url).text == line * size


def test_one_line_is_no_json(folder: Path) -> None:
    with visiting(folder, Faults(bad_line=1)) as visitor:
        url = _first_file(visitor)
        bad, good = (visitor.http.get(url).content.splitlines() for _ in range(2))
        assert len(bad) == len(good)
        differing = [number for number, pair in enumerate(zip(bad, good, strict=True)) if pair[0] != pair[1]]
        assert differing == [1]
        with pytest.raises(json.JSONDecodeError):
            json.loads(bad[1])


def test_one_resource_is_of_another_type(folder: Path) -> None:
    with visiting(folder, Faults(wrong_type=1)) as visitor:
        url = _first_file(visitor)
        types = [
            [json.loads(line)["resourceType"] for line in visitor.http.get(url).content.splitlines()]
            for _ in range(2)
        ]
        assert types[0][:3] == ["Observation", "Basic", "Observation"]
        assert types[1] == ["Observation"] * 2 * PATIENTS


def test_strings_may_hold_what_unicode_calls_line_ends(folder: Path) -> None:
    with visiting(folder, Faults(line_separators=True)) as visitor:
        body = visitor.http.get(_first_file(visitor)).content
        lines = body.split(b"\n")[:-1]
        assert len(lines) == 2 * PATIENTS
        for line in lines:
            assert "\u2028".encode() in line
            assert json.loads(line)["extension"][-1]["valueString"] == "one\u2028two\u2029three\u0085four"


def test_the_faults_of_files_can_be_kept_to_some_types(folder: Path) -> None:
    with visiting(folder, Faults(truncated=ALWAYS, wrong_count=1, only=frozenset({"Condition"}))) as visitor:
        entries = {entry["type"]: entry for entry in visitor.manifest()["output"]}
        assert entries["Condition"]["count"] == PATIENTS + 1
        assert entries["Patient"]["count"] == PATIENTS
        assert visitor.http.get(entries["Patient"]["url"]).content.endswith(b"\n")
        for _ in range(3):
            assert not visitor.http.get(entries["Condition"]["url"]).content.endswith(b"}")


@pytest.mark.parametrize("status", [404, 410])
def test_files_expire_until_the_manifest_is_asked_for_again(folder: Path, status: int) -> None:
    with visiting(folder, Faults(expired=1, expired_status=status)) as visitor:
        where = visitor.begin("/$export?_type=Patient").headers["Content-Location"]
        url = visitor.poll(where).json()["output"][0]["url"]
        assert [visitor.http.get(url).status_code for _ in range(2)] == [status] * 2
        assert visitor.http.get(where).status_code == 200
        assert visitor.http.get(url).status_code == 200


def test_files_may_expire_for_ever(folder: Path) -> None:
    with visiting(folder, Faults(expired=ALWAYS)) as visitor:
        where = visitor.begin("/$export?_type=Patient").headers["Content-Location"]
        for _ in range(3):
            url = visitor.poll(where).json()["output"][0]["url"]
            assert visitor.http.get(url).status_code == 410


@pytest.mark.parametrize(("to", "host"), [(Redirect.PORT, "127.0.0.1"), (Redirect.HOST, "localhost")])
def test_files_are_redirected_and_the_other_side_records_tokens(
    folder: Path, to: Redirect, host: str
) -> None:
    with visiting(folder, Faults(redirect=to)) as visitor:
        answer = visitor.http.get(_first_file(visitor))
        there = httpx.URL(answer.headers["Location"])
        assert (answer.status_code, there.host) == (302, host)
        assert there.port != visitor.server.port
        assert len(visitor.http.get(str(there)).content.splitlines()) == 2 * PATIENTS
        refused = visitor.http.get(str(there), headers={"Authorization": "Bearer leaked"})
        assert refused.status_code == 400
        told = [(asked.bearer, asked.status) for asked in visitor.server.requests if asked.elsewhere]
        assert told == [(False, 200), (True, 400)]


def test_the_second_listener_has_nothing_else(folder: Path) -> None:
    with visiting(folder, Faults(files_elsewhere=True)) as visitor:
        manifest = visitor.manifest("/$export?_type=Patient")
        url = manifest["output"][0]["url"]
        assert httpx.URL(url).host == "localhost"
        assert len(visitor.http.get(url).content.splitlines()) == PATIENTS
        path = httpx.URL(url).raw_path.decode()
        home = visitor.server.base_url.removesuffix("/fhir")
        assert visitor.http.get(home + path).status_code == 404


def test_files_may_drip(folder: Path) -> None:
    with visiting(folder, Faults(drip=20_000)) as visitor:
        url = _first_file(visitor)
        begun = time.monotonic()
        body = visitor.http.get(url).content
        assert time.monotonic() - begun > len(body) / 20_000 - 0.15
        assert len(body.splitlines()) == 2 * PATIENTS


def test_compression_goes_by_what_was_asked_unless_told_otherwise(folder: Path) -> None:
    for how, asked, packed in (
        (Gzip.ASKED, "gzip", True),
        (Gzip.ASKED, "identity", False),
        (Gzip.ALWAYS, "identity", True),
        (Gzip.NEVER, "gzip", False),
    ):
        with visiting(folder, Faults(gzip=how)) as visitor:
            url = _first_file(visitor)
            with visitor.http.stream("GET", url, headers={"Accept-Encoding": asked}) as answer:
                body = b"".join(answer.iter_raw())
            assert (answer.headers.get("Content-Encoding") == "gzip") is packed
            lines = (gzip.decompress(body) if packed else body).splitlines()
            assert len(lines) == 2 * PATIENTS


def test_content_types_have_a_charset_unless_told_otherwise(folder: Path) -> None:
    with visiting(folder) as visitor:
        assert "charset" in visitor.http.get(_first_file(visitor)).headers["Content-Type"]
        assert "charset" in visitor.http.get("/metadata").headers["Content-Type"]
    with visiting(folder, Faults(no_charset=True)) as visitor:
        assert visitor.http.get(_first_file(visitor)).headers["Content-Type"] == "application/fhir+ndjson"
        assert visitor.http.get("/metadata").headers["Content-Type"] == "application/fhir+json"
    with visiting(folder, Faults(content_type="application/octet-stream")) as visitor:
        assert visitor.http.get(_first_file(visitor)).headers["Content-Type"] == "application/octet-stream"


def test_one_type_may_have_several_files(folder: Path) -> None:
    with visiting(folder, Faults(lines_per_file=5)) as visitor:
        outputs = visitor.manifest("/$export?_type=Observation")["output"]
        assert [entry["count"] for entry in outputs] == [5, 5, 2]
        assert len({entry["url"] for entry in outputs}) == 3


def test_an_export_may_have_very_many_files(folder: Path) -> None:
    with visiting(folder, Faults(tiny_files=20_000)) as visitor:
        outputs = visitor.manifest()["output"]
        assert len(outputs) == len({entry["url"] for entry in outputs}) == 20_000
        found = visitor.fetch([outputs[0], outputs[19_999]])["Observation"]
        assert [item["id"] for item in found] == ["generated-0000000000", "generated-0000019999"]


def test_a_large_file_is_nowhere_on_disk(folder: Path) -> None:
    size = 30_000_000
    with visiting(folder, Faults(large_file=size)) as visitor:
        (entry,) = visitor.manifest()["output"]
        received, lines, last = 0, 0, b""
        with visitor.http.stream("GET", entry["url"]) as answer:
            for block in answer.iter_raw():
                received, lines, last = received + len(block), lines + block.count(b"\n"), block
        assert size * 0.99 < received <= size
        assert lines == entry["count"]
        final = json.loads(last.splitlines()[-1])
        assert final["id"] == f"generated-{lines - 1:010}"


def test_a_client_that_goes_away_ends_a_download(folder: Path) -> None:
    with visiting(folder, Faults(large_file=50_000_000_000)) as visitor:
        url = visitor.manifest()["output"][0]["url"]
        with visitor.http.stream("GET", url) as answer:
            next(answer.iter_raw())
        assert visitor.http.get("/metadata").status_code == 200


# The record of requests, and the switches by name


def test_every_request_is_on_record(folder: Path) -> None:
    with visiting(folder) as visitor:
        begun = time.monotonic()
        visitor.begin("/$export?_type=Patient", headers=KICK_OFF | {"Authorization": "Bearer x"})
        visitor.http.get("/Nothing")
        seen = visitor.server.requests
        assert [(asked.method, asked.path, asked.bearer, asked.status) for asked in seen] == [
            ("GET", "/fhir/$export?_type=Patient", True, 202),
            ("GET", "/fhir/Nothing", False, 404),
        ]
        assert seen[0].bare_path == "/fhir/$export"
        assert begun <= seen[0].monotonic <= seen[1].monotonic <= time.monotonic()
        home = visitor.server.base_url.removesuffix("/fhir")
        told = visitor.http.get(f"{home}/requests").json()["requests"]
        assert [item["status"] for item in told] == [202, 404]


def test_a_server_over_https_or_not_never_answers_with_a_defect(folder: Path) -> None:
    with visiting(folder) as visitor:
        for path in (
            "/bulk-jobs/%00",
            "/Patient/%F0%9F",
            "/Group/..%2f/$export",
            "/Binary/-d1",
            "/Patient?_count=x",
        ):
            assert 400 <= visitor.http.get(path, headers=KICK_OFF).status_code < 500, path


def test_all_faults_are_off_by_default() -> None:
    assert Faults() == read_faults([])
    assert {item.name for item in switches()} == {name.replace("_", "-") for name in Faults.__annotations__}
    assert all(item.text and len(item.text) < 90 for item in switches())


def _given() -> Iterator[tuple[list[str], Faults]]:
    yield ["transient"], Faults(transient=ALWAYS)
    yield (
        ["drop-connection=always", "only=Patient,Condition"],
        Faults(drop_connection=ALWAYS, only=frozenset({"Patient", "Condition"})),
    )
    yield ["drop_connection=2"], Faults(drop_connection=2)
    yield ["large-file=2G"], Faults(large_file=2_000_000_000)
    yield ["wrong-count=-1", "no-bulk"], Faults(wrong_count=-1, no_bulk=True)
    yield ["phases=kick-off,token"], Faults(phases=frozenset({Phase.KICK_OFF, Phase.TOKEN}))
    yield ["redirect=host", "gzip=never"], Faults(redirect=Redirect.HOST, gzip=Gzip.NEVER)
    yield ["poll-retry-after="], Faults(poll_retry_after="")
    yield ["kick-off=post", "retry-after=-5"], Faults(kick_off=KickOffBy.POST, retry_after="-5")


@pytest.mark.parametrize(("texts", "faults"), list(_given()))
def test_faults_are_read_by_name(texts: list[str], faults: Faults) -> None:
    assert read_faults(texts) == faults


@pytest.mark.parametrize(
    "texts",
    [
        ["nothing"],
        ["transient=x"],
        ["transient=-1"],
        ["transient", "transient=2"],
        ["drip"],
        ["no-bulk=no"],
        ["phases=moon"],
        ["redirect=moon"],
        ["failure-status=200"],
        ["expired-status=600"],
        ["only=a b"],
        ["deleted=Patient"],
        ["token-seconds=0"],
        ["retry-after=ä"],
        ["__class__=1"],
    ],
)
def test_what_is_no_fault_is_refused_without_a_quotation(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="fault") as caught:
        read_faults(texts)
    assert "moon" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"transient": -1}, {"retry_after": "a\nb"}, {"token_seconds": 0}])
def test_a_record_of_faults_checks_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot take"):
        Faults(**wrong)
