"""Bronze under faults: killed, out of space, not alone; and the same bytes on any number of processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medcairn.core.delta import delta_files, read_delta
from medcairn.core.errors import StorageError, UsageError
from medcairn.lakehouse.bronze import bronze_types, build_bronze, source, write

from .bronze_folder import FIRST_DAY, BronzeFolder, patient

LOAD = """
import sys
from datetime import datetime
from pathlib import Path
from medcairn.lakehouse.bronze import build_bronze
if __name__ == "__main__":
    build_bronze(Path(sys.argv[1]), Path(sys.argv[2]), ingested_at=datetime.fromisoformat(sys.argv[3]))
"""


def fill(folder: Path, resource_type: str, count: int, *, width: int = 300) -> None:
    """``count`` resources that do not compress well."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{resource_type}.000.ndjson").open("w") as file:
        for number in range(count):
            noise = os.urandom(width).hex()
            file.write(json.dumps({"resourceType": resource_type, "id": f"r{number}", "x": noise}) + "\n")


def rows(bronze: Path) -> dict[str, list[tuple[str, int]]]:
    """What is in each table, read as anybody would."""
    return {
        name: [(row["id"], row["load"]) for row in read_delta(bronze / name, ["id", "load"]).to_pylist()]
        for name in bronze_types(bronze)
    }


def data(bronze: Path) -> dict[str, bytes]:
    """The active data files with their bytes."""
    return {
        file.relative_to(bronze).as_posix(): file.read_bytes()
        for name in bronze_types(bronze)
        for file in delta_files(bronze / name)
    }


# Killed.


def heads_are_written(bronze: Path) -> bool:
    return any(bronze.with_name("bronze.loading").glob("heads-*.parquet"))


def a_data_file_is_begun(bronze: Path) -> bool:
    return any(bronze.glob("*/ingested=2026-05-01/*.parquet"))


def one_table_is_committed(bronze: Path) -> bool:
    return (bronze / "Condition" / "_delta_log" / f"{1:020d}.json").exists()


@pytest.mark.parametrize("moment", [heads_are_written, a_data_file_is_begun, one_table_is_committed])
def test_after_a_kill_the_old_versions_are_readable_and_the_same_call_completes_the_load(
    tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    first, second, killed, whole = (tmp_path / name for name in ("first", "second", "killed", "whole"))
    fill(first, "Condition", 20)
    fill(first, "Observation", 50)
    fill(second, "Condition", 2_000)
    fill(second, "Observation", 6_000, width=2_000)  # some 24 MB: worth two processes
    for bronze in (killed / "bronze", whole / "bronze"):
        build_bronze(first, bronze, ingested_at=FIRST_DAY)
    before = rows(killed / "bronze")

    when = "2026-05-01T00:00:00+00:00"
    loading = subprocess.Popen([sys.executable, "-c", LOAD, str(second), str(killed / "bronze"), when])
    children: set[int] = set()
    while not moment(killed / "bronze"):
        assert loading.poll() is None
        children |= children_of(loading.pid)
        time.sleep(0.002)
    loading.send_signal(signal.SIGKILL)
    assert loading.wait(10) == -signal.SIGKILL

    after = rows(killed / "bronze")
    assert after["Observation"] == before["Observation"]
    if moment is not one_table_is_committed:
        assert after == before
    give_up = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < give_up, "a worker outlives the process that started it"
        time.sleep(0.05)

    again = [
        subprocess.run([sys.executable, "-c", LOAD, str(second), str(bronze), when], check=True, timeout=120)
        for bronze in (killed / "bronze", whole / "bronze")
    ]
    assert [done.returncode for done in again] == [0, 0]
    assert data(killed / "bronze") == data(whole / "bronze")
    assert sorted(path.name for path in killed.iterdir()) == ["bronze"]
    present = set((killed / "bronze").rglob("*.parquet"))
    assert present == {killed / "bronze" / name for name in data(killed / "bronze")}


def children_of(pid: int) -> set[int]:
    """The processes that a process has started."""
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


# Out of space.


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system with that much room at ``folder``; what is given makes it another size."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can only be mounted with the rights to do so")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [64, 300, 700, 1500, 2400])
def test_a_full_disk_is_told_and_the_load_completes_when_there_is_room(
    tmp_path: Path, kilobytes: int
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    fill(first, "Condition", 20, width=100)
    fill(second, "Condition", 3_000)
    fill(second, "Observation", 3_000)
    build_bronze(first, tmp_path / "whole", ingested_at=FIRST_DAY)
    build_bronze(second, tmp_path / "whole", ingested_at=FIRST_DAY)
    with small_disk(tmp_path / "disk", 2000) as resize:
        bronze = tmp_path / "disk" / "bronze"
        build_bronze(first, bronze, ingested_at=FIRST_DAY)
        resize(kilobytes)
        before = rows(bronze)
        with pytest.raises(StorageError) as caught:
            build_bronze(second, bronze, ingested_at=FIRST_DAY)
        assert caught.value.__context__ is None
        assert "Observation" not in rows(bronze)
        assert rows(bronze)["Condition"][: len(before["Condition"])] == before["Condition"]
        assert not bronze.with_name("bronze.loading").exists()
        resize(20_000)
        build_bronze(second, bronze, ingested_at=FIRST_DAY)
        assert data(bronze) == data(tmp_path / "whole")


# Not alone, and not only one process.


def test_two_loads_of_one_lake_do_not_run_at_once(tmp_path: Path) -> None:
    lake = BronzeFolder(tmp_path)
    lake.load(patient("a"))
    fill(lake.source, "Patient", 20_000, width=100)
    failures: list[UsageError] = []

    def load() -> None:
        try:
            lake.again()
        except UsageError as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [failure.message for failure in failures] == ["Another load of this lake is running"]


def test_files_are_the_same_with_any_number_of_processes_and_any_cut_into_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deid"
    fill(folder, "Patient", 9_000, width=1_200)
    fill(folder, "Condition", 30)
    with (folder / "Patient.000.ndjson").open("a") as file:
        file.write('broken\n{"resourceType":"Patient","id":"r7"}\n')
    kinds = []
    for processes in (1, 2):
        bronze = tmp_path / f"bronze{processes}"
        report = build_bronze(folder, bronze, ingested_at=FIRST_DAY, processes=processes)
        assert report.quarantined == {"not_json": 1, "superseded": 1}
        kinds.append((report, data(bronze), (bronze / "quarantine.parquet").read_bytes()))
    assert kinds[0] == kinds[1]
    lines = (folder / "Patient.000.ndjson").read_bytes().splitlines()
    for segment, block in ((1_000, 10**6), (5_000_000, 777), (2_500, 2_400), (700, 13)):
        few = tmp_path / "few"
        shutil.rmtree(few, ignore_errors=True)
        few.mkdir()
        (few / "Patient.ndjson").write_bytes(b"\n".join(lines[:40]))
        monkeypatch.setattr(source, "SEGMENT_BYTES", segment)
        monkeypatch.setattr(source, "_BLOCK_BYTES", block)
        monkeypatch.setattr(write, "FILE_BYTES", 10 * segment)
        bronze = tmp_path / f"bronze-{segment}"
        build_bronze(few, bronze, ingested_at=FIRST_DAY)
        table = read_delta(bronze / "Patient", ["source_line", "resource"]).to_pylist()
        assert [row["source_line"] for row in table] == list(range(1, 41))
        assert [row["resource"].encode() for row in table] == lines[:40]
