"""What a view can be run on, under one interface, so that one test speaks for all of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import pytest

from medcairn.core.errors import MedcairnError
from medcairn.lakehouse.engines import EngineName, view_engine
from medcairn.lakehouse.views.runner import Outcome, View, ViewRunner, run_directly

_HAS_SPARK = importlib.util.find_spec("pyspark") is not None and bool(
    os.environ.get("JAVA_HOME") or shutil.which("java")
)
needs_spark = pytest.mark.skipif(not _HAS_SPARK, reason="PySpark or Java is not installed")
EXECUTORS = ["duckdb", "direct", pytest.param("spark", marks=needs_spark)]
OTHERS = EXECUTORS[1:]
"""Those that are compared with DuckDB."""


class Executor(Protocol):
    """Runs several views over the same resources."""

    def many(self, views: Sequence[View], resources: Sequence[bytes]) -> list[Outcome]: ...


class _Direct:
    def many(self, views: Sequence[View], resources: Sequence[bytes]) -> list[Outcome]:
        return [self._one(view, resources) for view in views]

    def _one(self, view: View, resources: Sequence[bytes]) -> Outcome:
        try:
            return run_directly(view, resources)
        except MedcairnError as error:
            return error


@cache
def executor(name: str) -> Executor:
    """The executor of that name; one a process, because Spark takes its time to start."""
    return _Direct() if name == "direct" else ViewRunner(view_engine(EngineName(name)))


def rows_of(outcome: Outcome) -> list[tuple[object, ...]]:
    """The rows, where no error is expected."""
    if isinstance(outcome, MedcairnError):
        raise outcome
    return outcome[1]


__all__ = ["EXECUTORS", "OTHERS", "Executor", "executor", "needs_spark", "rows_of"]
