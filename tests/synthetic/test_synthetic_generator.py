"""The generator is deterministic, streams, and writes whole folders."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import UsageError
from medcairn.synthetic import generate, write_ndjson
from medcairn.synthetic.draws import opaque_key


def _by_patient(patients: int, seed: int) -> list[list[bytes]]:
    """The lines of each patient, told apart by the Patient line that comes first."""
    found: list[list[bytes]] = []
    for resource_type, line in generate(patients, seed):
        if resource_type == "Patient":
            found.append([])
        if found:
            found[-1].append(line)
    return found


def test_same_seed_gives_same_bytes() -> None:
    assert list(generate(8, 3)) == list(generate(8, 3))


def test_another_seed_gives_other_patients_and_ids() -> None:
    one, other = set(generate(8, 3)), set(generate(8, 4))
    assert not one & other


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**40), fewer=st.integers(1, 6), more=st.integers(7, 10))
def test_more_patients_never_change_the_earlier_ones(seed: int, fewer: int, more: int) -> None:
    assert _by_patient(more, seed)[:fewer] == _by_patient(fewer, seed)


@given(seed=st.integers(0, 2**63), indices=st.sets(st.integers(-200, 10_000_000), min_size=2, max_size=50))
def test_keys_of_one_seed_never_collide(seed: int, indices: set[int]) -> None:
    assert len({opaque_key(seed, index) for index in indices}) == len(indices)


def test_a_million_patients_start_at_once_and_need_little_memory() -> None:
    tracemalloc.start()
    try:
        taken = sum(len(line) for _, line in itertools.islice(generate(1_000_000, 5), 20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken > 5_000_000
    assert peak < taken / 2


def test_size_of_the_demonstration() -> None:
    counts = Counter(resource_type for resource_type, _ in generate(300, 1))
    assert 200 <= sum(counts.values()) / 300 <= 290
    assert set(counts) == {
        "Condition",
        "DocumentReference",
        "Encounter",
        "Immunization",
        "MedicationRequest",
        "Observation",
        "Organization",
        "Patient",
        "Practitioner",
        "Procedure",
    }


def test_the_last_day_moves_everything_with_it() -> None:
    earlier = b"".join(line for _, line in generate(10, 1, as_of=date(2020, 1, 1)))
    assert b'"lastUpdated":"2020-' not in earlier
    assert b'"lastUpdated":"2019-' in earlier


def test_files_hold_what_is_streamed_and_hospital_json_what_is_known(tmp_path: Path) -> None:
    report = write_ndjson(tmp_path / "out", patients=12, seed=9)
    streamed: dict[str, bytes] = {}
    for resource_type, line in generate(12, 9):
        streamed[resource_type] = streamed.get(resource_type, b"") + line
    for resource_type, content in streamed.items():
        assert (tmp_path / "out" / f"{resource_type}.000.ndjson").read_bytes() == content
        assert report.counts[resource_type] == content.count(b"\n")
    told = json.loads((tmp_path / "out" / "hospital.json").read_text())
    assert told == json.loads(json.dumps(report.facts()))
    assert told["transaction_time"] == "2025-06-30T00:00:00Z"
    assert report.bytes_written == sum(map(len, streamed.values()))


def test_files_roll_over_without_losing_a_line(tmp_path: Path) -> None:
    report = write_ndjson(tmp_path / "out", patients=5, seed=9, roll_over_bytes=100_000)
    parts = sorted((tmp_path / "out").glob("Observation.*.ndjson"))
    assert len(parts) > 2
    assert [part.name for part in parts] == [f"Observation.{n:03}.ndjson" for n in range(len(parts))]
    assert all(part.stat().st_size < 102_000 for part in parts)
    assert sum(part.read_bytes().count(b"\n") for part in parts) == report.counts["Observation"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        write_ndjson(tmp_path, patients=1, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_left_overs_of_a_killed_run_do_not_stay(tmp_path: Path) -> None:
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "Observation.009.ndjson").write_text("half a li")
    write_ndjson(tmp_path / "out", patients=1, seed=1)
    assert not (tmp_path / "out" / "Observation.009.ndjson").exists()
    assert not partial.exists()


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(UsageError):
        next(generate(-1, 1))
    with pytest.raises(UsageError):
        next(generate(1, -1))
