# ruff: noqa: E501 (tables: a row is a line, a list of words is read as one)
"""Artifacts: an identifier is found wherever a kind can hold one, and what cannot be read is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import PolicyError
from medcairn.phi import PhiClass, PhiDetector, PhiFinding
from medcairn.phi.artifacts import ArtifactLimits, ArtifactRefused, Reason, scan_artifact
from medcairn.phi.artifacts.kinds import Kind
from phi.packed import BOMBS, holders, jpeg, npy, onnx_model, parquet, pickles, png, ubjson, zipped

DETECTOR = PhiDetector(b"a key of sixteen bytes or more")
SSN = "123-45-6789"
HOLDERS = holders(SSN)


def scan(name: str, content: bytes, limits: ArtifactLimits | None = None) -> list[PhiFinding]:
    return scan_artifact(name, io.BytesIO(content), DETECTOR, limits=limits)


@pytest.mark.parametrize("place", HOLDERS)
def test_an_identifier_is_found_in_every_place(place: str) -> None:
    name, content = HOLDERS[place]
    found = scan(name, content)
    assert {finding.phi_class for finding in found} == {PhiClass.SSN}
    assert SSN not in repr(found)


@pytest.mark.parametrize("place", HOLDERS)
def test_the_same_without_an_identifier_is_clean(place: str) -> None:
    name, content = holders("nothing")[place]
    assert scan(name, content) == []


WHERE = [
    ("t.csv", b"a,b\n1,2\n3,123-45-6789\n", "artifact.columns[1]"),
    ("t.txt", b"one\ntwo\nSSN 123-45-6789\n", "artifact.lines[3]"),
    ("t.ndjson", b'{"a": 1}\n{"text": "123-45-6789"}\n', "artifact.lines[2].text"),
    ("a.zip", zipped(x__txt=b"x", y__json=b'{"text": "123-45-6789"}'), "artifact[1].text"),
    ("t.parquet", parquet({"a": [1], "b": ["123-45-6789"]}), "artifact.columns[1]"),
    ("123-45-6789.txt", b"x", "artifact(name)"),
]


@pytest.mark.parametrize(("name", "content", "place"), WHERE)
def test_where_it_was_is_told(name: str, content: bytes, place: str) -> None:
    assert [str(finding.location) for finding in scan(name, content)] == [place]


BY_NAME = {
    "ssn": PhiClass.SSN,
    "mrn": PhiClass.MRN,
    "name": PhiClass.NAME,
    "birthDate": PhiClass.DATE,
    "Phone Number": PhiClass.PHONE,
}


@pytest.mark.parametrize("column", BY_NAME)
def test_a_column_is_a_finding_by_its_name(column: str) -> None:
    for name, content in (
        ("t.csv", f"age,{column}\n1,2\n".encode()),
        ("t.parquet", parquet({"age": [1], column: [2]})),
    ):
        assert [f.phi_class for f in scan(name, content)] == [BY_NAME[column]]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_numbers_and_dates_are_looked_at_under_a_name_that_is_a_cue(name: str) -> None:
    def found(column: str, value: str) -> list[PhiFinding]:
        content = f"{column}\n{value}\n".encode() if name == "t.csv" else parquet({column: [value]})
        return scan(name, content)

    assert found("patient_id", "44711203")
    assert found("admission_date", "2020-05-17")
    assert not found("subject_id", "44711203")
    assert not found("day", "2020-05-17")
    if name == "t.parquet":
        assert scan(name, parquet({"patient_id": [44711203]}))
        assert not scan(name, parquet({"score": [44711203]}))


REFUSED = [
    ("a.bin", b"x", Reason.PICKLE), ("model.pt", zipped(x=b"y"), Reason.PICKLE), ("model.pkl", pickle.dumps([1]), Reason.PICKLE),
    ("notes.txt", pickle.dumps([1]), Reason.PICKLE), ("a.npy", npy(np.array([{}], dtype=object)), Reason.PICKLE),
    ("a.zip", zipped(m__pkl=pickle.dumps([1])), Reason.PICKLE), ("doc.pdf", b"%PDF-1.7", Reason.TYPE_NOT_ALLOWED),
    ("a.docx", zipped(x__xml=b"<a/>"), Reason.TYPE_NOT_ALLOWED), ("a.exe", b"MZ\x90\0", Reason.TYPE_NOT_ALLOWED), ("noending", b"x", Reason.TYPE_NOT_ALLOWED),
    ("t.csv", zipped(x__txt=b"x"), Reason.TYPE_NOT_ALLOWED), ("a.zip", b"a,b\n", Reason.TYPE_NOT_ALLOWED), ("p.png", jpeg(0xFE, b"x"), Reason.TYPE_NOT_ALLOWED),
    ("t.txt", b"SQLite format 3\0", Reason.TYPE_NOT_ALLOWED), ("t.txt", b"a\0b", Reason.TYPE_NOT_ALLOWED), ("t.txt", b"a" * 600 + b"\0", Reason.UNREADABLE),
    ("t.txt", b"\xff\xe0x", Reason.UNREADABLE), ("t.json", b"{", Reason.UNREADABLE), ("t.json", b"[" * 100_000, Reason.UNREADABLE), ("t.ndjson", b"{}\nx\n", Reason.UNREADABLE),
    ("t.parquet", parquet({"a": [1]})[:-9], Reason.UNREADABLE), ("t.parquet", b"PAR1", Reason.UNREADABLE), ("a.zip", zipped(x__txt=b"x")[:-4], Reason.UNREADABLE),
    ("a.zip", zipped(x__txt=b"x") + b"y" * 99, Reason.UNREADABLE), ("t.gz", b"\x1f\x8b\x08\0", Reason.UNREADABLE), ("p.png", png()[:40], Reason.UNREADABLE),
    ("p.png", png((b"prVt", b"x")), Reason.UNREADABLE), ("p.png", png(tail=b"hidden"), Reason.UNREADABLE), ("p.jpg", jpeg(0xFE, b"x", b"hidden"), Reason.UNREADABLE),
    ("m.onnx", b"hello", Reason.UNREADABLE), ("m.onnx", onnx_model() + b"\xfa\x3f\x03abc", Reason.UNREADABLE), ("m.onnx", b"", Reason.TYPE_NOT_ALLOWED),
    ("a.npy", npy(np.arange(3)) + b"hidden", Reason.UNREADABLE), ("m.ubj", ubjson(b"a", b"b") + b"x", Reason.UNREADABLE), ("m.ubj", b"{i\x01aSi\x7f", Reason.UNREADABLE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED)
def test_what_is_refused_and_why(name: str, content: bytes, reason: Reason) -> None:
    with pytest.raises(ArtifactRefused) as refusal:
        scan(name, content)
    assert refusal.value.fields["reason"] is reason
    assert isinstance(refusal.value, PolicyError)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unpacks_to_too_much_is_refused(bomb: str) -> None:
    name, content = BOMBS[bomb]()
    with pytest.raises(ArtifactRefused) as refusal:
        scan(name, content, ArtifactLimits(archive_entries=1000))
    assert refusal.value.fields["reason"] in (Reason.TOO_LARGE, Reason.UNREADABLE)


def test_sizes_are_bounded() -> None:
    for name, content in (("t.txt", b"x" * 2000), ("a.zip", zipped(x__txt=b"x" * 2000)), ("t.txt.gz", None)):
        with pytest.raises(ArtifactRefused):
            import gzip

            scan(name, content or gzip.compress(b"x" * 2000), ArtifactLimits(largest=1000))
    with pytest.raises(ArtifactRefused):
        scan("t.json", b'"' + b"x" * 2000 + b'"', ArtifactLimits(largest_document=1000))


def test_bytes_that_belong_to_no_member_of_a_zip_are_refused() -> None:
    archive = zipped(x__txt=b"x")
    for hidden in (b"#!/bin/sh 123-45-6789\n" + archive, _with_gap()):
        with pytest.raises(ArtifactRefused):
            scan("a.zip", hidden)


def _with_gap() -> bytes:
    """An archive from whose directory a member was struck out: its bytes are still there."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", b"x")
        archive.writestr("hidden.txt", b"123-45-6789" * 9)
        archive.writestr("b.txt", b"x")
        del archive.filelist[1]
        del archive.NameToInfo["hidden.txt"]
    return out.getvalue()


@pytest.mark.parametrize("place", pickles(SSN))
def test_pickles_are_looked_through_when_they_are_allowed_and_never_loaded(place: str) -> None:
    allowed = ArtifactLimits(allow_pickle=True)
    assert {f.phi_class for f in scan("m.pkl", pickles(SSN)[place], allowed)} == {PhiClass.SSN}
    assert scan("m.pkl", pickles("nothing")[place], allowed) == []
    with pytest.raises(ArtifactRefused):
        scan("m.pkl", pickles("nothing")[place] + b"hidden", allowed)


def test_nothing_runs_when_a_pickle_is_looked_through(tmp_path: Path) -> None:
    trap = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(trap),)

    scan("m.pkl", pickle.dumps(Trap()), ArtifactLimits(allow_pickle=True))
    assert not trap.exists()


def test_what_stands_across_two_blocks_is_found() -> None:
    for length in range(32_750, 32_775):
        assert scan("t.txt", b"x " * (length // 2) + b" SSN 123-45-6789 " + b"y " * 9000)


@pytest.mark.parametrize("piece", ["<", "<a ", "<!--", "</", "<a b='", "<![CDATA[", "<script>"])
def test_a_page_without_end_takes_no_more_than_its_length(piece: str) -> None:
    """A megabyte: with a parser whose work is the square of it this test would not end."""
    assert scan("t.html", (piece * (1_000_000 // len(piece))).encode()) == []


def test_tags_within_a_number_do_not_hide_it() -> None:
    assert scan("t.html", b"<p>123-<b>45</b>-6789</p>")
    assert scan("t.html", "".join(f"&#{ord(mark)};" for mark in SSN).encode())


def test_enough_findings_are_enough() -> None:
    content = "\n".join(f"SSN 123-45-{number}" for number in range(6000, 7000)).encode()
    assert len(scan("t.txt", content)) == ArtifactLimits().most_findings


NAMES = [
    "t.txt",
    "t.html",
    "t.csv",
    "t.json",
    "t.ndjson",
    "t.parquet",
    "a.zip",
    "t.txt.gz",
    "p.png",
    "p.jpg",
    "m.onnx",
    "a.npy",
    "m.ubj",
    "m.pkl",
    "x",
    "a.svg",
]
BEGINNINGS = [
    b"",
    b"PK\x03\x04",
    b"\x1f\x8b\x08\0",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe1",
    b"PAR1",
    b"\x93NUMPY\x01\0",
    b"{",
    b"[",
    b"\x80\x05",
]
ALLOWING = ArtifactLimits(allow_pickle=True)


@settings(max_examples=300)
@given(st.sampled_from(NAMES), st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(name: str, beginning: bytes, rest: bytes) -> None:
    try:
        scan(name, beginning + rest, ALLOWING)
    except ArtifactRefused:
        return


@settings(max_examples=200)
@given(st.sampled_from(sorted(HOLDERS)), st.data())
def test_damage_is_answered_or_refused_and_tells_nothing(place: str, data: st.DataObject) -> None:
    name, content = HOLDERS[place]
    start = data.draw(st.integers(0, len(content) - 1))
    damaged = (
        content[:start] + data.draw(st.binary(max_size=4)) + content[start + data.draw(st.integers(0, 4)) :]
    )
    try:
        told = repr(scan(name, damaged))
    except ArtifactRefused as refusal:
        told = f"{refusal} {refusal.fields} {refusal.__context__}"
    assert SSN not in told


def test_what_libraries_write_is_read_and_clean(tmp_path: Path) -> None:
    """Plots by matplotlib and Pillow, models by skl2onnx, skops and joblib: no form of ours but theirs."""
    import joblib
    import skops.io
    from matplotlib.figure import Figure
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    features = np.array([[0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    model = LogisticRegression().fit(features, [0, 1])
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1], label="ROC")
    for ending in ("png", "jpg", "svg"):
        figure.savefig(tmp_path / f"roc.{ending}")
    (tmp_path / "model.onnx").write_bytes(to_onnx(model, features[:1]).SerializeToString())
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(model))
    joblib.dump({"threshold": 0.5}, tmp_path / "threshold.joblib")
    np.savez_compressed(tmp_path / "scores.npz", scores=features)
    for path in sorted(tmp_path.iterdir()):
        assert scan(path.name, path.read_bytes(), ArtifactLimits(allow_pickle=True)) == [], path.name


def test_every_kind_has_a_test() -> None:
    """A decoder that comes later comes with its places."""
    endings = {name.rpartition(".")[2] for name, _ in HOLDERS.values()} | {"pkl"}
    from medcairn.phi.artifacts import kinds

    assert {kinds._BY_ENDING[ending] for ending in endings if ending in kinds._BY_ENDING} == set(Kind)
