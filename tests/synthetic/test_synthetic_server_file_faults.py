"""Faults of files over real HTTP: cut, wrong, gone, elsewhere, slow, very many, very large."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import httpx
import pytest

from medcairn.synthetic.server import ALWAYS, Faults, Gzip, Redirect

from .server_visitor import PATIENTS, Visitor, small_hospital, visiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("faulty") / "records")


def _first_file(visitor: Visitor, path: str = "/$export?_type=Observation") -> str:
    return str(visitor.manifest(path)["output"][0]["url"])


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
