"""Lines and names: the two places where bytes of a stranger become structure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.export import ndjson
from medcairn.export.bulkdata.origins import Origin, check_target, origin_of
from medcairn.export.ndjson import Fault, Head, lines_of, parse_resource
from medcairn.export.outputs import clear_outputs
from medcairn.export.resource_types import RESOURCE_TYPES
from medcairn.export.writers import TypeFiles


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_bytes_arrive(lines: list[bytes], size: int) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\xef", b"") for line in lines]
    data = b"".join(line + b"\n" for line in lines)
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    assert list(lines_of(blocks)) == lines
    assert list(lines_of([data])) == lines


def test_the_last_line_needs_no_end_and_a_byte_order_mark_is_no_content() -> None:
    assert list(lines_of([b"\xef\xbb\xbf{}\n", b"a"])) == [b"{}", b"a"]
    assert list(lines_of([b"\xef\xbb", b"\xbf{}"])) == [b"{}"]


def test_a_file_without_line_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "LONGEST_LINE_BYTES", 10)
    with pytest.raises(DataError, match="longer"):
        list(lines_of([b"x" * 6, b"x" * 6]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"resourceType":"Patient","id":"a"}', Head("Patient", "a")),
        (
            b'{"id":"a","resourceType":"Patient","x":{"resourceType":"Claim","id":"b"}}\r',
            Head("Patient", "a"),
        ),
        (b'{"resourceType":"Patient"}', Fault.NO_ID),
        (b'{"resourceType":"Patient","id":""}', Fault.NO_ID),
        (b'{"resourceType":"Patient","id":null}', Fault.NO_ID),
        (b'{"resourceType":"Patient","id":7}', Fault.WRONG_MEMBERS),
        (b'{"id":"a"}', Fault.NO_RESOURCE_TYPE),
        (b'{"resourceType":"John Smith","id":"a"}', Fault.UNKNOWN_RESOURCE_TYPE),
        (b'{"resourceType":"../Patient","id":"a"}', Fault.UNKNOWN_RESOURCE_TYPE),
        (b"[1]", Fault.NOT_AN_OBJECT),
        (b'"text"', Fault.NOT_AN_OBJECT),
        (b'{"resourceType":"Patient","id":"a"', Fault.NOT_JSON),
        (b'{"resourceType":"Patient","id":"a"} {}', Fault.NOT_JSON),
        (b'{"resourceType":"Patient","id":"\xe9"}', Fault.NOT_JSON),
        (b'{"resourceType":"Patient","id":"a","x":' + b"[" * 100_000, Fault.NOT_JSON),
    ],
)
def test_a_line_is_a_resource_or_has_a_fault(line: bytes, expected: Head | Fault) -> None:
    assert parse_resource(line) == expected


@given(st.binary())
def test_no_bytes_crash_the_reading(line: bytes) -> None:
    assert isinstance(parse_resource(line), Fault)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), max_size=4))
def test_any_further_member_is_let_through(more: dict[str, object]) -> None:
    line = json.dumps({**more, "resourceType": "Patient", "id": "a"}).encode()
    assert parse_resource(line) == Head("Patient", "a")


def test_there_are_the_146_types_of_r4() -> None:
    assert len(RESOURCE_TYPES) == 146


def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    files = TypeFiles(tmp_path, full_bytes=10)
    for _ in range(5):
        files.write("Patient", b"1234")
    assert [(file.name, file.lines) for file in files.close()] == [
        ("Patient.000.ndjson", 2),
        ("Patient.001.ndjson", 2),
        ("Patient.002.ndjson", 1),
    ]


def test_clearing_leaves_what_an_export_does_not_write(tmp_path: Path) -> None:
    for name in ("Patient.000.ndjson", "Claim.1000.ndjson.partial", "quarantine.ndjson", "manifest.json"):
        (tmp_path / name).write_text("x")
    kept = {"Patient.ndjson", "notes.txt", "Patient.000.ndjson.bak", "job.journal"}
    for name in kept:
        (tmp_path / name).write_text("x")
    clear_outputs(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


HTTPS = Origin("https", "ehr.example", 443)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://EHR.example/x", HTTPS),
        ("https://ehr.example:443/x", HTTPS),
        ("https://ehr.example:8443/", Origin("https", "ehr.example", 8443)),
        ("http://[::1]:80/", Origin("http", "::1", 80)),
        ("https://ehr.example@evil.example/", None),
        ("https://@ehr.example/", None),
        ("https:///x", None),
        ("javascript:alert(1)", None),
        ("https://h:99999/", None),
        ("", None),
    ],
)
def test_origins(url: str, expected: Origin | None) -> None:
    assert origin_of(url) == expected


def test_a_server_on_https_cannot_send_us_to_http_or_into_this_machine() -> None:
    from medcairn.core.errors import ExternalError

    for url in ("http://ehr.example/x", "https://127.0.0.1/x", "https://localhost/x", "https://[fe80::1]/x"):
        with pytest.raises(ExternalError):
            check_target(url, HTTPS)
    assert check_target("https://storage.invalid/x", HTTPS).host == "storage.invalid"
