"""The scan as a gate: it flags what tutorials teach, passes what the policy lets out, and stays small."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path

import pytest

from medcairn.deid import LeakClass, scan
from medcairn.deid.leaks.gathering import Gathered, Gatherer
from medcairn.deid.leaks.judge import Judge
from medcairn.deid.leaks.members import Known, members

from .clinic import Clinic, patient
from .tutorials import tutorial

READ = ("Patient", "Practitioner", "Organization", "Condition", "Procedure", "Encounter")


def some_files(synthea: Path, folder: Path) -> Path:
    """A part of a Synthea set, which names its people in several types."""
    folder.mkdir()
    for name in READ:
        shutil.copy(synthea / f"{name}.ndjson", folder)
    return folder


def test_a_naive_de_identifier_is_flagged(synthea: Path, tmp_path: Path) -> None:
    source = some_files(synthea, tmp_path / "source")
    tutorial(source, tmp_path / "naive")
    report = scan(source, tmp_path / "naive")
    assert {LeakClass.NAME, LeakClass.CITY, LeakClass.RESOURCE_ID} <= report.hits_by_class.keys()
    assert report.hit_count > 10_000
    assert {hit.file.split(".")[0] for hit in report.hits} & {"Patient", "Condition"}
    assert not report.clean


def test_what_one_range_of_a_file_finds_is_told_by_the_file_s_lines(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.add(patient(name=[{"family": "Roekampf"}]))
    out = tmp_path / "out"
    out.mkdir()
    lines = [json.dumps({"n": n, "x": "Roekampf" if n % 7 == 3 else "y" * (n % 50)}) for n in range(200)]
    (out / "a.ndjson").write_text("\n".join(lines))
    whole = scan(clinic.source, out)
    for size in (1, 13, 64, 1000):
        monkeypatch.setattr("medcairn.deid.leaks.files.RANGE_BYTES", size)
        assert scan(clinic.source, out) == whole
    assert [hit.line - 1 for hit in whole.hits] == [n for n in range(200) if n % 7 == 3]


def test_identifiers_take_little_memory() -> None:
    tracemalloc.start()
    into = Gatherer()
    for number in range(100_000):
        into.resource_id(f"{number * 7919:032x}")
    found = into.gathered()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    entries = found.searched
    assert len(entries) == 100_000
    assert entries.hashes.nbytes + entries.classes.nbytes + entries.rows.nbytes == 1_100_000
    assert peak < 30_000_000
    judge = Judge(Gathered.united([found, found]).settled())
    assert judge.classes([f"x {7919:032x}", f"x {7920:032x}"]) == [(LeakClass.RESOURCE_ID,), ()]


def test_what_was_seen_is_forgotten_before_it_takes_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcairn.deid.leaks.members._LIMIT", 2)
    known = Known()
    known.add(set(members(b'{"a":1,"b":2,"c":3}')))
    assert known.new({b'c":3}'}) == set()
    known.add({b"x"})
    assert known.new({b'c":3}', b"x"}) == {b'c":3}'}
