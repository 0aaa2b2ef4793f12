"""Faults of answers, jobs and manifests over real HTTP: what goes wrong, and no longer than told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medcairn.synthetic.server import Faults, KickOffBy, Phase

from .server_visitor import KICK_OFF, PATIENTS, issue, small_hospital, visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("faulty") / "records")


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
