"""Processes that decide on the same thing at the same moment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeAlias

from medcairn.access import Meaning
from medcairn.core.errors import MedcairnError
from medcairn.core.lifecycle import LifecycleState
from medcairn.pipeline.model_registry import ModelRegistry
from medcairn.pipeline.signing import sign_record
from medcairn.pipeline.study import Study
from pipeline.governed import WORDS

Told: TypeAlias = "Queue[str]"
Act: TypeAlias = Callable[[Path, Barrier, Told], None]


def raced(act: Act, root: Path, racers: int) -> list[str]:
    """What became of each of ``racers`` processes: ``done``, or the code of the error."""
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(racers), context.Queue()
    processes = [context.Process(target=act, args=(root, start, told)) for _ in range(racers)]
    for process in processes:
        process.start()
    outcomes = [told.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return outcomes


def approve_in_race(root: Path, start: Barrier, told: Told) -> None:
    record = {"form": "medcairn-approval-1", "version": "9"}
    _race(
        lambda study: sign_record(study, "ada", WORDS, signed=record, meaning=Meaning.APPROVED),
        root,
        start,
        told,
    )


def promote_in_race(root: Path, start: Barrier, told: Told) -> None:
    def promote(study: Study) -> None:
        ModelRegistry(study).promote(
            "1", LifecycleState.CANARY, by="oscar", password=WORDS, reason="It did well"
        )

    _race(promote, root, start, told)


def _race(act: Callable[[Study], object], root: Path, start: Barrier, told: Told) -> None:
    study = Study.open(root)
    start.wait()
    try:
        act(study)
    except MedcairnError as failure:
        told.put(failure.code)
    else:
        told.put("done")
