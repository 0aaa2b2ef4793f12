"""The MLflow registry, read back with MLflow's own client, and training tracked from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_file, digest_json
from medcairn.core.errors import ExternalError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.registry import LifecycleState, follow, register_model, set_alias, set_tags
from medcairn.tracking import database_uri, open_client, open_tracker
from medcairn.training import TrainReport, portable, train

NAMES = ("creatinine.last_365d", "age")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def uri(place: Path) -> str:
    return database_uri(place / "mlflow.db")


@pytest.fixture(scope="session")
def client(uri: str) -> MlflowClient:
    return open_client(uri)


@pytest.fixture(scope="session")
def gold_dir(place: Path) -> Path:
    folder = place / "gold"
    folder.mkdir()
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 2))
    pq.write_table(
        pa.table(
            {
                "subject_id": [f"canary-{number:04d}" for number in range(200)],
                "prediction_time": pa.array(np.arange(200), pa.timestamp("us", "UTC")),
                "boolean_value": values[:, 0] + random.normal(size=200) > 0,
                "split": ["train"] * 200,
                **{name: values[:, column] for column, name in enumerate(NAMES)},
            }
        ),
        folder / "features.parquet",
    )
    features: list[JSON] = [{"name": name} for name in NAMES]
    spec: dict[str, JSON] = {"task": {"name": "made_up"}, "features": features}
    whole: dict[str, JSON] = {**spec, "digest": digest_json(spec)}
    (folder / "feature_spec.json").write_bytes(canonical_json(whole))
    return folder


@pytest.fixture(scope="session")
def trained(uri: str, place: Path, gold_dir: Path) -> tuple[Path, TrainReport]:
    folder = place / "model"
    report = train(
        gold_dir,
        folder,
        seed=11,
        folds=3,
        models=["logistic_regression", "gradient_boosting"],
        tracker=open_tracker(uri, place / "mlartifacts", "study"),
        progress=NoProgress(),
    )
    return folder, report


def test_training_is_in_mlflow_as_the_report_says(
    trained: tuple[Path, TrainReport], client: MlflowClient, gold_dir: Path
) -> None:
    folder, report = trained
    assert report.mlflow_run_id is not None
    parent = client.get_run(report.mlflow_run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {
        "seed": "11",
        "folds": "3",
        "rows": "200",
        "subjects": "200",
        "positives": str(report.positives),
        "features": "2",
    }
    assert parent.data.tags["medcairn.model_digest"] == report.model_digest
    assert parent.data.tags["medcairn.dataset_digest"] == digest_file(gold_dir / "features.parquet")
    assert parent.data.tags["medcairn.feature_spec_digest"] == report.feature_spec_digest
    assert parent.data.tags["version.scikit-learn"]
    assert parent.data.metrics["cv_auroc"] == report.auroc
    artifacts = Path(parent.info.artifact_uri.removeprefix("file://"))
    for file in folder.iterdir():
        assert (artifacts / "model" / file.name).read_bytes() == file.read_bytes()
    assert json.loads((artifacts / "features.json").read_bytes()) == list(NAMES)
    assert portable.load(artifacts / "model").feature_names == NAMES


def test_each_algorithm_is_a_run_below_it(trained: tuple[Path, TrainReport], client: MlflowClient) -> None:
    report = trained[1]
    parent = client.get_run(report.mlflow_run_id or "")
    runs = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{report.mlflow_run_id}'"
    )
    by_name = {run.data.params["algorithm"]: run for run in runs}
    assert set(by_name) == {"logistic_regression", "gradient_boosting"}
    for candidate in report.candidates:
        run = by_name[candidate.algorithm.value]
        assert run.data.metrics["cv_brier"] == candidate.brier
        history = client.get_metric_history(run.info.run_id, "fold_auroc")
        assert [metric.value for metric in history] == [fold.auroc for fold in candidate.folds]
        plots = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "plots")}
        assert plots == {"plots/roc.png", "plots/precision-recall.png", "plots/calibration.png"}


def test_no_subject_is_named_anywhere_in_the_store(trained: tuple[Path, TrainReport], place: Path) -> None:
    files = [place / "mlflow.db", *(f for f in (place / "mlartifacts").rglob("*") if f.is_file())]
    files += list(trained[0].iterdir())
    assert len(files) > 10
    assert not [file for file in files if b"canary-" in file.read_bytes()]


def test_tracking_changes_nothing_in_the_model(
    trained: tuple[Path, TrainReport], gold_dir: Path, tmp_path: Path
) -> None:
    models = ["logistic_regression", "gradient_boosting"]
    train(gold_dir, tmp_path, seed=11, folds=3, models=models, tracker=None, progress=NoProgress())
    for file in trained[0].iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_registering_twice_gives_one_version(
    trained: tuple[Path, TrainReport], uri: str, client: MlflowClient
) -> None:
    folder, report = trained
    run_id = str(report.mlflow_run_id)
    tags = {"medcairn.study": "study"}
    versions = [register_model(uri, "study.twice", model_dir=folder, run_id=run_id, tags=tags) for _ in "ab"]
    assert versions == [1, 1]
    found = client.get_model_version("study.twice", "1")
    assert found.run_id == run_id
    assert found.tags["medcairn.study"] == "study"
    source = Path(str(found.source).removeprefix("file://"))
    assert portable.load(source).feature_names == NAMES


def test_another_run_gives_another_version(trained: tuple[Path, TrainReport], uri: str, place: Path) -> None:
    folder, report = trained
    with open_tracker(uri, place / "mlartifacts", "study").start_run("again") as run:
        pass
    versions = [
        register_model(uri, "study.two", model_dir=folder, run_id=str(run_id), tags={})
        for run_id in (report.mlflow_run_id, run.id)
    ]
    assert versions == [1, 2]


def test_the_registry_follows_the_state(
    trained: tuple[Path, TrainReport], uri: str, client: MlflowClient
) -> None:
    folder, report = trained
    register_model(uri, "study.states", model_dir=folder, run_id=str(report.mlflow_run_id), tags={})
    set_alias(uri, "study.states", "reference", 1)
    set_tags(uri, "study.states", 1, {"medcairn.package_digest": report.model_digest})
    for state in (LifecycleState.APPROVED, LifecycleState.SHADOW, LifecycleState.SHADOW):
        follow(uri, "study.states", 1, state)
        found = client.get_model_version("study.states", "1")
        assert found.tags["medcairn.state"] == state.value
        assert sorted(found.aliases) == sorted([state.value, "reference"])
        assert int(client.get_model_version_by_alias("study.states", state.value).version) == 1
    assert found.tags["medcairn.package_digest"] == report.model_digest


def test_what_cannot_be_registered(trained: tuple[Path, TrainReport], uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        register_model(uri, "study", model_dir=tmp_path, run_id="x", tags={})
    with pytest.raises(ExternalError):
        register_model(uri, "study", model_dir=trained[0], run_id="0" * 32, tags={})
    with pytest.raises(ValueError, match="label"):
        register_model(uri, "study", model_dir=trained[0], run_id="x", tags={"note": "Jane Canary"})
    with pytest.raises(ExternalError):
        follow(uri, "nobody", 1, LifecycleState.APPROVED)
    with pytest.raises(ExternalError):
        set_alias(uri, "nobody", "approved", 1)
