"""The audit package and its summary: whole or not there, the same bytes twice, nothing about a subject."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audit.trail_history import APPROVED, study
from medcairn.audit.export import AuditSummary, summarise, write_package
from medcairn.audit.graph import trail_picture
from medcairn.audit.trace import follow
from medcairn.core.digests import digest_file
from medcairn.core.errors import StorageError, UsageError
from medcairn.reports import Table, render_page, render_pdf
from medcairn.reports.audit_summary import Checked, audit_document

HISTORY = study().events
CHECKED = Checked((), 3, "12" * 32)


def summary() -> AuditSummary:
    return summarise(iter(HISTORY), origin="medcairn/demo", public_key="ef" * 32, root_hash="12" * 32)


def ledger_files(folder: Path) -> None:
    (folder / "entries.jsonl").write_bytes(b"".join(s.event.as_leaf() + b"\n" for s in HISTORY))


def package(folder: Path, verifier: Path) -> None:
    documents = {"summary.json": b"{}\n"}
    write_package(folder, ledger_files=ledger_files, verifier=verifier, documents=documents)


@pytest.fixture
def verifier(tmp_path: Path) -> Path:
    path = tmp_path / "their_verifier.py"
    path.write_text("print('checked')\n")
    return path


def test_the_package_lists_every_file_by_digest(tmp_path: Path, verifier: Path) -> None:
    package(tmp_path / "out", verifier)
    listed = json.loads((tmp_path / "out" / "contents.json").read_bytes())["files"]
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {one["path"] for one in listed} | {"contents.json"} == found
    assert {"README.txt", "entries.jsonl", "summary.json", "verify_audit.py"} < found
    for one in listed:
        assert one["digest"] == digest_file(tmp_path / "out" / one["path"])


def test_the_same_ledger_gives_the_same_package(tmp_path: Path, verifier: Path) -> None:
    for name in ("one", "two"):
        package(tmp_path / name, verifier)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_folder_that_is_there_is_refused_and_untouched(tmp_path: Path, verifier: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="something under this name"):
        package(tmp_path / "out", verifier)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_package_that_fails_half_way_is_not_there(tmp_path: Path, verifier: Path) -> None:
    def full(folder: Path) -> None:
        raise StorageError("The disk is full")

    with pytest.raises(StorageError):
        write_package(tmp_path / "out", ledger_files=full, verifier=verifier, documents={})
    assert not (tmp_path / "out").exists()
    package(tmp_path / "out", verifier)  # what was left does not stand in the way


def test_the_readme_names_every_file_that_is_written(tmp_path: Path, verifier: Path) -> None:
    package(tmp_path / "out", verifier)
    text = (tmp_path / "out" / "README.txt").read_text()
    named = set(re.findall(r"^  (\w+\.\w+) ", text, re.MULTILINE))
    assert {path.name for path in (tmp_path / "out").iterdir()} - {"README.txt"} <= named


def test_the_summary_counts_what_the_ledger_holds() -> None:
    found = summary()
    assert found.tree_size == len(HISTORY) == sum(found.by_type.values()) == sum(found.by_actor.values())
    assert found.by_type["prediction.made"] == 6
    assert [(one.signed.meaning, one.signed.record) for one in found.signatures] == [
        ("reviewed", APPROVED),
        ("approved", APPROVED),
    ]
    assert [one.what.split(": ")[1] for one in found.transitions] == [
        "none → candidate",
        "candidate → validated",
        "validated → approved",
    ]
    assert [one.what for one in found.refusals] == [
        "gate.refused, package, release",
        "stage.failed, package, gate_refused",
    ]
    assert found.latest_package is not None
    assert json.loads(json.dumps(found.as_json()))["tree_size"] == len(HISTORY)


def test_the_document_shows_signatures_with_name_time_and_meaning() -> None:
    document = audit_document(summary(), CHECKED)
    (signed,) = [section for section in document.sections if section.heading == "E-signatures"]
    (table,) = signed.blocks
    assert isinstance(table, Table)
    assert table.rows[0][:3] == ("Clara <Reviewer> & Co", "2026-01-01 00:00:30", "reviewed")
    assert b"no change found" in render_page(document)


def test_findings_stand_in_the_verdict_and_in_the_text() -> None:
    document = audit_document(summary(), Checked(("An entry was edited: entry 3",), 3, "12" * 32))
    assert document.verdict.word == "changed"
    assert b"An entry was edited: entry 3" in render_page(document)


def test_the_pdf_is_the_same_twice_and_holds_the_picture() -> None:
    svg = trail_picture(follow(HISTORY, str(summary().latest_package)))
    one, two = (render_pdf(audit_document(summary(), CHECKED, trail_svg=svg)) for _ in range(2))
    assert one == two
    assert one.startswith(b"%PDF-")
    assert len(one) > len(render_pdf(audit_document(summary(), CHECKED)))


def test_an_empty_history_can_be_summarised() -> None:
    events = iter(HISTORY[:1])
    found = summarise(events, origin="medcairn/demo", public_key="ef" * 32, root_hash="12" * 32)
    assert render_pdf(audit_document(found, CHECKED)).startswith(b"%PDF-")
