"""kill -9 at any moment: the last export is as it was, and the same call ends in the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from medcairn.export import BulkRequest
from medcairn.export.incremental import STATE_FILE
from medcairn.synthetic.server import HospitalServer

from .changing_hospital import Exporter, resource, write_hospital
from .conftest import FakeTime
from .stalling import killed

ALL = BulkRequest()


@pytest.fixture
def export(tmp_path: Path, fake_time: FakeTime) -> Iterator[Exporter]:
    patients = [resource("Patient", f"p{n}") for n in range(3)]
    conditions = [resource("Condition", f"c{n}", f"p{n % 3}") for n in range(30)]
    data = write_hospital(tmp_path / "data", [*patients, *conditions])
    with HospitalServer(data, open_access=True, polls=0, lines_per_file=10) as server:
        yield Exporter(server, tmp_path, fake_time.sleep, fake_time.monotonic)


def files_of(folder: Path) -> dict[str, bytes]:
    """All files but the log, which tells the time."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log.ndjson"}


@pytest.mark.parametrize(
    ("phase", "after"),
    [("Checking the last export", 0), ("Downloading", 0), ("Merging", 0), ("Merging", 2)],
)
def test_after_kill_9_the_same_call_ends_in_the_same_bytes(
    export: Exporter, tmp_path: Path, phase: str, after: int
) -> None:
    first, _ = export(None, ALL)
    export.server.put(resource("Condition", "c3", "p0", note="worse"))
    export.server.put(resource("Condition", "c25", "p1", note="better"))
    export.server.put(resource("Patient", "p9"))
    export.server.delete("Condition", "c4")
    before = files_of(first)
    out = tmp_path / "killed"
    out.mkdir()
    asked = len(export.kick_offs())

    killed("increment", export.server.base_url, out, first, phase, after)
    assert files_of(first) == before
    assert not (out / STATE_FILE).exists(), "without its state an export is nothing to build on"

    export(first, ALL, out=out)
    assert len(export.kick_offs()) == asked + 1, "the server was asked once"
    undisturbed, _ = export(first, ALL)
    assert files_of(out) == files_of(undisturbed)
    assert files_of(first) == before
