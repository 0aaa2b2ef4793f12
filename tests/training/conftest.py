"""One gold folder and one model of each algorithm, shared because fitting takes the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from medcairn.core.progress import NoProgress
from medcairn.training import Algorithm, TrainingRows, TrainReport, algorithms, read_training_rows, train
from medcairn.training.algorithms import PARAMETERS, FittedModel, fit

from .gold_folder import make_gold


@pytest.fixture(scope="session", autouse=True)
def small_forests() -> Iterator[None]:
    """Forests of 30 trees: what is tested does not depend on how many there are."""
    settings = dict(PARAMETERS)
    forest = {**settings[Algorithm.RANDOM_FOREST], "n_estimators": 30}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algorithms, "PARAMETERS", {**settings, Algorithm.RANDOM_FOREST: forest})
        yield


@pytest.fixture(scope="session")
def gold_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gold().write(tmp_path_factory.mktemp("gold"))


@pytest.fixture(scope="session")
def rows(gold_dir: Path) -> TrainingRows:
    return read_training_rows(gold_dir)


@pytest.fixture(scope="session")
def fitted(rows: TrainingRows) -> Mapping[Algorithm, FittedModel]:
    return {a: fit(a, rows.values, rows.outcome, seed=3, n_jobs=2) for a in Algorithm}


@pytest.fixture(scope="session")
def trained(gold_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    """A model folder of all three algorithms' contest, and the report."""
    folder = tmp_path_factory.mktemp("model")
    report = train(
        gold_dir,
        folder,
        seed=3,
        folds=3,
        models=[a.value for a in Algorithm],
        tracker=None,
        progress=NoProgress(),
    )
    return folder, report
