"""The nine-stage record: every value with the entry that holds it, what is unknown named as unknown."""

from __future__ import annotations

import json

import pytest

from audit.trail_history import CRITERIA, MLFLOW_RUN, RELEASE, RUN, VERSION, WATCH, ref, study
from medcairn.audit import EventType, StoredEvent
from medcairn.audit.record import NineStageRecord, Told, When, nine_stage_record, record_text
from medcairn.audit.record.text import value_text
from medcairn.audit.trace import UnknownId
from medcairn.core.canonical import JSON

HISTORY = study().events


def record_of(run: str, history: list[StoredEvent] = HISTORY) -> NineStageRecord:
    return nine_stage_record(lambda: iter(history), run)


def field(record: NineStageRecord, title: str, name: str) -> Told:
    (step,) = [step for step in record.steps if step.title == title]
    return next(told for told in step.fields if told.name == name)


VALUES: list[tuple[str, str, JSON]] = [
    ("Export", "data_source", "bulk"),
    ("Export", "record_count", 258330),
    ("De-identification", "mode", "safe-harbor"),
    ("De-identification", "leak_scan_hits", 0),
    ("Lakehouse", "dataset_digest", ref("silver").digest),
    ("Features", "split_sizes", {"train": {"rows": 648}}),
    ("Training", "mlflow_run_id", MLFLOW_RUN),
    ("Training", "algorithm", "ebm"),
    ("Training", "duration_seconds", 1.5),
    ("Clinical validation", "verdict", "passed"),
    ("Clinical validation", "criteria_digest", CRITERIA),
    ("Registry and packaging", "model_version", VERSION),
    ("Monitoring", "status", "ok"),
    ("Audit trail", "findings", 0),
]


@pytest.mark.parametrize(("title", "name", "value"), VALUES)
def test_a_value_comes_with_the_entry_that_holds_it(title: str, name: str, value: JSON) -> None:
    told = field(record_of(RUN), title, name)
    assert (told.value, told.unknown) == (value, "")
    assert told.entry is not None
    assert json.dumps(value) in json.dumps(HISTORY[told.entry].event.as_json())


@pytest.mark.parametrize(
    ("title", "name", "why"),
    [
        ("Export", "address", "holds no addresses"),
        ("Training", "hyperparameters", "the MLflow run has them"),
        ("Training", "environment", "no entry of the ledger records it"),
        ("Registry and packaging", "image_digest", "outside of medcairn"),
        ("Monitoring", "false_discovery_rate", "no entry of the ledger records it"),
        ("Deployment and serving", "state", "was not done"),
        ("Clinical validation", "fairness", "no entry of the ledger records it"),
    ],
)
def test_what_nobody_recorded_is_unknown_with_the_reason(title: str, name: str, why: str) -> None:
    told = field(record_of(RUN), title, name)
    assert told.value is None
    assert why in told.unknown


def test_a_value_that_is_recorded_one_day_is_told() -> None:
    made = study(0)
    model: JSON = {"hyperparameters": {"depth": 3}, "seed": 1}
    made.stage("run-9", "train", ["gold"], ["model"], model=model, environment={"python": "3.11.9"})
    record = record_of("run-9", made.events)
    assert field(record, "Training", "hyperparameters").value == {"depth": 3}
    assert field(record, "Training", "environment").value == {"python": "3.11.9"}


def test_reviewers_are_those_who_signed_what_was_packaged() -> None:
    made = study(0)
    made.sign("other", "approved", ref("gold").digest)  # over another record
    (step,) = [step for step in record_of(RUN, made.events).steps if step.number == 6]
    reviewers = [told.value for told in step.fields if told.name == "reviewer"]
    assert [value["printed_name"] for value in reviewers if isinstance(value, dict)] == [
        "Clara <Reviewer> & Co",
        "Quinn <Reviewer> & Co",
    ]


@pytest.mark.parametrize(
    ("run", "train", "package", "monitor"),
    [
        (RUN, When.THIS, When.AFTER, When.AFTER),
        (WATCH, When.BEFORE, When.THIS, When.THIS),
        (MLFLOW_RUN, When.THIS, When.AFTER, When.AFTER),
    ],
)
def test_each_stage_says_which_run_did_it(run: str, train: When, package: When, monitor: When) -> None:
    found = {step.title: step.when for step in record_of(run).steps}
    assert found["Training"] is train
    assert found["Registry and packaging"] is package
    assert found["Monitoring"] is monitor
    assert found["Deployment and serving"] is When.NOT_DONE


def test_what_another_run_made_of_the_same_model_is_told_as_such() -> None:
    made = study(0)
    made.stage("run-9", "deploy", ["package"], ["deployment"], deployment={"state": "shadow"})
    made.stage("run-10", "monitor", ["package"], ["monitoring"])
    record = record_of("run-10", made.events)
    assert {step.when for step in record.steps if step.title == "Deployment and serving"} == {When.BESIDE}
    assert field(record, "Deployment and serving", "state").value == "shadow"


def test_a_run_without_anything_finished_is_told_as_not_done() -> None:
    made = study(0)
    made.add(EventType.RUN_STARTED, run="run-9", actor="person:ada", steps=["export"])
    record = record_of("run-9", made.events)
    assert {step.when for step in record.steps[:-1]} == {When.NOT_DONE}


def test_a_step_that_failed_says_so_with_its_code() -> None:
    made = study(0)
    made.add(EventType.RUN_STARTED, run="run-9", actor="person:ada", steps=["train"])
    place = made.add(EventType.STAGE_FAILED, run="run-9", stage="train", code="storage")
    record = record_of("run-9", made.events)
    told = field(record, "Training", "failed_in_this_run")
    assert (told.value, told.entry) == ("storage", place)
    assert "failed in this run       storage" in "\n".join(record_text(record))


def test_a_run_that_the_ledger_does_not_know_is_refused() -> None:
    with pytest.raises(UnknownId):  # it made nothing and its start was not recorded
        record_of(RELEASE)


def test_the_steps_come_in_the_order_of_the_stages() -> None:
    numbers = [step.number for step in record_of(RUN).steps]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 10))


def test_the_text_and_the_json_say_the_same_and_the_same_twice() -> None:
    first, second = record_of(RUN), record_of(RUN)
    assert list(record_text(first)) == list(record_text(second))
    assert json.dumps(first.as_json()) == json.dumps(second.as_json())
    text = "\n".join(record_text(first))
    unknown = [told for step in first.steps for told in step.fields if told.unknown]
    assert text.count("unknown: ") == len(unknown) == first.as_json()["unknown"]
    assert "seed                     20260101" in text
    assert "record count             258,330" in text
    assert "auroc 0.85 (0.8 to 0.9)" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (12345, "12,345"),
        (0.123456, "0.1235"),
        (1234.56, "1,234.6"),
        ("words", "words"),
        ({}, "none"),
        ([], "none"),
        ({"a": 1, "b": {"c": 2, "d": 3}}, "a 1, b [c 2, d 3]"),
        ({"value": 5, "low": 5, "high": 5}, "5"),
        (list(range(14)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (14 in all)"),
    ],
)
def test_a_value_on_one_line(value: JSON, text: str) -> None:
    assert value_text(value) == text
