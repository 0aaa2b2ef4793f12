"""Loading a model folder: without unpickling, and only when its bytes are what they were."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from medcairn.core.canonical import canonical_json
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.training import Algorithm, TrainingRows, TrainReport, portable, train
from medcairn.training.algorithms import FittedModel
from medcairn.training.portable import Form, skops_form

from .gold_folder import NAMES

LOAD_WITHOUT_PICKLE = """
import pickle, sys
from pathlib import Path
import numpy as np

loads = []
sys.addaudithook(lambda event, _: loads.append(event) if event == "pickle.find_class" else None)

def never(*_args, **_more):
    raise SystemExit("pickle was asked to load")

from medcairn.training import portable
import joblib
pickle.load = pickle.loads = pickle.Unpickler = never
joblib.load = never
scorer = portable.load(Path(sys.argv[1]))
rows = np.load(sys.argv[2], allow_pickle=False)
np.save(sys.argv[3], scorer.score(rows))
assert not loads, "something was unpickled"
"""


@pytest.fixture(scope="module")
def folders(
    gold_dir: Path, fitted: Mapping[Algorithm, FittedModel], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Form, Path]:
    """A model folder in each form."""
    base = tmp_path_factory.mktemp("forms")
    made: dict[Form, Path] = {}
    for algorithm in (Algorithm.LOGISTIC_REGRESSION, Algorithm.GRADIENT_BOOSTING):
        folder = base / algorithm.value
        report = train(
            gold_dir, folder, seed=3, folds=2, models=[algorithm.value], tracker=None, progress=NoProgress()
        )
        made[report.form] = folder
    made[Form.SKOPS] = _in_skops(made[Form.TREELITE], fitted[Algorithm.GRADIENT_BOOSTING], base / "skops")
    return made


def _in_skops(source: Path, model: FittedModel, folder: Path) -> Path:
    """The folder ``source`` with its model in the fallback form."""
    folder.mkdir()
    data = skops_form.convert(model)
    described = json.loads((source / "model.json").read_bytes())
    described["form"] = "skops"
    described["model_file"] = {"name": "model.skops", "digest": digest_bytes(data), "size": len(data)}
    (folder / "model.skops").write_bytes(data)
    (folder / "model.json").write_bytes(canonical_json(described))
    return folder


@pytest.mark.parametrize("form", list(Form))
def test_a_fresh_process_scores_alike_and_unpickles_nothing(
    form: Form, folders: Mapping[Form, Path], rows: TrainingRows, tmp_path: Path
) -> None:
    given, answers = tmp_path / "rows.npy", tmp_path / "answers.npy"
    np.save(given, rows.values[:50])
    command = [sys.executable, "-c", LOAD_WITHOUT_PICKLE, str(folders[form]), str(given), str(answers)]
    subprocess.run(command, check=True)
    expected = portable.load(folders[form]).score(rows.values[:50])
    assert np.array_equal(np.load(answers), expected)
    assert ((expected >= 0) & (expected <= 1)).all()


def test_the_scorer_names_its_features_and_leaves_the_rows_alone(
    trained: tuple[Path, TrainReport], rows: TrainingRows
) -> None:
    scorer = portable.load(trained[0])
    given = rows.values[:20].copy()
    scorer.score(given)
    assert scorer.feature_names == NAMES
    assert np.array_equal(given, rows.values[:20], equal_nan=True)
    assert scorer.score(np.empty((0, len(NAMES)))).shape == (0,)


def test_one_row_scores_as_it_does_among_others(
    trained: tuple[Path, TrainReport], rows: TrainingRows
) -> None:
    scorer = portable.load(trained[0])
    together = scorer.score(rows.values[:30])
    alone = [scorer.score(rows.values[place : place + 1])[0] for place in range(30)]
    assert np.allclose(together, alone, rtol=0, atol=1e-15)


def test_rows_that_no_form_treats_alike_are_refused(trained: tuple[Path, TrainReport]) -> None:
    scorer = portable.load(trained[0])
    row = np.zeros((2, len(NAMES)))
    row[1, 2] = np.inf
    with pytest.raises(DataError) as refused:
        scorer.score(row)
    assert refused.value.fields == {"column": NAMES[2]}
    with pytest.raises(DataError):
        scorer.score(np.zeros((1, 3)))
    with pytest.raises(DataError):
        scorer.score(np.zeros(len(NAMES)))


def test_a_flipped_byte_anywhere_in_the_model_is_found(folders: Mapping[Form, Path], tmp_path: Path) -> None:
    for form, source in folders.items():
        folder = shutil.copytree(source, tmp_path / form.value)
        file = folder / f"model.{form.value}"
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
        with pytest.raises(IntegrityError):
            portable.load(folder)


def edit(**changes: object) -> Callable[[dict[str, object]], None]:
    return lambda model: model.update(changes)


@pytest.mark.parametrize(
    "spoil",
    [
        edit(form="pickle"),
        edit(algorithm="magic"),
        edit(columns=[0, 0, 1]),
        edit(columns=[0, 99]),
        edit(columns=[]),
        edit(columns=[0]),
        edit(features=["a", "a"]),
        edit(feature_spec_digest="sha256:short"),
        edit(form="onnx"),
        edit(surprise=1),
        lambda model: model.pop("parity"),
    ],
)
def test_a_description_that_does_not_hold_together_is_refused(
    spoil: Callable[[dict[str, object]], object], folders: Mapping[Form, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[Form.SKOPS], tmp_path / "copy")
    model = json.loads((folder / "model.json").read_bytes())
    spoil(model)
    (folder / "model.json").write_text(json.dumps(model))
    with pytest.raises(IntegrityError) as refused:
        portable.load(folder)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"form": "\xff"}'])
def test_a_description_that_is_no_json_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(text)
    with pytest.raises(IntegrityError):
        portable.load(tmp_path)


def test_a_missing_model_file_and_an_empty_folder(folders: Mapping[Form, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders[Form.ONNX], tmp_path / "copy")
    (folder / "model.onnx").unlink()
    with pytest.raises(IntegrityError):
        portable.load(folder)
    with pytest.raises(UsageError):
        portable.load(tmp_path / "nowhere")


@pytest.mark.parametrize("form", list(Form))
def test_bytes_that_are_no_model_are_refused_although_the_digest_is_right(
    form: Form, folders: Mapping[Form, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[form], tmp_path / "copy")
    _replace_model(folder, form, b"these bytes are no model" * 20)
    with pytest.raises(IntegrityError):
        portable.load(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sklearn.ensemble._hist_gradient_boosting.predictor"', '"os"'),
        ('"TreePredictor"', '"system"'),
        ('"__loader__":"ObjectNode"', '"__loader__":"FunctionNode"'),
        ('"__loader__":"ObjectNode"', '"__loader__":"MethodNode"'),
    ],
)
def test_a_skops_file_that_asks_for_another_type_is_refused(
    old: str, new: str, folders: Mapping[Form, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[Form.SKOPS], tmp_path / "copy")
    out = io.BytesIO()
    with zipfile.ZipFile(folder / "model.skops") as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode(), 1)
            target.writestr(name, content)
    data = out.getvalue()
    with pytest.raises(ValueError, match="not trusted"):
        skops_form.open_skops(data, Algorithm.GRADIENT_BOOSTING)
    _replace_model(folder, Form.SKOPS, data)
    with pytest.raises(IntegrityError):
        portable.load(folder)


def test_what_the_pipeline_asks_of_a_folder(trained: tuple[Path, TrainReport]) -> None:
    folder, report = trained
    assert portable.algorithm(folder) == report.algorithm.value
    assert portable.form(folder) is report.form
    thresholds = [portable.threshold(folder, specificity) for specificity in (0.5, 0.9, 0.985)]
    assert all(t is not None for t in thresholds)
    assert thresholds == sorted(t for t in thresholds if t is not None)
    assert portable.threshold(folder, 0.901) == portable.threshold(folder, 0.91)
    assert portable.threshold(folder, 0.995) is None


def _replace_model(folder: Path, form: Form, data: bytes) -> None:
    """Other bytes, with a description that agrees with them: what someone with a text editor could do."""
    (folder / f"model.{form.value}").write_bytes(data)
    model = json.loads((folder / "model.json").read_bytes())
    model["model_file"] = {"name": f"model.{form.value}", "digest": digest_bytes(data), "size": len(data)}
    (folder / "model.json").write_bytes(canonical_json(model))
