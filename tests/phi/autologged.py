"""What real training runs write: scikit-learn, XGBoost, LightGBM under MLflow's autolog, in SQLite.

XGBoost and LightGBM are used where they are installed.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Logged:
    """One thing that a run wrote: the text of a field, or an artifact."""

    kind: str
    key: str
    text: str = ""
    path: Path | None = None


def autolog(folder: Path, *, rounds: int = 1) -> Iterator[Logged]:
    """Train small models under autolog in ``folder`` and give all that was written."""
    os.environ.update(
        MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet", TQDM_DISABLE="1"
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        experiment = mlflow.create_experiment("readmission-30d", artifact_location=(folder / "art").as_uri())
        mlflow.set_experiment(experiment_id=experiment)
        for number in range(rounds):
            _train(number)
        client = mlflow.MlflowClient()
        for run in client.search_runs([experiment], max_results=1000):
            yield from _fields(run)
        for path in sorted((folder / "art").rglob("*")):
            if path.is_file():
                yield Logged("artifact", str(path.relative_to(folder / "art")), path=path)


def _fields(run: object) -> Iterator[Logged]:
    data, info = run.data, run.info  # type: ignore[attr-defined]
    yield Logged("run_name", "run_name", info.run_name)
    for kind, values in (("param", data.params), ("tag", data.tags), ("metric", data.metrics)):
        for key, value in values.items():
            yield Logged(f"{kind}_key", key, key)
            yield Logged(kind, key, str(value))


def _train(number: int) -> None:
    import mlflow
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mlflow.sklearn.autolog(silent=True, log_input_examples=True, log_model_signatures=True)
    features, y = load_breast_cancer(return_X_y=True, as_frame=True)
    features_d, yd = load_diabetes(return_X_y=True, as_frame=True)
    RandomForestClassifier(n_estimators=5 + number, random_state=number).fit(features, y)
    GradientBoostingRegressor(n_estimators=5 + number).fit(features_d, yd)
    make_pipeline(StandardScaler(), LogisticRegression(C=0.5 + number)).fit(features, y)
    GridSearchCV(LogisticRegression(solver="liblinear"), {"C": [0.1, 1.0], "penalty": ["l1", "l2"]}).fit(
        features, y
    )
    mlflow.sklearn.autolog(disable=True)
    if find_spec("xgboost"):
        xgboost = import_module("xgboost")
        mlflow.xgboost.autolog(silent=True, log_input_examples=True)
        with mlflow.start_run():
            xgboost.train(
                {"max_depth": 3, "eta": 0.1 + number / 100}, xgboost.DMatrix(features, y), num_boost_round=5
            )
        with mlflow.start_run():
            xgboost.XGBClassifier(n_estimators=4, max_depth=2 + number).fit(features, y)
        mlflow.xgboost.autolog(disable=True)
    if find_spec("lightgbm"):
        lightgbm = import_module("lightgbm")
        mlflow.lightgbm.autolog(silent=True, log_input_examples=True)
        with mlflow.start_run():
            lightgbm.train({"verbosity": -1}, lightgbm.Dataset(features, y), num_boost_round=5)
        mlflow.lightgbm.autolog(disable=True)


__all__ = ["Logged", "autolog"]
