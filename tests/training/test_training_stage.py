"""The stage as a whole: what it reads, what it chooses, and that it repeats itself to the byte."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medcairn.core.digests import digest_file
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.training import Algorithm, TrainingRows, TrainReport, train
from medcairn.training.crossvalidation import specificity_thresholds, split_folds

from .gold_folder import ALWAYS_EMPTY, NAMES, make_gold

LINEAR = ["logistic_regression"]


def run(gold: Path, out: Path, models: list[str], *, seed: int = 3, n_jobs: int = 2) -> TrainReport:
    return train(
        gold, out, seed=seed, folds=3, models=models, tracker=None, progress=NoProgress(), n_jobs=n_jobs
    )


def pair_counting_auroc(outcome: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """The share of (positive, negative) pairs in the right order; a tie is half."""
    positive, negative = scores[outcome == 1][:, None], scores[outcome == 0][None, :]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def test_fold_figures_agree_with_formulas_written_out_here(
    trained: tuple[Path, TrainReport], rows: TrainingRows
) -> None:
    report = trained[1]
    folds = split_folds(rows, folds=3, seed=3)
    for candidate in report.candidates:
        for fold, places in zip(candidate.folds, folds, strict=True):
            outcome, scores = rows.outcome[places], candidate.scores[places]
            assert fold.auroc == pytest.approx(pair_counting_auroc(outcome, scores), abs=1e-12)
            assert fold.brier == pytest.approx(float(((scores - outcome) ** 2).mean()), abs=1e-12)
        assert candidate.auroc == pytest.approx(sum(f.auroc for f in candidate.folds) / 3)


def test_the_candidate_with_the_best_mean_auroc_is_chosen(trained: tuple[Path, TrainReport]) -> None:
    report = trained[1]
    assert report.auroc == max(candidate.auroc for candidate in report.candidates)
    assert {candidate.algorithm for candidate in report.candidates} == set(Algorithm)
    assert report.auroc > 0.7, "the made-up outcome can be learned"


def test_no_subject_is_in_two_folds_and_every_row_is_left_out_once(rows: TrainingRows) -> None:
    folds = split_folds(rows, folds=4, seed=1)
    subjects = [set(rows.subject[places].tolist()) for places in folds]
    assert sum(len(found) for found in subjects) == len(set.union(*subjects)) == rows.subjects
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(rows.outcome)))


def test_held_out_rows_cannot_change_the_model(tmp_path: Path) -> None:
    clean = make_gold()
    poison = clean.values.copy()
    poison[~clean.train] = np.inf
    spoiled = replace(clean, values=poison, outcome=np.where(clean.train, clean.outcome, ~clean.outcome))
    first = run(clean.write(tmp_path / "clean"), tmp_path / "a", ["gradient_boosting"])
    second = run(spoiled.write(tmp_path / "spoiled"), tmp_path / "b", ["gradient_boosting"])
    assert first.facts() == second.facts()
    assert (tmp_path / "a/model.json").read_bytes() == (tmp_path / "b/model.json").read_bytes()
    assert first.rows == int(clean.train.sum())


def test_a_changed_training_cell_changes_the_digest(tmp_path: Path, rows: TrainingRows) -> None:
    gold = make_gold()
    values = gold.values.copy()
    values[np.flatnonzero(gold.train)[0], 0] = 1.25
    changed = run(gold.with_values(values).write(tmp_path / "gold"), tmp_path / "out", LINEAR)
    assert changed.training_rows_digest != rows.digest


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_same_rows_and_seed_give_the_same_bytes_whatever_the_jobs(
    algorithm: Algorithm, gold_dir: Path, tmp_path: Path
) -> None:
    for name, n_jobs in (("a", 1), ("b", 2)):
        run(gold_dir, tmp_path / name, [algorithm.value], n_jobs=n_jobs)
    first, second = (sorted((tmp_path / name).iterdir()) for name in "ab")
    assert [file.name for file in first] == [file.name for file in second]
    assert [digest_file(file) for file in first] == [digest_file(file) for file in second]


def test_another_process_writes_the_same_bytes(gold_dir: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from medcairn.training import train;"
        "from medcairn.core.progress import NoProgress;"
        "train(Path(sys.argv[1]), Path(sys.argv[2]), seed=3, folds=3,"
        "models=['gradient_boosting'], tracker=None, progress=NoProgress())"
    )
    here, there = tmp_path / "here", tmp_path / "there"
    run(gold_dir, here, ["gradient_boosting"])
    subprocess.run([sys.executable, "-c", code, str(gold_dir), str(there)], check=True)
    for file in here.iterdir():
        assert (there / file.name).read_bytes() == file.read_bytes(), file.name


def test_importing_the_portable_forms_needs_no_scikit_learn() -> None:
    code = (
        "import sys; from medcairn.training import portable;"
        "heavy = {'sklearn', 'matplotlib', 'mlflow', 'joblib', 'pandas'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_seed_gives_another_forest(gold_dir: Path, tmp_path: Path) -> None:
    digests = {
        run(gold_dir, tmp_path / str(seed), ["random_forest"], seed=seed).model_digest for seed in (1, 2)
    }
    assert len(digests) == 2


def test_the_folder_says_what_the_contract_says(trained: tuple[Path, TrainReport]) -> None:
    folder, report = trained
    model = json.loads((folder / "model.json").read_bytes())
    assert model["form"] == report.form.value
    assert model["features"] == list(NAMES)
    assert ALWAYS_EMPTY not in model["columns"], "a feature that never has a value is not looked at"
    assert model["feature_spec_digest"] == report.feature_spec_digest
    assert model["parity_rows"] >= 5000
    assert set(model["cross_validation"]["candidates"]) == {a.value for a in Algorithm}
    assert model["model_file"]["digest"] == report.model_digest
    assert report.mlflow_run_id is None
    assert "mlflow" not in json.dumps(report.facts())


def test_thresholds_keep_their_specificity_and_are_the_lowest_that_do() -> None:
    random = np.random.default_rng(0)
    outcome = np.array([1] * 101 + [0] * 400)  # 400: every whole percent is a whole number of rows
    scores = np.asarray(np.round(random.random(501) * 0.6 + 0.3 * outcome, 2), dtype=np.float64)
    negatives = scores[outcome == 0]
    for specificity, bar in specificity_thresholds(outcome, scores):
        assert (negatives < bar).mean() >= specificity - 1e-12
        lower = scores[scores < bar]
        assert len(lower) == 0 or (negatives < lower.max()).mean() < specificity


@pytest.mark.parametrize("models", [[], ["xgboost"], ["logistic_regression", "LOGISTIC"]])
def test_unknown_models_are_refused(models: list[str], gold_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run(gold_dir, tmp_path, models)


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run(tmp_path, tmp_path / "out", LINEAR)


def test_a_broken_table_is_refused_without_its_text(gold_dir: Path, tmp_path: Path) -> None:
    gold = make_gold().write(tmp_path / "gold")
    (gold / "features.parquet").write_bytes(b"PAR1 Jane Canary")
    with pytest.raises(DataError) as refused:
        run(gold, tmp_path / "out", LINEAR)
    assert refused.value.__context__ is None
    assert "Canary" not in str(refused.value)


def test_an_edited_feature_spec_is_an_integrity_error(tmp_path: Path) -> None:
    gold = make_gold().write(tmp_path / "gold")
    spec = gold / "feature_spec.json"
    spec.write_bytes(spec.read_bytes().replace(b"made_up", b"made_it"))
    with pytest.raises(IntegrityError):
        run(gold, tmp_path / "out", LINEAR)


def test_columns_that_the_spec_does_not_name_are_refused(tmp_path: Path) -> None:
    gold = make_gold().write(tmp_path / "gold")
    other = replace(make_gold(), names=tuple(reversed(NAMES))).write(tmp_path / "other")
    (gold / "features.parquet").write_bytes((other / "features.parquet").read_bytes())
    with pytest.raises(DataError):
        run(gold, tmp_path / "out", LINEAR)


def test_an_infinite_training_value_is_located_by_column(tmp_path: Path) -> None:
    gold = make_gold()
    values = gold.values.copy()
    values[np.flatnonzero(gold.train)[5], 3] = -np.inf
    with pytest.raises(DataError) as refused:
        run(gold.with_values(values).write(tmp_path / "gold"), tmp_path / "out", LINEAR)
    assert refused.value.fields == {"column": NAMES[3]}


def test_one_outcome_only_is_refused(tmp_path: Path) -> None:
    gold = make_gold()
    same = replace(gold, outcome=np.zeros(len(gold.outcome), dtype=np.bool_))
    with pytest.raises(DataError):
        run(same.write(tmp_path / "gold"), tmp_path / "out", LINEAR)


def test_too_few_subjects_with_the_outcome_for_the_folds(tmp_path: Path) -> None:
    gold = make_gold()
    rare = np.zeros(len(gold.outcome), dtype=np.bool_)
    rare[np.flatnonzero(gold.train)[:2]] = True
    with pytest.raises(DataError) as refused:
        run(replace(gold, outcome=rare).write(tmp_path / "gold"), tmp_path / "out", LINEAR)
    assert refused.value.fields["folds"] == 3
