"""Bundles: what each type of Bundle says, and the two ways of reading one, which agree."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.core.progress import NoProgress
from medcairn.export import Fault, export_files
from medcairn.export.sources import bundle_members, files
from medcairn.export.sources.bundle_members import MalformedBundle, members_of, streamed_members
from medcairn.export.sources.bundles import Passed, PassedOver, Unbundled, Unusable, unbundled
from medcairn.export.sources.landed_report import LandedReport

from .packing import bundle_of, resource_line

PATIENT = resource_line("Patient", "p")


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    folder = tmp_path / "landed"
    folder.mkdir()
    return folder


def entry(resource: bytes | None = None, **more: object) -> bytes:
    """One entry of a Bundle."""
    members = [f'"{name}":{json.dumps(value)}'.encode() for name, value in more.items()]
    return b"{" + b",".join(members + ([b'"resource":' + resource] if resource else [])) + b"}"


def bundle(kind: str, entries: Sequence[bytes]) -> bytes:
    return b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind.encode(), b",".join(entries))


def found(kind: str, *entries: bytes) -> list[str]:
    """Each entry in a word: the resource, the fault, or why it was passed over."""
    words = []
    for item in unbundled(bundle(kind, entries)):
        if isinstance(item, Unbundled):
            words.append(f"{item.resource_type}/{item.resource_id}")
        else:
            words.append(item.fault.value if isinstance(item, Unusable) else item.why.value)
    return words


def request(method: str, url: str = "Patient/p") -> dict[str, str]:
    return {"method": method, "url": url}


# --- types of Bundle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transaction", "batch"])
@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("POST", "Patient/p"),
        ("PUT", "Patient/p"),
        ("PATCH", PassedOver.REQUEST.value),
        ("DELETE", PassedOver.DELETION.value),
    ],
)
def test_a_request_with_a_resource(kind: str, method: str, says: str) -> None:
    """What a PATCH carries is the change, and no resource to be exported."""
    assert found(kind, entry(PATIENT, request=request(method))) == [says]


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("DELETE", PassedOver.DELETION.value),
        ("GET", PassedOver.REQUEST.value),
        ("HEAD", PassedOver.REQUEST.value),
        ("POST", Fault.NO_RESOURCE.value),
    ],
)
def test_a_request_without_a_resource(method: str, says: str) -> None:
    assert found("batch", entry(request=request(method))) == [says]


def test_a_searchset_has_remarks_that_are_no_resources() -> None:
    outcome = b'{"resourceType":"OperationOutcome","issue":[]}'
    included = entry(resource_line("Practitioner", "d"), search={"mode": "include"})
    assert found("searchset", entry(PATIENT), entry(outcome, search={"mode": "outcome"}), included) == [
        "Patient/p",
        "search_outcome",
        "Practitioner/d",
    ]


def test_in_a_history_the_first_version_of_a_resource_counts() -> None:
    newer, older = (resource_line("Patient", "p", f'"meta":{{"versionId":"{n}"}}') for n in (2, 1))
    assert found(
        "history",
        entry(newer, request=request("PATCH")),
        entry(older, request=request("PUT")),
        entry(resource_line("Patient", "q"), request=request("POST", "Patient")),
    ) == ["Patient/p", "older_version", "Patient/q"]
    kept = list(unbundled(bundle("history", [entry(newer), entry(older)])))
    assert isinstance(kept[0], Unbundled)
    assert b'"versionId":"2"' in kept[0].line


@pytest.mark.parametrize(
    "deletion",
    [
        entry(request=request("DELETE", "Patient/p")),
        entry(request=request("DELETE", "https://ehr.example.org/fhir/Patient/p")),
        entry(request=request("DELETE", "Patient/p/_history/3")),
        entry(fullUrl="https://ehr.example.org/fhir/Patient/p", request={"method": "DELETE"}),
    ],
)
def test_in_a_history_a_deletion_that_comes_first_leaves_nothing(deletion: bytes) -> None:
    assert found("history", deletion, entry(PATIENT)) == ["deletion", "older_version"]


def test_in_a_history_a_resource_that_came_back_is_there() -> None:
    deletion = entry(request=request("DELETE", "Patient/p"))
    assert found("history", entry(PATIENT), deletion, entry(PATIENT)) == [
        "Patient/p",
        "older_version",
        "older_version",
    ]


def test_a_bundle_within_a_bundle_four_deep() -> None:
    inner = bundle("collection", [entry(PATIENT), entry()])
    assert found("batch", entry(inner)) == ["Patient/p", Fault.NO_RESOURCE.value]
    for _ in range(5):
        inner = bundle("collection", [entry(inner)])
    assert found("batch", entry(inner)) == [Fault.BUNDLE_TYPE.value]


def test_one_entry_that_makes_no_sense_costs_no_other() -> None:
    assert found("batch", b"[]", entry(PATIENT, fullUrl=5), entry(PATIENT)) == [
        Fault.WRONG_MEMBERS.value,
        Fault.WRONG_MEMBERS.value,
        "Patient/p",
    ]


@pytest.mark.parametrize("kind", ["message", "batch-response", "subscription-notification", "CANARY"])
def test_other_types_of_bundle_are_set_aside_whole(kind: str) -> None:
    assert found(kind, entry(PATIENT)) == [Fault.BUNDLE_TYPE.value]


# --- bytes and references --------------------------------------------------------------------------------


def test_a_resource_keeps_its_bytes_where_it_is_on_one_line() -> None:
    odd = b'{ "resourceType" : "Patient", "id":"p", "v": [1.50, 1E5, -0.0], "t":"\\u00e9\\/\xe2\x80\xa8" }'
    (item,) = unbundled(bundle("collection", [entry(odd)]))
    assert isinstance(item, Unbundled)
    assert item.line == odd


def test_a_resource_on_several_lines_loses_only_its_spaces() -> None:
    odd = b'{\r\n "resourceType" : "Patient",\n "id":"p", "v": [1.50, 1E5], "t":"a\\n\\u00e9 b"}'
    (item,) = unbundled(bundle("collection", [entry(odd)]))
    assert isinstance(item, Unbundled)
    assert item.line == b'{"resourceType":"Patient","id":"p","v":[1.50,1E5],"t":"a\\n\\u00e9 b"}'


@pytest.mark.parametrize("space", [b"", b" ", b"\n  "])
def test_references_inside_the_bundle_are_resolved_also_forwards(space: bytes) -> None:
    claim = (
        b'{"resourceType":"Claim","id":"c","patient":{"reference"' + space + b":" + space + b'"urn:uuid:1"}}'
    )
    items = list(unbundled(bundle("transaction", [entry(claim), entry(PATIENT, fullUrl="urn:uuid:1")])))
    assert isinstance(items[0], Unbundled)
    assert msgspec.json.decode(items[0].line)["patient"] == {"reference": "Patient/p"}


# --- two ways of reading ---------------------------------------------------------------------------------


def streamed(document: bytes) -> list[tuple[str, bytes]]:
    return list(streamed_members(io.BytesIO(document)))


_json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)
_documents = st.dictionaries(st.text(max_size=5), _json, max_size=4).flatmap(
    lambda members: st.lists(_json, max_size=5).map(lambda entries: {**members, "entry": entries})
)


@given(_documents, st.sampled_from([None, 1]), st.integers(1, 50), st.booleans())
def test_the_stream_and_the_memory_agree(
    document: dict[str, object], indent: int | None, block: int, ascii_only: bool
) -> None:
    """Whatever the document and wherever the blocks of the stream end."""
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_members, "_BLOCK_BYTES", block)
        found_in_stream = streamed(data)
    try:
        found_in_memory = list(members_of(data))
    except MalformedBundle:
        return  # half of a surrogate pair, which is no text
    assert sorted(found_in_stream) == sorted(found_in_memory)


@given(st.binary(max_size=60))
def test_a_stream_of_anything_ends_in_members_or_one_error(data: bytes) -> None:
    for start in (b"", b'{"entry":[', b'{"a":1,"entry":[{}],'):
        try:
            members = streamed(start + data)
        except MalformedBundle as failure:
            assert failure.line >= 1
        else:
            assert isinstance(members, list)


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (b"", 1),
        (b"[]", 1),
        (b"{} {}", 1),
        (b'{"a":1', 1),
        (b'{\n"a":1,\n"b" 2}', 3),
        (b'{"entry":[{}\n{}]}', 2),
        (b'{"entry":[{},\n{"a":tru}]}', 2),
        (b'{"entry":[{},\n{"a":"x', 2),
        (b'{"entry":{}}', 1),
        (b'{"entry":5}', 1),
        (b"{1:2}", 1),
        (b'{"a":"\n"}', 1),
        (b'{"entry":' + b"[" * 5000, 1),
    ],
)
def test_a_stream_that_breaks_off_says_on_which_line(document: bytes, line: int) -> None:
    with pytest.raises(MalformedBundle) as caught:
        streamed(document)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "document", [b"{}", b'{"entry":[]}', b'{"entry":null}', b'\xef\xbb\xbf {"entry":[ ]\n} \r\n']
)
def test_a_stream_without_entries(document: bytes) -> None:
    assert [name for name, _ in streamed(document)] in ([], ["entry"])


# --- large documents, with the limits made small ---------------------------------------------------------


def run(folder: Path, out: Path) -> LandedReport:
    return export_files(folder, out, progress=NoProgress())


@pytest.mark.parametrize("most", [10, 10_000_000])
def test_a_large_bundle_comes_out_as_a_small_one_does(
    landed: Path, out: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(files, "IN_MEMORY_BYTES", most)
    claim = resource_line("Claim", "c", '"patient":{"reference":"urn:uuid:1"},"total":{"value":1.50}')
    entries = [entry(claim), entry(request=request("DELETE")), entry(), entry(PATIENT, fullUrl="urn:uuid:1")]
    (landed / "a.json").write_bytes(b"\xef\xbb\xbf" + bundle("transaction", entries))
    report = run(landed, out)
    assert report.resources == {"Claim": 1, "Patient": 1}
    assert report.passed_over == {"deletion": 1}
    assert report.quarantined == {Fault.NO_RESOURCE.value: 1}
    assert (out / "Claim.000.ndjson").read_bytes() == claim.replace(b"urn:uuid:1", b"Patient/p") + b"\n"


def test_a_large_bundle_that_breaks_off_is_set_aside_whole(
    landed: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is written: half a transaction would look like all of it."""
    monkeypatch.setattr(files, "IN_MEMORY_BYTES", 10)
    (landed / "a.json").write_bytes(bundle_of([PATIENT, PATIENT])[:-30])
    (landed / "b.ndjson").write_bytes(resource_line("Claim", "c"))
    with pytest.raises(DataError, match="nothing that can be used") as caught:
        run(landed, out)
    assert caught.value.fields["reason"] is Fault.NOT_JSON


def test_large_ndjson_in_a_json_file(landed: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "IN_MEMORY_BYTES", 60)
    many = b"".join(resource_line("Claim", str(n)) + b"\n" for n in range(50))
    (landed / "a.json").write_bytes(many)
    assert run(landed, out).resource_count == 50
    assert (out / "Claim.000.ndjson").read_bytes() == many


@pytest.mark.parametrize(
    ("document", "resources", "no_fhir"),
    [(resource_line("Claim", "c"), 1, 0), (b'{"counts":{"Claim":3}}', 0, 1)],
)
def test_a_large_document_that_is_no_bundle(
    landed: Path, out: Path, monkeypatch: pytest.MonkeyPatch, document: bytes, resources: int, no_fhir: int
) -> None:
    monkeypatch.setattr(files, "IN_MEMORY_BYTES", 10)
    (landed / "a.json").write_bytes(document)
    (landed / "b.ndjson").write_bytes(PATIENT)
    report = run(landed, out)
    assert (report.resources.get("Claim", 0), report.files_ignored) == (resources, no_fhir)


def test_an_entry_that_would_fill_the_memory(
    landed: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(bundle_members, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(bundle_members, "LONGEST_VALUE_BYTES", 1000)
    (landed / "a.json").write_bytes(bundle_of([resource_line("Binary", "b", f'"data":"{"A" * 5000}"')]))
    with pytest.raises(DataError, match="longer than any resource") as caught:
        run(landed, out)
    assert caught.value.fields["limit_bytes"] == 1000


def test_a_passed_entry_is_told_by_its_number() -> None:
    items = list(unbundled(bundle("batch", [entry(PATIENT), entry(request=request("GET"))])))
    assert items[1] == Passed(2, PassedOver.REQUEST)
