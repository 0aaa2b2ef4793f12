"""Plain FHIR search with paging: each resource once, byte for byte, also from servers that page badly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medcairn.core.canonical import JSON
from medcairn.core.clock import SystemClock
from medcairn.core.errors import DataError, ExternalError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import SmartCredentials
from medcairn.export.sources.search.report import SearchReport
from medcairn.export.sources.search.request import SearchRequest
from medcairn.export.sources.search.run import export_search
from medcairn.synthetic.server import Faults, HospitalServer

from .changing_hospital import ids, lines_of, resource, write_hospital
from .conftest import FakeTime
from .scripted_server import Answer, Asked, ScriptedServer, fhir
from .stalling import TYPES, killed

Search = Callable[..., SearchReport]
BOTH = SearchRequest(TYPES, page_size=5)
PATIENTS = SearchRequest(("Patient",), page_size=2)


@pytest.fixture
def search(out: Path, fake_time: FakeTime) -> Search:
    """``export_search`` into ``out``, in fake time."""

    def run(base_url: str, request: SearchRequest = PATIENTS, **more: object) -> SearchReport:
        options: dict[str, object] = {"out_dir": out, "credentials": None, **more}
        folder = options.pop("out_dir")
        assert isinstance(folder, Path)
        return export_search(
            base_url,
            folder,
            request=request,
            progress=NoProgress(),
            clock=SystemClock(),
            sleep=fake_time.sleep,
            monotonic=fake_time.monotonic,
            **options,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[HospitalServer]:
    """An open server without Bulk Data."""
    patients = [resource("Patient", f"p{n}") for n in range(7)]
    conditions = [resource("Condition", f"c{n}", f"p{n % 7}") for n in range(23)]
    data = write_hospital(tmp_path / "data", [*patients, *conditions])
    with HospitalServer(data, open_access=True, faults=Faults(no_bulk=True)) as server:
        yield server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def changed(number: int) -> str:
    """A time of change, later for a higher number."""
    return f"2025-01-01T00:{number // 60:02}:{number % 60:02}Z"


def patient(number: int, **more: JSON) -> dict[str, JSON]:
    """A patient that changed at minute-and-second ``number``."""
    return {"resourceType": "Patient", "id": f"p{number}", "meta": {"lastUpdated": changed(number)}, **more}


def entry(item: JSON, mode: str = "match") -> JSON:
    return {"resource": item, "search": {"mode": mode}}


def bundle(entries: list[JSON], following: str | None = None, total: int | None = None) -> dict[str, JSON]:
    """A page."""
    links: list[JSON] = [{"relation": "next", "url": following}] if following else []
    page: dict[str, JSON] = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
    return page if total is None else {**page, "total": total}


def pages(*listed: list[JSON], total: int | None = None) -> Callable[[Asked], Answer | None]:
    """A server with these pages, whatever is searched for."""

    def answer(asked: Asked) -> Answer | None:
        if asked.path != "/fhir/Patient":
            return None
        number = int(asked.get("page") or 0)
        following = f"Patient?page={number + 1}" if number + 1 < len(listed) else None
        return fhir(bundle(listed[number], following, total))

    return answer


# --- what comes out -------------------------------------------------------------------------------------


def test_every_page_of_every_type(
    search: Search, hospital: HospitalServer, out: Path, tmp_path: Path
) -> None:
    report = search(hospital.base_url, BOTH)
    assert report.export.resources == {"Condition": 23, "Patient": 7}
    assert report.pages == 5 + 2
    source = [
        line for path in (tmp_path / "data").glob("*.ndjson") for line in path.read_bytes().splitlines()
    ]
    assert lines_of(out) == sorted(source), "the bytes are the server's own"
    assert sorted(path.name for path in out.iterdir()) == ["Condition.000.ndjson", "Patient.000.ndjson"]


def test_only_what_changed_in_a_span_of_time(search: Search, hospital: HospitalServer, out: Path) -> None:
    for number in range(3):
        hospital.put(resource("Patient", f"new{number}"))
    since, until = "2025-01-01T00:00:01Z", "2025-01-01T00:00:03Z"
    search(hospital.base_url, SearchRequest(("Patient",), since=since, until=until))
    assert ids(out, "Patient") == ["new0", "new1"]


def test_the_next_search_starts_at_the_server_s_own_time(search: Search, server: ScriptedServer) -> None:
    server.answer = pages([entry(patient(1))])
    time = search(server.base_url).export.transaction_time
    assert time is not None
    assert time.endswith("Z")
    assert server.asked[0].path == "/fhir/metadata", "read before anything is searched for"


def test_one_search_a_patient_where_the_server_wants_that(
    search: Search, hospital: HospitalServer, out: Path
) -> None:
    request = SearchRequest(("Patient", "Condition"), page_size=2, patients=("p1", "p3"))
    search(hospital.base_url, request)
    assert ids(out, "Patient") == ["p1", "p3"]
    assert ids(out, "Condition") == ["c1", "c10", "c15", "c17", "c22", "c3", "c8"]


def test_decimals_and_escapes_keep_their_bytes(search: Search, server: ScriptedServer, out: Path) -> None:
    numbers = b'"x":1.50,"y":1e5,"z":12345678901234567890.10'
    line = b'{"resourceType":"Patient","id":"p1",' + numbers + b',"s":"\\u00e9\xe2\x80\xa8"}'
    body = b'{"resourceType":"Bundle","entry":[{"resource":' + line + b"}]}"
    server.answer = lambda asked: Answer(body) if asked.path == "/fhir/Patient" else None
    search(server.base_url)
    assert (out / "Patient.000.ndjson").read_bytes() == line + b"\n"


def test_a_resource_on_several_lines_becomes_one(search: Search, server: ScriptedServer, out: Path) -> None:
    text = json.dumps(bundle([entry({**patient(1), "n": 1})]), indent=2).replace('"n": 1', '"n": 1.50')
    server.answer = lambda asked: Answer(text.encode()) if asked.path == "/fhir/Patient" else None
    search(server.base_url)
    assert lines_of(out)[0].endswith(b'"n":1.50}')


def test_remarks_are_counted_and_included_resources_kept(
    search: Search, server: ScriptedServer, out: Path
) -> None:
    outcome: JSON = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "informational"}],
    }
    doctor: JSON = {"resourceType": "Practitioner", "id": "d1"}
    server.answer = pages(
        [entry(patient(1)), entry(outcome, "outcome"), entry(outcome), entry(doctor, "include")]
    )
    report = search(server.base_url)
    assert report.export.resources == {"Patient": 1, "Practitioner": 1}
    assert (report.included, report.export.outcomes) == (1, {"warning": 2})


def test_what_is_no_patient_is_set_aside(search: Search, server: ScriptedServer, out: Path) -> None:
    canary: JSON = {"resourceType": "Practitioner", "id": "CANARY"}
    server.answer = pages(
        [entry(patient(1)), entry(canary), {"fullUrl": "x"}, entry({"resourceType": "Patient"})]
    )
    report = search(server.base_url)
    assert report.export.resources == {"Patient": 1}
    assert report.export.quarantined_count == 3
    listed = (out / "quarantine.ndjson").read_text()
    assert "CANARY" not in listed
    assert [json.loads(line)["entry"] for line in listed.splitlines()] == [2, 3, 4]


def test_a_resource_on_two_pages_comes_once_and_in_its_newest_form(
    search: Search, server: ScriptedServer, out: Path
) -> None:
    newer = {**patient(9), "id": "p1"}
    server.answer = pages([entry(patient(1)), entry(patient(2))], [entry(patient(2)), entry(newer)])
    report = search(server.base_url)
    assert report.repeated == 2
    assert {json.loads(line)["meta"]["lastUpdated"] for line in lines_of(out)} == {changed(2), changed(9)}


# --- servers that page badly ----------------------------------------------------------------------------


def test_the_next_page_is_never_on_another_server(search: Search, server: ScriptedServer) -> None:
    with ScriptedServer() as elsewhere:
        server.answer = lambda _: fhir(bundle([entry(patient(1))], f"{elsewhere.base_url}/Patient?page=1"))
        with pytest.raises(ExternalError, match="lies on another server"):
            search(server.base_url)
        assert elsewhere.asked == []


@pytest.mark.parametrize("back_to", ["Patient?page=0", "Patient?page=1"])
def test_pages_in_a_circle_end(search: Search, server: ScriptedServer, back_to: str) -> None:
    def answer(asked: Asked) -> Answer:
        number = int(asked.get("page") or 0)
        return fhir(bundle([entry(patient(number))], "Patient?page=1" if number == 0 else back_to))

    server.answer = answer
    with pytest.raises(ExternalError, match="in a circle"):
        search(server.base_url)
    assert len(server.asked) < 6


def test_pages_without_end_end(search: Search, server: ScriptedServer) -> None:
    server.answer = lambda asked: fhir(bundle([], f"Patient?page={int(asked.get('page') or 0) + 1}"))
    with pytest.raises(ExternalError, match="more pages than can be"):
        search(server.base_url, most_pages=20)
    assert len(server.paths()) == 21, "the metadata and 20 pages"


def test_a_server_that_cannot_sort_is_searched_unsorted(
    search: Search, server: ScriptedServer, out: Path
) -> None:
    inner = pages([entry(patient(3))], [entry(patient(1))])
    server.answer = lambda asked: Answer(status=400) if asked.get("_sort") else inner(asked)
    search(server.base_url)
    assert ids(out, "Patient") == ["p1", "p3"]


def test_an_expired_page_is_gone_on_with_from_the_last_change(
    search: Search, server: ScriptedServer, out: Path
) -> None:
    """The addresses of pages expire. In the order of change, what came need not come again."""
    everyone = [patient(number) for number in range(6)]

    def answer(asked: Asked) -> Answer | None:
        if asked.path != "/fhir/Patient":
            return None
        if asked.get("page"):
            return Answer(status=410)
        since = (asked.get("_lastUpdated") or "ge").removeprefix("ge")
        left = [item for item in everyone if str(item["meta"]["lastUpdated"]) >= since]  # type: ignore[index,call-overload]
        return fhir(bundle([entry(item) for item in left[:3]], "Patient?page=x" if len(left) > 3 else None))

    server.answer = answer
    report = search(server.base_url)
    assert ids(out, "Patient") == [f"p{number}" for number in range(6)]
    assert report.repeated == 2, "the boundary is asked for twice, so that nothing slips by"


def test_an_expired_page_out_of_order_starts_the_search_again(
    search: Search, server: ScriptedServer, out: Path
) -> None:
    failures = [Answer(status=410)]
    inner = pages([entry(patient(3)), entry(patient(1))], [entry(patient(2))])
    server.answer = lambda asked: failures.pop() if asked.get("page") and failures else inner(asked)
    report = search(server.base_url)
    assert ids(out, "Patient") == ["p1", "p2", "p3"]
    assert report.repeated == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_passes(search: Search, server: ScriptedServer, status: int, out: Path) -> None:
    failures = [Answer(status=status, headers={"Retry-After": "1735689600000"})] * 2
    inner = pages([entry(patient(1))], [entry(patient(2))])
    server.answer = lambda asked: failures.pop() if asked.get("page") and failures else inner(asked)
    search(server.base_url)
    assert ids(out, "Patient") == ["p1", "p2"]


def test_less_than_the_server_counts_is_an_error(search: Search, server: ScriptedServer, out: Path) -> None:
    server.answer = pages([entry(patient(1))], [entry(patient(2))], total=5)
    with pytest.raises(ExternalError, match="did not bring everything") as caught:
        search(server.base_url)
    assert caught.value.fields["missing"] == 3
    server.answer = pages([entry(patient(1))], [entry(patient(2))], [entry(patient(3))], total=3)
    assert search(server.base_url).export.resources == {"Patient": 3}, "a rerun asks anew"


def test_a_repetition_does_not_hide_what_slipped_by(search: Search, server: ScriptedServer) -> None:
    """A server that pages by position: p2 moved, so p3 is missed and p1 comes twice."""
    server.answer = pages([entry(patient(0)), entry(patient(1))], [entry(patient(1))], total=3)
    with pytest.raises(ExternalError, match="did not bring everything"):
        search(server.base_url)
    report = search(server.base_url, allow_partial=True)
    assert report.short == {"Patient": 1}
    assert report.export.transaction_time is None, "there is nothing to go on from"


def test_a_refused_type_names_itself(search: Search, server: ScriptedServer) -> None:
    inner = pages([entry(patient(1))])
    server.answer = lambda asked: Answer(status=403) if asked.path == "/fhir/Goal" else inner(asked)
    request = SearchRequest(("Patient", "Goal"))
    with pytest.raises(ExternalError, match="refused to search") as caught:
        search(server.base_url, request)
    assert caught.value.fields == {"resource_type": "Goal", "status": 403}
    report = search(server.base_url, request, allow_partial=True)
    assert (report.export.resources, report.refused) == ({"Patient": 1}, {"Goal": 403})


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle"']
)
def test_a_page_that_is_no_bundle_is_an_error(search: Search, server: ScriptedServer, body: bytes) -> None:
    server.answer = lambda asked: Answer(body)
    with pytest.raises(ExternalError, match="no Bundle"):
        search(server.base_url)


def test_nothing_found_is_an_error_unless_only_changes_were_asked_for(
    search: Search, server: ScriptedServer
) -> None:
    server.answer = pages([])
    with pytest.raises(DataError, match="found nothing"):
        search(server.base_url)
    assert search(server.base_url, SearchRequest(("Patient",), since="2025-01-01")).export.files == ()


# --- resume, tokens, requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "after"), [("Searching", 0), ("Searching", 3), ("Writing", 0)])
def test_after_kill_9_no_page_is_asked_for_twice(
    search: Search, hospital: HospitalServer, out: Path, tmp_path: Path, phase: str, after: int
) -> None:
    killed("search", hospital.base_url, out, tmp_path, phase, after)
    search(hospital.base_url, BOTH)
    asked = [seen.path for seen in hospital.requests if seen.path.startswith(("/fhir/Patient", "/fhir/Cond"))]
    assert len(asked) == len(set(asked)) == 2 + 5
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    search(hospital.base_url, BOTH, out_dir=undisturbed)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in undisturbed.iterdir()
    }


def test_lines_without_their_record_do_not_count(search: Search, server: ScriptedServer, out: Path) -> None:
    """A page is there whole or not at all: the crash came after the lines and before the journal."""
    inner = pages([entry(patient(1))], [entry(patient(2))])
    server.answer = lambda asked: Answer(status=403) if asked.get("page") else inner(asked)
    with pytest.raises(ExternalError, match="does not give the next page"):
        search(server.base_url)
    work = out / "search.work"
    with (work / "Patient.lines").open("ab") as stream:
        stream.write(b'{"resourceType":"Patient","id":"half')
    with (work / "Patient.journal").open("ab") as stream:
        stream.write(b'{"type":"page","si')
    server.answer = inner
    search(server.base_url)
    assert ids(out, "Patient") == ["p1", "p2"]
    assert server.paths().count("Patient") == 3, "the first page was not asked for again"


def test_another_request_starts_anew(search: Search, server: ScriptedServer, out: Path) -> None:
    inner = pages([entry(patient(1))], [entry(patient(2))])
    server.answer = lambda asked: Answer(status=403) if asked.get("page") else inner(asked)
    with pytest.raises(ExternalError):
        search(server.base_url)
    server.answer = pages([entry(patient(7))])
    search(server.base_url, SearchRequest(("Patient",), page_size=3))
    assert ids(out, "Patient") == ["p7"]


def test_the_token_goes_with_every_page(
    search: Search, server: ScriptedServer, credentials: SmartCredentials
) -> None:
    inner = pages([entry(patient(1))], [entry(patient(2))])

    def answer(asked: Asked) -> Answer | None:
        if asked.path.endswith("smart-configuration"):
            return fhir({"token_endpoint": f"{server.root}/token"})
        return inner(asked) if asked.bearer == "secret" else Answer(status=401)

    server.answer = answer
    server.token = "secret"
    search(server.base_url, credentials=credentials)
    assert [asked.bearer for asked in server.asked if asked.path == "/fhir/Patient"] == ["secret", "secret"]


@pytest.mark.parametrize(
    "broken",
    [
        {"types": ()},
        {"types": ("Nonsense",)},
        {"types": ("Patient", "Patient")},
        {"types": ("Patient",), "page_size": 0},
        {"types": ("Patient",), "since": "yesterday"},
        {"types": ("Patient",), "parameters": {"Goal": (("status", "x"),)}},
        {"types": ("Patient",), "parameters": {"Patient": (("_sort", "x"),)}},
    ],
)
def test_a_request_that_no_server_could_answer_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SearchRequest(**broken)  # type: ignore[arg-type]
