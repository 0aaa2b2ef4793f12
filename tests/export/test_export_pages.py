"""Manifests in pages, and what a manifest may not say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.core.errors import ExternalError
from medcairn.export import BulkRequest, SmartCredentials
from medcairn.export.bulkdata.manifest import manifest_of, parse_page

from .conftest import Export, FakeTime, data_of
from .simulator import Reply, SimFile, Simulator, ndjson

STATUS = "http://h/status/1"


def page(url: str) -> dict[str, object]:
    return {"link": [{"relation": "next", "url": url}]}


def body(text: str) -> bytes:
    return text.replace("'", '"').encode()


@pytest.mark.parametrize("where", ["", "/status/job1", "{root}/status/job1"])
def test_pages_without_end(hospital: Simulator, export: Export, where: str) -> None:
    hospital.manifest_extra = page(where.replace("{root}", hospital.root) or "job1")
    with pytest.raises(ExternalError, match="have no end"):
        export(hospital)


def test_a_page_on_another_server_is_refused(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    with Simulator([]) as other:
        guarded.manifest_extra = page(f"{other.root}/status/1")
        with pytest.raises(ExternalError, match="another server"):
            export(guarded, credentials=credentials)
        assert other.seen == []


def test_a_page_that_is_missing(hospital: Simulator, export: Export) -> None:
    hospital.manifest_extra = page("/nowhere")
    with pytest.raises(ExternalError, match="missing"):
        export(hospital)


def test_a_page_that_is_not_ready_is_waited_for(
    hospital: Simulator, export: Export, fake_time: FakeTime
) -> None:
    hospital.manifest_extra = page("/status/page2")
    last = body("{'transactionTime': '2026-01-31T09:00:00Z', 'output': []}")
    hospital.script["GET /status/page2"] = [
        Reply(202, headers={"Retry-After": "30"}),
        Reply(503),
        Reply(200, last),
    ]
    report = export(hospital, BulkRequest(allow_partial_manifests=True))
    assert report.resource_count == 7
    assert fake_time.total > 30
    assert report.transaction_time == "2026-01-31T09:00:00Z", "the earliest: nothing is missed by _since"


def test_a_file_that_is_listed_twice(export: Export) -> None:
    with (
        Simulator([SimFile("Patient", ndjson("Patient", 1).body, url="/files/output/0")] * 2) as simulator,
        pytest.raises(ExternalError, match="twice"),
    ):
        export(simulator)


def test_a_file_that_goes_on_in_one_that_is_not_listed() -> None:
    text = "{'outputOrganizedBy': 'Patient', 'output': [{'url': 'a', 'continuesInFile': 'b'}%s]}"
    assert manifest_of([parse_page(body(text % ", {'url': 'b'}"), STATUS)], None)
    with pytest.raises(ExternalError, match="does not list"):
        manifest_of([parse_page(body(text % ""), STATUS)], None)


def test_outcome_and_error_are_the_same() -> None:
    pages = [
        parse_page(body("{'output': [], 'outcome': [{'url': 'a'}]}"), STATUS),
        parse_page(body("{'output': [], 'error': [{'url': 'b', 'type': 'OperationOutcome'}]}"), STATUS),
    ]
    files = manifest_of(pages, None).of("error")
    assert [(str(file.path), file.url) for file in files] == [
        ("errors/OperationOutcome.000.ndjson", "http://h/status/a"),
        ("errors/OperationOutcome.001.ndjson", "http://h/status/b"),
    ]


def test_each_page_says_whether_its_files_need_a_token() -> None:
    pages = [
        parse_page(
            body("{'requiresAccessToken': true, 'output': [{'type': 'Patient', 'url': 'a'}]}"), STATUS
        ),
        parse_page(body("{'output': [{'type': 'Patient', 'url': 'b'}]}"), STATUS),
    ]
    assert [file.authorize for file in manifest_of(pages, None).files] == [True, False]


def test_a_signed_address_of_a_store_that_says_403_has_expired(hospital: Simulator, export: Export) -> None:
    with Simulator(hospital.files) as store:
        url = f"{store.root}/files/output/0?signature=x"
        hospital.files[0] = SimFile("Patient", hospital.files[0].body, 3, url=url)
        store.script["GET /files/output/0"] = [Reply(403)]
        assert export(hospital).resource_count == 7
    assert hospital.kick_offs == 1


@pytest.mark.parametrize("expires", ["Thu, 01 Jan 2015 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "0"])
def test_403_from_the_server_itself_means_no_until_its_files_expire(
    hospital: Simulator, export: Export, expires: str
) -> None:
    manifest = Reply(200, json.dumps(hospital.manifest()).encode(), {"Expires": expires})
    hospital.script["GET /status/job1"] = [manifest, manifest]
    hospital.script["GET /files/output/0"] = [Reply(403)]
    if "2015" in expires:
        assert export(hospital).resource_count == 7
    else:
        with pytest.raises(ExternalError, match="refused to deliver"):
            export(hospital)


def test_addresses_in_another_order_do_not_swap_finished_files(
    hospital: Simulator, export: Export, out: Path
) -> None:
    """Two files of one type and count, listed the other way round after a crash."""
    one, two = ndjson("Patient", 2), ndjson("Patient", 2, start=2)
    addresses = ["/files/output/0", "/files/output/1"]
    hospital.files = [SimFile("Patient", one.body, 2, url=addresses[0]), SimFile("Patient", two.body, 2)]
    hospital.script["GET /files/output/1"] = [Reply(403)]
    with pytest.raises(ExternalError):
        export(hospital, parallel=1)
    listed = hospital.manifest()
    listed["output"] = [{"type": "Patient", "url": address, "count": 2} for address in reversed(addresses)]
    hospital.script["GET /status/job1"] = [Reply(200, json.dumps(listed).encode())]
    export(hospital)
    assert data_of(out) == {"Patient.000.ndjson": two.body, "Patient.001.ndjson": one.body}
