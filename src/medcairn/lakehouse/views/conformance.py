"""Runs the official SQL on FHIR v2 test suite (a folder of JSON files) against the compiler."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from medcairn.core.canonical import JSON
from medcairn.core.errors import MedcairnError, UsageError

_View: TypeAlias = Mapping[str, object]
_Result: TypeAlias = tuple[list[str], list[tuple[object, ...]]]


class Runner(Protocol):
    """Runs a view over resources and gives (column names, rows), or raises an error of ours."""

    def __call__(self, view: _View, resources: Sequence[bytes], /) -> _Result: ...


@runtime_checkable
class ManyRunner(Protocol):
    """Runs several views over the same resources at once; each gives its result or its error."""

    def many(
        self, views: Sequence[_View], resources: Sequence[bytes], /
    ) -> list[_Result | MedcairnError]: ...


@dataclass(frozen=True)
class CaseResult:
    """One case. ``reason`` is empty when it passed."""

    file: str
    title: str
    reason: str = ""

    @property
    def key(self) -> str:
        """``file: title``."""
        return f"{self.file}: {self.title}"


@dataclass(frozen=True)
class ConformanceReport:
    """What the suite said."""

    cases: tuple[CaseResult, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(not case.reason for case in self.cases)

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(case for case in self.cases if case.reason)

    def test_report(self) -> dict[str, JSON]:
        """The suite's own report format: per file the tests with ``result.passed``."""
        files: dict[str, list[JSON]] = {}
        for case in self.cases:
            entry: dict[str, JSON] = {"name": case.title, "result": {"passed": not case.reason}}
            files.setdefault(case.file, []).append(entry)
        return {file: {"tests": tests} for file, tests in files.items()}


def run_suite(folder: Path, runner: Runner | ManyRunner) -> ConformanceReport:
    """Run every case of the suite in ``folder`` (or in its ``tests``).

    Raises :class:`UsageError` when the folder holds no suite.
    """
    tests = folder / "tests" if (folder / "tests").is_dir() else folder
    cases: list[CaseResult] = []
    for path in sorted(tests.glob("*.json")):
        document: object = None
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            document = None
        if isinstance(document, dict) and isinstance(document.get("tests"), list):
            resources = [json.dumps(resource).encode() for resource in document.get("resources", [])]
            outcomes = _outcomes(runner, [case["view"] for case in document["tests"]], resources)
            cases += map(partial(_judged, path.name), document["tests"], outcomes)
    if not cases:
        raise UsageError("This folder holds no SQL on FHIR test suite", folder=folder)
    return ConformanceReport(tuple(cases))


def _outcomes(
    runner: Runner | ManyRunner, views: list[_View], resources: list[bytes]
) -> list[_Result | MedcairnError]:
    if isinstance(runner, ManyRunner):
        return runner.many(views, resources)
    found: list[_Result | MedcairnError] = []
    for view in views:
        try:
            found.append(runner(view, resources))
        except MedcairnError as error:
            found.append(error)
    return found


def _judged(file: str, case: dict[str, object], outcome: _Result | MedcairnError) -> CaseResult:
    title = str(case["title"])
    if isinstance(outcome, MedcairnError):
        return CaseResult(file, title, "" if case.get("expectError") else f"error: {outcome}")
    columns, rows = outcome
    if case.get("expectError"):
        return CaseResult(file, title, "an error was expected")
    if "expectColumns" in case and columns != case["expectColumns"]:
        return CaseResult(file, title, "the columns differ")
    found = sorted(_row_key(dict(zip(columns, row, strict=True))) for row in rows)
    expected = case.get("expect", [])
    assert isinstance(expected, list)
    if found != sorted(_row_key(row) for row in expected):
        return CaseResult(file, title, "the rows differ")
    return CaseResult(file, title)


def _row_key(row: Mapping[str, object]) -> str:
    """A row as text in which 5 and 5.0 are the same number; the order of rows does not count."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True)


def _plain(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return float(value)


__all__ = ["CaseResult", "ConformanceReport", "ManyRunner", "Runner", "run_suite"]
