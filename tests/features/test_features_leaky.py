"""Tasks, feature sets and splits that hold their own answer. Every file in ``leaky/`` is refused, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from medcairn.core.errors import MedcairnError, PolicyError, SettingsError
from medcairn.features import inputs_for, load_feature_set, load_task
from medcairn.features.aces import execute
from medcairn.features.feature_set import Aggregate, Feature, FeatureSet, Source
from medcairn.features.leakage import check_no_leakage
from medcairn.features.splits import check_subjects_apart
from medcairn.features.task import BUILT_IN_TASKS, load_any_task

LEAKY = sorted((Path(__file__).parent / "leaky").glob("*.yaml"))


def refuse(document: dict[str, Any], folder: Path) -> None:
    """What a study does with the document's task, feature set or split."""
    if "split" in document:
        rows = pa.Table.from_pylist([{"subject_id": who, "split": name} for who, name in document["split"]])
        check_subjects_apart(rows.column("subject_id"), rows.column("split"))
        return
    (folder / "task.yaml").write_text(yaml.safe_dump(document["task"], sort_keys=False), encoding="utf-8")
    (folder / "set.yaml").write_text(yaml.safe_dump(document["features"], sort_keys=False), encoding="utf-8")
    named = document["features"]
    feature_set = load_feature_set(named if isinstance(named, str) else folder / "set.yaml")
    inputs_for(load_any_task(folder / "task.yaml"), feature_set)


@pytest.mark.parametrize("file", LEAKY, ids=lambda file: file.stem)
def test_what_leaks_is_refused_and_says_where(file: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    with pytest.raises((PolicyError, SettingsError)) as caught:
        refuse(document, tmp_path)
    shown = str(caught.value)
    assert all(word in shown for word in document["says"]), shown
    assert caught.value.hint or caught.value.fields


def test_there_are_enough_of_them() -> None:
    assert len(LEAKY) >= 30


def test_each_is_refused_for_its_leak_and_not_for_its_form(tmp_path: Path) -> None:
    """The same documents with a harmless input pass, where the leak is in the input."""
    harmless = {
        "name": "harmless",
        "version": 1,
        "groups": [{"source": "demographics", "concepts": ["age_years"]}],
    }
    passed = 0
    for file in LEAKY:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if "split" in document or document["features"] == {**harmless, "name": "leaky"}:
            continue
        refuse({**document, "features": harmless}, tmp_path)
        passed += 1
    assert passed >= 20


@pytest.mark.parametrize("name", sorted(file.stem for file in BUILT_IN_TASKS.glob("*.yaml")))
def test_the_built_in_tasks_take_the_default_set(name: str) -> None:
    inputs = inputs_for(load_task(name), load_feature_set("clinical_core"))
    assert len(inputs.features) > 60


def test_an_aces_task_leaves_out_what_it_makes_constant(tmp_path: Path) -> None:
    document = yaml.safe_load((LEAKY[0].parent / "aces_onset_is_an_input.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "onset.yaml"
    path.write_text(yaml.safe_dump(document["task"], sort_keys=False), encoding="utf-8")
    task, whole = load_any_task(path), load_feature_set("clinical_core")
    left_out = set(whole.names) - set(inputs_for(task, whole).names)
    assert {"diabetes_any_ever", "index_stay_length_days"} <= left_out
    assert "hypertension_any_ever" not in left_out
    leaky = FeatureSet("leaky", 1, (Feature("x", Source.CONDITION, "diabetes", Aggregate.ANY, None),))
    with pytest.raises(PolicyError, match="feature=x"):
        check_no_leakage(task, leaky)


LATE = """
predicates:
  admission: {code: ENCOUNTER_START//IMP}
  visit: {code: ENCOUNTER_START//AMB}
  diabetes: {code: SNOMED//44054006}
trigger: admission
windows:
  input:
    start: trigger
    end: start -> visit
    start_inclusive: False
    end_inclusive: True
    index_timestamp: end
  target: {start: trigger, end: start + 30d, start_inclusive: False, end_inclusive: True, label: diabetes}
"""


def test_a_label_window_that_only_the_data_show_to_be_early_is_caught(tmp_path: Path) -> None:
    """Here the prediction time is an event: whether the label begins before it is seen in the rows."""
    path = tmp_path / "late.yaml"
    path.write_text(LATE, encoding="utf-8")
    task = load_any_task(path)
    rows = pa.table(
        {
            "subject_id": [1, 1],
            "time": pa.array([0, 86_400_000_000], pa.timestamp("us")),
            "code": ["ENCOUNTER_START//IMP", "ENCOUNTER_START//AMB"],
        }
    )
    with pytest.raises(MedcairnError, match="window=target, rows=1"):
        execute(task, rows)  # type: ignore[arg-type]
