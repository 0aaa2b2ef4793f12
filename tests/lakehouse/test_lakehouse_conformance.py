"""The official SQL on FHIR test suite, pinned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medcairn.core.errors import UsageError
from medcairn.lakehouse.engine import ViewRunner
from medcairn.lakehouse.views import ConformanceReport, run_suite

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "sql-on-fhir-v2"

CASES = 134
KNOWN_FAILURES: dict[str, str] = {}
"""``file: title`` of each case that is known to fail, with the reason. Empty: all of them pass."""

needs_suite = pytest.mark.skipif(
    not SUITE.is_dir(), reason="the official test suite is not beside the repository"
)


@pytest.fixture(scope="module")
def report() -> ConformanceReport:
    return run_suite(SUITE, ViewRunner())


@needs_suite
def test_exactly_the_known_cases_fail(report: ConformanceReport) -> None:
    assert {case.key for case in report.failed} == set(KNOWN_FAILURES)
    assert len(report.cases) == CASES
    assert report.passed == CASES - len(KNOWN_FAILURES)


@needs_suite
def test_the_report_has_the_suites_form(report: ConformanceReport) -> None:
    basic = report.test_report()["basic.json"]
    assert basic["tests"][0] == {"name": "basic attribute", "result": {"passed": True}}  # type: ignore[index,call-overload]


@needs_suite
def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    """The runner can fail: every case of one file with its expected rows spoilt."""
    suite = json.loads((SUITE / "tests" / "basic.json").read_text())
    for case in suite["tests"]:
        case["expect"] = [*case["expect"], {"id": "nobody"}]
    (tmp_path / "basic.json").write_text(json.dumps(suite))
    assert run_suite(tmp_path, ViewRunner()).passed == 0


@needs_suite
def test_an_error_that_does_not_come_fails(tmp_path: Path) -> None:
    shutil.copy(SUITE / "tests" / "where.json", tmp_path / "where.json")
    suite = json.loads((tmp_path / "where.json").read_text())
    suite["tests"] = [{**suite["tests"][0], "expectError": True}]
    (tmp_path / "where.json").write_text(json.dumps(suite))
    assert run_suite(tmp_path, ViewRunner()).passed == 0


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text("{")
    with pytest.raises(UsageError, match="no SQL on FHIR test suite"):
        run_suite(tmp_path, ViewRunner())
