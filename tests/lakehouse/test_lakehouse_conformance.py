"""The official SQL on FHIR test suite, pinned, on every executor."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from medcairn.core.errors import DataError, UsageError
from medcairn.lakehouse.views import ConformanceReport, run_suite
from medcairn.lakehouse.views.runner import ViewRunner

from .view_engines import EXECUTORS, executor, rows_of

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "sql-on-fhir-v2"

CASES = 134
EXPECTED_ERRORS = 11
KNOWN_FAILURES: dict[str, str] = {}
"""``file: title`` of each case that is known to fail, with the reason. Empty: all of them pass."""

needs_suite = pytest.mark.skipif(
    not SUITE.is_dir(), reason="the official test suite is not beside the repository"
)


@cache
def report_of(name: str) -> ConformanceReport:
    return run_suite(SUITE, executor(name))


@needs_suite
@pytest.mark.parametrize("name", EXECUTORS)
def test_exactly_the_known_cases_fail(name: str) -> None:
    report = report_of(name)
    assert {case.key for case in report.failed} == set(KNOWN_FAILURES)
    assert len(report.cases) == CASES
    assert report.passed == CASES - len(KNOWN_FAILURES)


@needs_suite
@pytest.mark.parametrize("name", EXECUTORS)
def test_the_expected_errors_are_ours(name: str) -> None:
    """An engine's own refusal of our SQL is an error too, and would pass for one that was expected."""
    ended: list[object] = []
    for path in sorted((SUITE / "tests").glob("*.json")):
        document = json.loads(path.read_bytes())
        views = [case["view"] for case in document["tests"] if case.get("expectError")]
        resources = [json.dumps(resource).encode() for resource in document["resources"]]
        ended += executor(name).many(views, resources) if views else []
    assert len(ended) == EXPECTED_ERRORS
    assert {type(error).__name__ for error in ended} == {"SettingsError", "DataError"}


@needs_suite
def test_the_report_has_the_suites_form() -> None:
    report: Any = report_of("duckdb").test_report()
    assert report["basic.json"]["tests"][0] == {"name": "basic attribute", "result": {"passed": True}}
    tests = [test for file in report.values() for test in file["tests"]]
    assert len(tests) == CASES
    assert {(type(test["name"]), type(test["result"]["passed"])) for test in tests} == {(str, bool)}


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


def test_a_runner_of_one_view_at_a_time_serves_too(tmp_path: Path) -> None:
    case = {
        "title": "t",
        "view": {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]},
    }
    broken = {"title": "e", "view": {"resource": "Patient", "select": []}, "expectError": True}
    suite = {"resources": [], "tests": [{**case, "expect": []}, broken]}
    (tmp_path / "one.json").write_text(json.dumps(suite))
    one_by_one = ViewRunner()
    assert run_suite(tmp_path, lambda view, resources: one_by_one(view, resources)).passed == 2


def test_a_folder_without_a_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text("{")
    with pytest.raises(UsageError, match="no SQL on FHIR test suite"):
        run_suite(tmp_path, ViewRunner())


# Keys over collections, as the newer suite has them (FHIR/sql-on-fhir.js, commit 96583bb): our own resources
# and views for the same behaviour.
def _reference(text: str | None) -> dict[str, Any]:
    return {"reference": text} if text else {"identifier": {"value": "i"}}


CARE_TEAM = ["Practitioner/doc", "Organization/ward", None, "#in", "Practitioner/nurse"]
PATIENTS = [
    {
        "resourceType": "Patient",
        "id": "with",
        "generalPractitioner": [_reference(text) for text in CARE_TEAM],
    },
    {"resourceType": "Patient", "id": "without"},
]
KEY_PATHS: dict[str, list[object]] = {
    "generalPractitioner.getReferenceKey()[0]": ["doc", None],
    "generalPractitioner.getReferenceKey()[2]": ["nurse", None],
    "generalPractitioner.getReferenceKey()[3].exists()": [False, False],
    "generalPractitioner.getReferenceKey(Practitioner)[1]": ["nurse", None],
    "generalPractitioner.getReferenceKey(Practitioner)[2].exists()": [False, False],
    "generalPractitioner.getReferenceKey(Organization)": ["ward", None],
    "generalPractitioner.getReferenceKey(Patient).exists()": [False, False],
    "generalPractitioner.where(getReferenceKey(Practitioner).exists()).reference.join(' ')": [
        "Practitioner/doc Practitioner/nurse",
        "",
    ],
    "getResourceKey() = generalPractitioner.getReferenceKey(Organization)": [False, None],
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_collection_of_references_gives_a_key_for_each_that_has_one(name: str) -> None:
    views = [
        {"resource": "Patient", "select": [{"column": [{"name": "v", "path": path}]}]} for path in KEY_PATHS
    ]
    texts = [json.dumps(patient).encode() for patient in PATIENTS]
    found = [[row[0] for row in rows_of(outcome)] for outcome in executor(name).many(views, texts)]
    assert dict(zip(KEY_PATHS, found, strict=True)) == KEY_PATHS


@pytest.mark.parametrize("name", EXECUTORS)
def test_keys_row_by_row_as_a_list_and_one_too_many(name: str) -> None:
    by_row = {
        "forEachOrNull": "generalPractitioner",
        "column": [{"name": "same", "path": "getReferenceKey(Practitioner) = getReferenceKey()"}],
    }
    keys = {"name": "keys", "path": "generalPractitioner.getReferenceKey()", "collection": True}
    several = {"name": "key", "path": "generalPractitioner.getReferenceKey(Practitioner)"}
    views = [
        {"resource": "Patient", "select": [by_row]},
        {"resource": "Patient", "select": [{"column": [keys]}]},
        {"resource": "Patient", "select": [{"column": [several]}]},
    ]
    rows, lists, error = executor(name).many(views, [json.dumps(patient).encode() for patient in PATIENTS])
    assert [row[0] for row in rows_of(rows)] == [True, None, None, None, True, None]
    assert [row[0] for row in rows_of(lists)] == [["doc", "ward", "nurse"], []]
    assert isinstance(error, DataError)
