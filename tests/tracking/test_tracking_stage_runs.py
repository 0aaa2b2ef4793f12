"""A pipeline run in MLflow, written from the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from medcairn.audit import EventType
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress
from medcairn.pipeline.runner import StepContext, run_steps
from medcairn.pipeline.stages import Step
from medcairn.pipeline.study import Study, init_study
from medcairn.tracking import MlflowTracker, database_uri, log_stage_runs, open_client, open_tracker
from tracking.studies import GOLD, MODEL, RUN, new_study, ref, train


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> str:
    folder = tmp_path_factory.mktemp("stages")
    shutil.copy(empty_store, folder / "mlflow.db")
    return database_uri(folder / "mlflow.db")


@pytest.fixture
def tracker(uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> MlflowTracker:
    return open_tracker(uri, tmp_path, str(request.node.name))


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return open_client(uri)


def test_each_step_is_a_child_run_with_its_digests_and_costs(
    tracker: MlflowTracker, client: MlflowClient, tmp_path: Path
) -> None:
    with tracker.start_run("training") as inner:
        pass
    with new_study(tmp_path / "study") as ledger:
        ledger.append(EventType.STAGE_STARTED, actor="pipeline", run_id=RUN, stage="features")
        ledger.append(
            EventType.STAGE_FINISHED, actor="a", run_id=RUN, stage="features", outputs=[ref("gold", GOLD)]
        )
        train(ledger, inner=inner.id)
        events = list(ledger.events())
    parent = log_stage_runs(tracker, events, RUN)
    assert parent is not None
    assert log_stage_runs(tracker, events, RUN) == parent, "written once"
    experiment = client.get_run(parent).info.experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert sorted(runs) == ["features", "pipeline", "train", "training"]
    found = runs["train"]
    assert found.data.params == {
        "input.gold": GOLD,
        "output.model": MODEL,
        "code_digest": GOLD,
        "settings_digest": MODEL,
    }
    assert found.data.metrics == {"seconds": 12.5, "peak_bytes": 1000.0}
    assert found.info.status == "FINISHED"
    assert found.info.end_time - found.info.start_time == 1000
    assert found.data.tags["medcairn.pipeline_run"] == RUN
    assert [runs[name].data.tags["mlflow.parentRunId"] for name in ("features", "train", "training")] == [
        parent,
        parent,
        found.info.run_id,
    ]


def test_a_failed_step_and_one_that_was_cut_off(
    tracker: MlflowTracker, client: MlflowClient, tmp_path: Path
) -> None:
    with new_study(tmp_path / "study") as ledger:
        ledger.append(EventType.STAGE_STARTED, actor="pipeline", run_id=RUN, stage="export")
        fields = {"code": "external"}
        ledger.append(EventType.STAGE_FAILED, actor="pipeline", run_id=RUN, stage="export", record=fields)
        ledger.append(EventType.STAGE_STARTED, actor="pipeline", run_id=RUN, stage="deid")
        events = list(ledger.events())
    parent = log_stage_runs(tracker, events, RUN)
    assert parent is not None
    runs = client.search_runs([client.get_run(parent).info.experiment_id])
    assert {run.info.run_name: run.info.status for run in runs} == {
        "export": "FAILED",
        "deid": "KILLED",
        "pipeline": "FAILED",
    }
    (export,) = (run for run in runs if run.info.run_name == "export")
    assert export.data.tags["medcairn.error_code"] == "external"


def test_a_run_that_the_ledger_does_not_know(tracker: MlflowTracker, tmp_path: Path) -> None:
    with new_study(tmp_path / "study") as ledger:
        assert log_stage_runs(tracker, list(ledger.events()), Label("another")) is None


_SETTINGS = """
study: {name: small}
source: {kind: files, path: source}
deid: {as_of: 2025-06-30}
tracking: {stages: true}
"""


def test_a_run_is_in_mlflow_when_the_settings_ask_for_it(
    uri: str, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = init_study(tmp_path / "study", _SETTINGS)
    step = Step("only", "Fails", (), (), (), ())

    def fails(context: StepContext) -> None:
        raise UsageError("the step's own error")

    def run(tracking_uri: str) -> None:
        monkeypatch.setattr(Study, "tracking_uri", tracking_uri)
        with pytest.raises(UsageError, match="own error"):
            run_steps(study, (step,), {"only": fails}, progress=NoProgress())

    run(uri)
    found = client.get_experiment_by_name("small")
    assert found is not None
    statuses = {run.info.run_name: run.info.status for run in client.search_runs([found.experiment_id])}
    assert statuses == {"pipeline": "FAILED", "only": "FAILED"}
    run("sqlite:////nowhere/at/all.db")
