"""Workers: results in order, and errors of ours."""

from __future__ import annotations

import os

import pytest

from core.worker_tasks import adder, failing, pid
from medcairn.core.errors import DataError, ExternalError
from medcairn.core.workers import Workers


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_tasks(processes: int) -> None:
    with Workers(processes) as workers:
        for step in (10, 20):
            found = [number for number, _ in workers.in_order(adder, (step,), range(50))]
            assert found == [number + step for number in range(50)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_ours_arrives_with_its_parts(processes: int) -> None:
    with Workers(processes) as workers, pytest.raises(DataError) as caught:
        list(workers.in_order(failing, ("ours",), range(9)))
    assert (caught.value.message, caught.value.fields) == ("Line three cannot be read", {"line": 3})


@pytest.mark.parametrize(
    ("how", "message"),
    [("a defect", "A worker process met a defect"), ("a death", "A worker process died")],
)
def test_of_any_other_failure_no_text_travels(how: str, message: str) -> None:
    with Workers(2) as workers, pytest.raises(ExternalError) as caught:
        list(workers.in_order(failing, (how,), range(9)))
    assert caught.value.message == message
    assert "Roe" not in str(caught.value)


def test_processes_stay_for_several_kinds_of_work() -> None:
    with Workers(2) as workers:
        first = set(workers.in_order(pid, (), range(40)))
        assert set(workers.in_order(pid, (), range(40))) <= first
        assert os.getpid() not in first


def test_one_process_is_this_one() -> None:
    with Workers(1) as workers:
        assert set(workers.in_order(pid, (), range(3))) == {os.getpid()}
