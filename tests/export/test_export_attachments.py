"""Attachments on request: the server's own, verified, named by their content and by nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.canonical import JSON
from medcairn.core.clock import SystemClock
from medcairn.core.errors import ExternalError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import BulkRequest, SmartCredentials
from medcairn.export.attachments import AttachmentReport, Missing, fetch_attachments
from medcairn.export.attachments.elements import ELEMENTS, attachments_on
from medcairn.synthetic.server import Faults, HospitalServer

from .changing_hospital import Exporter, resource, write_hospital
from .conftest import FakeTime
from .scripted_server import Answer, Asked, ScriptedServer, fhir
from .stalling import killed

ALL = BulkRequest()
Fetch = Callable[..., AttachmentReport]
PDF = b"%PDF-1.7 of somebody"
R4_ELEMENTS = Path(__file__).resolve().parents[2] / "src/medcairn/core/r4/elements.txt"


@pytest.fixture
def fetch(out: Path, fake_time: FakeTime) -> Fetch:
    """``fetch_attachments`` of ``out``, in fake time."""

    def run(base_url: str, **more: object) -> AttachmentReport:
        return fetch_attachments(
            base_url,
            out,
            progress=NoProgress(),
            clock=SystemClock(),
            sleep=fake_time.sleep,
            monotonic=fake_time.monotonic,
            **{"credentials": None, **more},  # type: ignore[arg-type]
        )

    return run


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def documents(out: Path, *attachments: Mapping[str, JSON]) -> None:
    """An export of DocumentReferences with these attachments, one each."""
    lines = [
        json.dumps({"resourceType": "DocumentReference", "id": f"d{n}", "content": [{"attachment": item}]})
        for n, item in enumerate(attachments)
    ]
    (out / "DocumentReference.000.ndjson").write_text("".join(line + "\n" for line in lines))


def index(out: Path) -> list[dict[str, str]]:
    """The lines of the index."""
    return [json.loads(line) for line in (out / "attachments" / "index.ndjson").read_bytes().splitlines()]


def serving(contents: Mapping[str, Answer]) -> Callable[[Asked], Answer | None]:
    """A server with these paths below its base."""
    return lambda asked: contents.get(asked.path.removeprefix("/fhir/"))


def sha1(content: bytes) -> str:
    """FHIR's ``Attachment.hash``."""
    return base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


# --- what is fetched ------------------------------------------------------------------------------------


def test_the_content_lies_under_its_own_digest(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    server.answer = serving({"Binary/b1": Answer(PDF, headers={"Content-Type": "application/pdf; x=y"})})
    documents(out, {"url": "Binary/b1", "contentType": "text/plain"}, {"url": f"{server.base_url}/Binary/b1"})
    report = fetch(server.base_url)
    digest = hashlib.sha256(PDF).hexdigest()
    assert (out / "attachments" / digest).read_bytes() == PDF
    assert index(out)[0] == {
        "file": "DocumentReference.000.ndjson",
        "line": 1,
        "path": "content[0].attachment",
        "digest": f"sha256:{digest}",
        "size": len(PDF),
        "content_type": "application/pdf",
    }
    assert (report.found, report.kept, report.contents, report.size) == (2, 2, 1, len(PDF))
    assert server.paths() == ["Binary/b1"], "one address is asked once"
    assert sorted(path.name for path in (out / "attachments").iterdir()) == [digest, "index.ndjson"]


def test_a_binary_in_fhir_json_becomes_its_content(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    data = base64.b64encode(PDF).decode()
    binary: JSON = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "data": data}
    server.answer = serving({"Binary/b1": fhir(binary), "Patient/p1": fhir({"resourceType": "Patient"})})
    documents(out, {"url": "Binary/b1"}, {"url": "Patient/p1"})
    fetch(server.base_url)
    assert index(out)[0]["digest"] == "sha256:" + hashlib.sha256(PDF).hexdigest()
    assert index(out)[0]["content_type"] == "application/pdf"
    assert index(out)[1]["content_type"] == "application/fhir+json", "other FHIR JSON is content itself"


def test_the_hash_decides(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    server.answer = serving({"Binary/b1": Answer(PDF), "Binary/b2": Answer(b"something else")})
    hex_hash = hashlib.sha1(PDF, usedforsecurity=False).hexdigest()
    documents(
        out,
        {"url": "Binary/b1", "hash": sha1(PDF)},
        {"url": "Binary/b1", "hash": hex_hash},
        {"url": "Binary/b2", "hash": sha1(PDF)},
    )
    report = fetch(server.base_url)
    assert (report.verified, report.missing) == (2, {Missing.WRONG_HASH.value: 1})
    assert not (out / "attachments" / hashlib.sha256(b"something else").hexdigest()).exists()


def test_inline_data_only_when_asked_for(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    data = base64.b64encode(PDF).decode()
    documents(out, {"data": data, "contentType": "application/pdf"}, {"data": "no base64!"})
    assert fetch(server.base_url).facts()["left_inline"] == 2
    report = fetch(server.base_url, inline=True)
    assert (report.kept, report.missing) == (1, {Missing.BAD_DATA.value: 1})
    assert (out / "attachments" / hashlib.sha256(PDF).hexdigest()).read_bytes() == PDF


def test_all_attachments_of_the_synthetic_hospital(fetch: Fetch, tmp_path: Path, fake_time: FakeTime) -> None:
    """From an export whose attachments are addresses, over the export, to the content."""
    data = base64.b64encode(PDF).decode()
    content: JSON = [{"attachment": {"contentType": "text/plain", "data": data}}]
    form: JSON = [{"contentType": "text/plain", "data": data}, {"contentType": "text/html", "data": "PGI+"}]
    resources = [
        resource("Patient", "p0"),
        resource("DocumentReference", "d0", "p0", content=content),
        resource("DiagnosticReport", "r0", "p0", presentedForm=form),
    ]
    faults = Faults(attachments_by_url=True)
    with HospitalServer(
        write_hospital(tmp_path / "data", resources), open_access=True, faults=faults
    ) as server:
        export = Exporter(server, tmp_path, fake_time.sleep, fake_time.monotonic)
        folder, _ = export(out=tmp_path / "out", request=ALL)
        report = fetch(server.base_url)
    assert (report.found, report.kept, report.contents) == (3, 3, 2)
    assert [item["path"] for item in index(folder)] == [
        "presentedForm[0]",
        "presentedForm[1]",
        "content[0].attachment",
    ]


# --- where from, and where to ---------------------------------------------------------------------------


def test_another_server_is_not_asked(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    with ScriptedServer() as elsewhere:
        documents(out, {"url": f"{elsewhere.root}/x"}, {"url": "https://192.0.2.1/x"})
        report = fetch(server.base_url)
        assert report.missing == {Missing.OTHER_ORIGIN.value: 2}
        assert elsewhere.asked == []


def test_an_allowed_server_gets_no_token(
    fetch: Fetch, server: ScriptedServer, out: Path, credentials: SmartCredentials
) -> None:
    server.token = "secret"
    server.answer = lambda asked: (
        fhir({"token_endpoint": f"{server.root}/token"})
        if asked.path.endswith("smart-configuration")
        else Answer(PDF if asked.bearer == "secret" else b"", 200 if asked.bearer == "secret" else 401)
    )
    with ScriptedServer(lambda _: Answer(b"elsewhere")) as elsewhere:
        documents(out, {"url": "Binary/b1"}, {"url": f"{elsewhere.root}/x"})
        report = fetch(server.base_url, credentials=credentials, allowed_origins=[elsewhere.root])
        assert report.kept == 2
        assert [asked.bearer for asked in elsewhere.asked] == [None]


def test_a_redirect_elsewhere_brings_nothing(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    with ScriptedServer(lambda _: Answer(b"elsewhere")) as elsewhere:
        server.answer = lambda _: Answer(status=302, headers={"Location": f"{elsewhere.root}/x"})
        documents(out, {"url": "Binary/b1"})
        report = fetch(server.base_url)
        assert report.missing == {Missing.REDIRECTED.value: 1}
        assert all(asked.bearer is None for asked in elsewhere.asked)


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "urn:oid:1.2", "#inside", "data:text/plain,x", "http://[", "file:///x"]
)
def test_an_address_that_is_no_http_url_is_counted(
    fetch: Fetch, server: ScriptedServer, out: Path, url: str
) -> None:
    documents(out, {"url": url})
    assert fetch(server.base_url).missing == {Missing.NOT_HTTP.value: 1}


def test_nothing_of_an_address_reaches_a_file_name(fetch: Fetch, server: ScriptedServer, out: Path) -> None:
    server.answer = lambda _: Answer(PDF)
    hostile = ["../../CANARY", "Binary/..%2f..%2fCANARY", "Binary/CANARY\u0000", "Binary/" + "CANARY" * 100]
    documents(out, *[{"url": url, "contentType": "text/CANARY\n", "title": "../CANARY"} for url in hostile])
    fetch(server.base_url)
    names = [path.name for path in out.parent.rglob("*")]
    assert not [name for name in names if "CANARY" in name]
    assert {name for name in names if re.fullmatch(r"[0-9a-f]{64}", name)} == {
        hashlib.sha256(PDF).hexdigest()
    }
    assert "CANARY" not in (out / "attachments" / "index.ndjson").read_text()


# --- what fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=404), Missing.GONE),
        (Answer(status=410), Missing.GONE),
        (Answer(status=403), Missing.REFUSED),
        (Answer(status=503), Missing.SERVER_ERROR),
        (Answer(b"x" * 1001), Missing.TOO_LARGE),
        (fhir({"resourceType": "Binary", "data": "eA==" * 1000}), Missing.BAD_DATA),
        (fhir({"resourceType": "Binary", "data": base64.b64encode(b"x" * 1001).decode()}), Missing.TOO_LARGE),
        (Answer(b"{" + b" " * 1001, headers={"Content-Type": "application/json"}), Missing.TOO_LARGE),
    ],
)
def test_what_cannot_be_had_is_counted_and_the_rest_goes_on(
    fetch: Fetch, server: ScriptedServer, out: Path, answer: Answer, reason: Missing
) -> None:
    server.answer = serving({"Binary/b1": answer, "Binary/b2": Answer(PDF)})
    documents(out, {"url": "Binary/b1"}, {"url": "Binary/b2"})
    report = fetch(server.base_url, most_bytes=1000)
    assert (report.kept, report.missing) == (1, {reason.value: 1})
    assert index(out)[0]["missing"] == reason.value
    assert len(list((out / "attachments").iterdir())) == 2, "one content, and the index"


def test_an_outage_passes(fetch: Fetch, server: ScriptedServer, out: Path, fake_time: FakeTime) -> None:
    failures = [Answer(status=429, headers={"Retry-After": "1735689600000"})] * 2
    server.answer = lambda _: failures.pop() if failures else Answer(PDF)
    documents(out, {"url": "Binary/b1"})
    assert fetch(server.base_url).kept == 1
    assert fake_time.total < 3600


def test_a_server_that_went_away_ends_it(fetch: Fetch, out: Path) -> None:
    with ScriptedServer() as gone:
        base_url = gone.base_url
    documents(out, *[{"url": f"Binary/b{number}"} for number in range(30)])
    with pytest.raises(ExternalError, match="does not deliver attachments any more"):
        fetch(base_url)


def test_an_origin_that_is_none_is_refused(fetch: Fetch, server: ScriptedServer) -> None:
    with pytest.raises(UsageError, match="no http"):
        fetch(server.base_url, allowed_origins=["files.example.org"])


# --- resume ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 3])
def test_after_kill_9_only_what_is_missing_is_fetched(
    fetch: Fetch, server: ScriptedServer, out: Path, tmp_path: Path, after: int
) -> None:
    server.answer = lambda asked: Answer(asked.path.encode())
    documents(out, *[{"url": f"Binary/b{number}"} for number in range(40)])
    killed("attachments", server.base_url, out, tmp_path, "Fetching attachments", after)
    under_way = 8
    assert fetch(server.base_url).kept == 40
    assert len(server.paths()) <= 40 + under_way
    assert not list((out / "attachments").glob("incoming-*"))
    assert not list((out / "attachments").glob("fetched*"))


def test_what_failed_is_tried_again(fetch: Fetch, server: ScriptedServer, out: Path, tmp_path: Path) -> None:
    server.answer = serving({"Binary/b1": Answer(PDF)})
    documents(out, {"url": "Binary/b1"}, {"url": "Binary/b2"})
    memory = tmp_path / "memory"
    assert fetch(server.base_url, memory_file=memory).missing_count == 1
    server.answer = serving({"Binary/b2": Answer(b"late")})
    assert fetch(server.base_url, memory_file=memory).kept == 2
    assert sorted(server.paths()) == ["Binary/b1", "Binary/b2", "Binary/b2"]


def test_a_memory_that_is_none_is_begun_anew(
    fetch: Fetch, server: ScriptedServer, out: Path, tmp_path: Path
) -> None:
    server.answer = serving({"Binary/b1": Answer(PDF)})
    documents(out, {"url": "Binary/b1"})
    memory = tmp_path / "memory"
    memory.write_bytes(b"no database at all" * 100)
    assert fetch(server.base_url, memory_file=memory).kept == 1


# --- elements -------------------------------------------------------------------------------------------


def test_attachments_are_found_wherever_they_are_nested() -> None:
    item: JSON = {"url": "Binary/1"}
    line = json.dumps(
        {
            "resourceType": "Patient",
            "photo": [item, {"title": "nothing to fetch"}],
            "contained": [{"resourceType": "Media", "content": item}],
            "extension": [{"url": "http://example.org/not-an-attachment", "valueAttachment": item}],
            "item": [{"answer": [{"valueAttachment": item}]}],
        }
    )
    assert [found.path for found in attachments_on(line.encode())] == [
        "photo[0]",
        "contained[0].content",
        "extension[0].valueAttachment",
        "item[0].answer[0].valueAttachment",
    ]


def test_the_names_are_those_of_the_standard() -> None:
    """Every element of type Attachment in the definitions of FHIR R4."""
    if not R4_ELEMENTS.is_file():
        pytest.skip("the table of R4 elements is not here")
    found = set()
    for name, choice, kinds in re.findall(
        r"(\w+)(\[x\])?[*!]* ([\w|#()-]+)", R4_ELEMENTS.read_text(encoding="utf-8")
    ):
        if "Attachment" in kinds.split("|"):
            found.add(f"{name}Attachment" if choice else name)
    assert found == set(ELEMENTS)


def _objects(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.sampled_from(["url", "data", "hash", "photo", "content", "x"]), inner)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | _objects(inner)))
def test_no_json_crashes_the_search_for_attachments(value: object) -> None:
    attachments_on(json.dumps({"photo": value}).encode())
