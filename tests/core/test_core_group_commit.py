"""Group commit: order, shared commits, failures that reach every caller, and closing."""

import threading
from collections.abc import Sequence

import pytest

from medcairn.core.errors import ExternalError, StorageError
from medcairn.core.group_commit import GroupCommit


def test_each_caller_gets_the_result_of_its_own_write() -> None:
    batches: list[list[int]] = []
    gate = threading.Event()

    def commit(batch: Sequence[int]) -> list[int]:
        gate.wait(10)
        batches.append(list(batch))
        return [10 * write for write in batch]

    writes: GroupCommit[int, int] = GroupCommit(commit, name="test")
    results: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: writes.submit(n)})) for n in range(40)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    writes.close()
    assert results == {n: 10 * n for n in range(40)}
    assert sorted(write for batch in batches for write in batch) == list(range(40))
    assert len(batches) < 40, "writes that wait at the same time share a commit"


def test_a_failure_reaches_the_caller_and_the_next_write_is_tried_again() -> None:
    full = [True]

    def commit(batch: Sequence[str]) -> list[str]:
        if full[0]:
            raise StorageError("The disk is full")
        return list(batch)

    writes: GroupCommit[str, str] = GroupCommit(commit, name="test")
    with pytest.raises(StorageError, match="disk is full"):
        writes.submit("lost")
    full[0] = False
    assert writes.submit("kept") == "kept"
    writes.close()


def test_after_closing_nothing_is_taken() -> None:
    writes: GroupCommit[int, int] = GroupCommit(list, name="test")
    assert writes.submit(1) == 1
    writes.close()
    writes.close()
    with pytest.raises(ExternalError, match="closed"):
        writes.submit(2)
