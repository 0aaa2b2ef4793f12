"""The server without Bulk Data: reads, searches with pages, attachments as Binary resources."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.synthetic.server import Faults
from medcairn.synthetic.server.searching import Query, known

from .server_visitor import PATIENTS, Visitor, issue, small_hospital, visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_hospital(tmp_path_factory.mktemp("reading") / "records")
    note = {
        "resourceType": "DocumentReference",
        "id": "note",
        "subject": {"reference": "Patient/p1"},
        "content": [
            {"attachment": {"contentType": "text/plain", "data": base64.b64encode(b"First").decode()}},
            {"attachment": {"contentType": "text/html", "data": base64.b64encode(b"<p>").decode()}},
            {"attachment": {"contentType": "text/plain", "url": "http://elsewhere.example/a"}},
        ],
    }
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "presentedForm": [{"contentType": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}],
    }
    stored = {"resourceType": "Binary", "id": "b1", "contentType": "image/png", "data": "iVBORw=="}
    for resource in (note, report, stored):
        (folder / f"{resource['resourceType']}.000.ndjson").write_text(json.dumps(resource) + "\n")
    return folder


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Any:
    with visiting(folder) as visitor:
        yield visitor


def _pages(visitor: Visitor, url: str) -> list[dict[str, Any]]:
    pages = [visitor.http.get(url).json()]
    while following := [link["url"] for link in pages[-1]["link"] if link["relation"] == "next"]:
        pages.append(visitor.http.get(following[0]).json())
    return pages


def _ids(page: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in page["entry"]]


def test_one_resource_is_read_as_it_is_stored(visitor: Visitor, folder: Path) -> None:
    answer = visitor.http.get("/Observation/o3")
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert answer.content.rstrip() == (folder / "Observation.000.ndjson").read_bytes().splitlines()[3]
    for path in ("/Observation/none", "/Device/d1", "/Nothing"):
        missing = visitor.http.get(path)
        assert (missing.status_code, issue(missing)) == (404, "not-found")


@pytest.mark.parametrize("count", [1, 5, 11, 12, 50])
def test_pages_hold_everything_once(visitor: Visitor, count: int) -> None:
    pages = _pages(visitor, f"/Observation?_count={count}")
    assert [name for page in pages for name in _ids(page)] == [f"o{n}" for n in range(2 * PATIENTS)]
    assert all(len(page["entry"]) <= count for page in pages)
    assert len(pages) == -(-2 * PATIENTS // count)


def test_a_search_narrows_and_its_pages_remember_how(visitor: Visitor) -> None:
    pages = _pages(
        visitor, "/Observation?_lastUpdated=ge2024-06-01&_lastUpdated=lt2024-12-01&_count=2&_total=accurate"
    )
    assert [_ids(page) for page in pages] == [["o5", "o6"], ["o7", "o8"], ["o9", "o10"]]
    assert [page.get("total") for page in pages] == [6, None, None]
    assert pages[0]["entry"][0]["fullUrl"] == f"{visitor.server.base_url}/Observation/o5"
    following = pages[0]["link"][1]["url"]
    assert "_lastUpdated" not in following


def test_no_entries_were_asked_for(visitor: Visitor) -> None:
    page = visitor.http.get("/Observation?_count=0&_total=accurate").json()
    assert (page["entry"], page["total"], len(page["link"])) == ([], 2 * PATIENTS, 1)


def test_unknown_parameters_are_ignored_unless_the_client_is_strict(visitor: Visitor) -> None:
    assert len(visitor.http.get("/Patient?eye-color=blue").json()["entry"]) == PATIENTS
    strict = visitor.http.get("/Patient?eye-color=blue", headers={"Prefer": "handling=strict"})
    assert (strict.status_code, issue(strict)) == (400, "not-supported")
    for query in ("_count=many", "_cursor=made-up", "_cursor=%00"):
        assert visitor.http.get(f"/Patient?{query}").status_code == 400, query


def test_changes_are_found_at_once(folder: Path) -> None:
    with visiting(folder) as visitor:
        visitor.server.put({"resourceType": "Observation", "id": "o99", "status": "final"})
        visitor.server.delete("Observation", "o0")
        pages = _pages(visitor, "/Observation?_count=4")
        assert [name for page in pages for name in _ids(page)] == [*(f"o{n}" for n in range(1, 12)), "o99"]
        since = _pages(visitor, "/Observation?_lastUpdated=gt2025-01-01T00:00:00Z")
        assert [_ids(page) for page in since] == [["o99"]]


def test_attachments_have_addresses_that_hold_their_content(folder: Path) -> None:
    with visiting(folder, Faults(attachments_by_url=True)) as visitor:
        found = visitor.export("/$export?_type=DocumentReference,DiagnosticReport,Patient")
        contents = [item["attachment"] for item in found["DocumentReference"][0]["content"]]
        assert not any("data" in attachment for attachment in contents)
        assert contents[2]["url"] == "http://elsewhere.example/a"
        for attachment, content in zip(contents[:2], (b"First", b"<p>"), strict=True):
            raw = visitor.http.get(attachment["url"])
            assert (raw.content, raw.headers["Content-Type"]) == (content, attachment["contentType"])
            binary = visitor.http.get(attachment["url"], headers={"Accept": "application/fhir+json"}).json()
            assert (binary["resourceType"], base64.b64decode(binary["data"])) == ("Binary", content)
        form = found["DiagnosticReport"][0]["presentedForm"][0]
        assert visitor.http.get(form["url"]).content == b"%PDF"
        one = visitor.http.get("/DocumentReference/note").json()
        searched = visitor.http.get("/DocumentReference").json()["entry"][0]["resource"]
        assert one == searched == found["DocumentReference"][0]


def test_binaries_of_the_folder_are_served(visitor: Visitor) -> None:
    assert visitor.http.get("/Binary/b1").headers["Content-Type"] == "image/png"
    for missing in ("none", "note-d7", "note-d2", "note-x0", "nobody-d0"):
        assert visitor.http.get(f"/Binary/{missing}").status_code == 404


PERIOD = {"resourceType": "Encounter", "period": {"start": "2024-03-01", "end": "2024-03-10"}}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("2024-03", True),
        ("2024-03-05", False),
        ("ne2024-03-05", True),
        ("gt2024-03-10", False),
        ("gt2024-03-09", True),
        ("ge2024-03-10", True),
        ("lt2024-03-01", False),
        ("le2024-03-01", True),
        ("sa2024-02", True),
        ("sa2024-03", False),
        ("eb2024-04", True),
        ("eb2024-03-10", False),
        ("2023,2024", True),
    ],
)
def test_dates_compare_as_periods(search: str, found: bool) -> None:
    assert known("date", search)
    assert Query("Encounter", (("date", search),)).matches(PERIOD) is found


@pytest.mark.parametrize(
    ("value", "matches"),
    [("a", True), ("s|a", True), ("|a", False), ("s|", True), ("t|a", False), ("b,a", True), ("A", False)],
)
def test_tokens_match_by_system_and_code(value: str, matches: bool) -> None:
    resource = {"code": {"coding": [{"system": "s", "code": "a"}]}}
    assert Query("Observation", (("code", value),)).matches(resource) is matches


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["code", "status", "subject", "period", "date", "meta", "id"]), JSON),
    st.sampled_from(["code", "status", "subject", "date", "_lastUpdated", "_id"]),
    st.text(),
)
def test_no_resource_breaks_a_search(resource: dict[str, Any], name: str, value: str) -> None:
    if known(name, value):
        assert Query("X", ((name, value),)).matches(resource) in (True, False)
