"""ACES tasks: the cohorts are those of the es-aces package; what cannot be executed is refused by key."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import SettingsError
from medcairn.core.progress import NoProgress
from medcairn.features.aces import AcesTask, execute, load_aces
from medcairn.features.aces.bounds import parse_duration
from medcairn.features.cohort_batch import find_cohort_in, find_cohort_in_meds
from medcairn.features.meds import MedsFolder, meds_subject_id, write_meds
from medcairn.features.silver_folder import open_silver

from .whole_records import RECORDS, write_record

ACES = Path(__file__).parent / "aces"
TASKS = sorted(file.stem for file in ACES.glob("*.yaml"))
Row = tuple[int, datetime, bool]


def task_files(name: str) -> tuple[Path, Path | None]:
    predicates = ACES / "predicates" / f"{name}.yaml"
    return ACES / f"{name}.yaml", predicates if predicates.is_file() else None


def by_es_aces(config: Path, predicates: Path | None, shard: Path) -> Counter[Row]:
    """What the es-aces package finds in one file. Rows without a trigger (it returns some) are none."""
    from aces.config import TaskExtractorConfig  # type: ignore[import-untyped]
    from aces.predicates import get_predicates_df  # type: ignore[import-untyped]
    from aces.query import query  # type: ignore[import-untyped]
    from omegaconf import DictConfig

    logging.getLogger("aces").setLevel(logging.ERROR)
    task = TaskExtractorConfig.load(config, predicates)
    counts = get_predicates_df(task, DictConfig({"path": str(shard), "standard": "MEDS"}))
    found = query(task, counts)
    if found.is_empty():
        return Counter()
    rows = found.select("subject_id", "index_timestamp", "label", "trigger").rows()
    return Counter((subject, at, label > 0) for subject, at, label, trigger in rows if trigger is not None)


def by_us(task: AcesTask, data: pa.Table) -> Counter[Row]:
    found = execute(task, data)
    subjects = found.ids.take(pa.array(found.subject)).to_pylist()
    times = pa.array(found.prediction_time).cast(pa.timestamp("us")).to_pylist()
    return Counter(zip(subjects, times, found.label.tolist(), strict=True))


@pytest.fixture(scope="module", params=RECORDS)
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A silver folder and the MEDS dataset that we write from it."""
    folder = tmp_path_factory.mktemp("lake")
    silver_dir = write_record(request.param, folder / "silver")
    with open_silver(silver_dir) as silver:
        write_meds(
            silver,
            folder / "meds",
            name=request.param,
            version="1",
            labels={},
            held_out_fraction=0.2,
            tuning_fraction=0.1,
            progress=NoProgress(),
        )
    return silver_dir, folder / "meds"


@pytest.mark.parametrize("name", TASKS)
def test_cohorts_are_those_of_es_aces(name: str, lake: tuple[Path, Path]) -> None:
    silver_dir, meds_dir = lake
    config, predicates = task_files(name)
    task = load_aces(config, predicates=predicates)
    theirs: Counter[Row] = Counter()
    ours: Counter[Row] = Counter()
    for file, rows in zip(MedsFolder(meds_dir).files, MedsFolder(meds_dir).shards(), strict=True):
        theirs += by_es_aces(config, predicates, file)
        ours += by_us(task, rows)
    assert ours == theirs
    assert theirs, "a task that nobody meets shows nothing"

    with open_silver(silver_dir) as silver:
        table = find_cohort_in(silver, task, NoProgress()).table
    assert numbered(table) == theirs
    from_meds = find_cohort_in_meds(MedsFolder(meds_dir), task, NoProgress()).table
    assert Counter(int(one) for one in from_meds.column("subject_id").to_pylist()) == Counter(
        subject for subject, _, _ in theirs.elements()
    )


def numbered(table: pa.Table) -> Counter[Row]:
    """A cohort of ours with MEDS's subject ids."""
    columns = (table.column(name).to_pylist() for name in ("subject_id", "prediction_time", "boolean_value"))
    return Counter(
        (meds_subject_id(s), at.replace(tzinfo=None), label) for s, at, label in zip(*columns, strict=True)
    )


NAMES = ("a", "b", "c", "d", "ab", "x", "ad", "_ANY_EVENT")
DURATIONS = ("24h", "1 day", "2d 3 hours", "12 hours", "90 minutes", "7 days")
PREDICATES: dict[str, object] = {
    "a": {"code": "A"},
    "b": {"code": "B"},
    "c": {"code": {"regex": "^[AC]$"}},
    "d": {"code": "D", "value_min": 6.1, "value_min_inclusive": True, "value_max": 7.5},
    "x": {"code": {"any": ["A", "D"]}},
    "ab": {"expr": "or(a, b)"},
    "ad": {"expr": "and(ab, x)"},
}


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """Windows as they may hang on one another, with counts, a label and an index_timestamp somewhere."""
    found: dict[str, Any] = {}
    references = ["trigger"]
    for number in range(draw(st.integers(1, 4))):
        duration, event = draw(st.sampled_from(DURATIONS)), draw(st.sampled_from(NAMES))
        moved = ("", f" + {duration}", f" - {duration}", f" -> {event}", f" <- {event}")
        root = draw(st.sampled_from(references)) + draw(st.sampled_from(moved))
        duration, event = draw(st.sampled_from(DURATIONS)), draw(st.sampled_from(NAMES))
        start, end = draw(
            st.sampled_from(
                [
                    (root, f"start + {duration}"),
                    (root, f"start -> {event}"),
                    (f"end - {duration}", root),
                    (f"end <- {event}", root),
                    (root, None),
                    (None, root),
                ]
            )
        )
        counts = st.sampled_from(["(1, None)", "(None, 0)", "(None, 3)", "(1, 2)"])
        found[f"w{number}"] = {
            "start": start,
            "end": end,
            "start_inclusive": draw(st.booleans()),
            "end_inclusive": draw(st.booleans()),
            "has": draw(
                st.dictionaries(st.sampled_from([*NAMES, "_RECORD_START", "_RECORD_END"]), counts, max_size=2)
            ),
        }
        references += [f"w{number}.start", f"w{number}.end"]
    found[draw(st.sampled_from(sorted(found)))]["label"] = draw(st.sampled_from(NAMES[:-1]))
    found[draw(st.sampled_from(sorted(found)))]["index_timestamp"] = draw(st.sampled_from(["start", "end"]))
    return found


START = datetime.fromisoformat("2020-01-01")
events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.one_of(
            st.none(),
            st.integers(0, 60).map(lambda halves: START + timedelta(hours=12 * halves)),
        ),
        st.sampled_from(["A", "B", "C", "D", "M"]),
        st.sampled_from([None, 1.0, 6.1, 7.0, 7.5]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=windows(), rows=events, trigger=st.sampled_from(NAMES), men_only=st.booleans())
def test_any_task_that_we_take_gives_what_es_aces_gives(
    windows: dict[str, Any],
    rows: list[tuple[int, datetime | None, str, float | None]],
    trigger: str,
    men_only: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The label may lie anywhere here: that it is refused where inputs are is looked at elsewhere."""
    monkeypatch.setattr("medcairn.features.aces.config.label_comes_after", lambda _: True)
    monkeypatch.setattr("medcairn.features.aces.execution._Execution._check_label", lambda *_: None)
    config = tmp_path / "task.yaml"
    document: dict[str, object] = {"predicates": PREDICATES, "trigger": trigger, "windows": windows}
    if men_only:
        document["patient_demographics"] = {"man": {"code": "M"}}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        task = load_aces(config)
    except SettingsError as refused:
        assert "read in two ways" in str(refused)
        return
    schema = pa.schema(
        [
            ("subject_id", pa.int64()),
            ("time", pa.timestamp("us")),
            ("code", pa.string()),
            ("numeric_value", pa.float32()),
        ]
    )
    data = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
    pq.write_table(data, tmp_path / "data.parquet")
    assert by_us(task, data) == by_es_aces(config, None, tmp_path / "data.parquet")


GOOD: dict[str, Any] = {
    "predicates": {"admission": {"code": "ADMISSION"}, "death": {"code": "MEDS_DEATH"}},
    "trigger": "admission",
    "windows": {
        "input": {
            "start": None,
            "end": "trigger + 24h",
            "start_inclusive": True,
            "end_inclusive": True,
            "index_timestamp": "end",
        },
        "target": {
            "start": "input.end",
            "end": "start + 7d",
            "start_inclusive": False,
            "end_inclusive": True,
            "label": "death",
        },
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The good task with the entry at ``a.b.c`` replaced; None takes it away."""
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    *above, last = path.split(".")
    place = document
    for key in above:
        place = place.setdefault(key, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("trigger", None, "key=trigger"),
        ("trigger", "arrival", "key=trigger"),
        ("windows", {}, "key=windows"),
        ("colour", "red", "key=colour"),
        ("predicates.admission.code", 7, "key=predicates.admission.code"),
        ("predicates.admission.code", {"starts_with": "A"}, "key=predicates.admission.code"),
        ("predicates.admission.code", {"any": []}, "key=predicates.admission.code"),
        ("predicates.admission.code", {"regex": "("}, "key=predicates.admission.code"),
        ("predicates.admission.value_min", "high", "key=predicates.admission.value_min"),
        ("predicates.admission.value_max", float("nan"), "key=predicates.admission.value_max"),
        ("predicates.admission.static", "yes", "key=predicates.admission.static"),
        ("predicates.admission", "ADMISSION", "key=predicates.admission"),
        ("predicates.death", {"expr": "not(admission)"}, "key=predicates.death.expr"),
        ("predicates.death", {"expr": "or(admission)"}, "key=predicates.death.expr"),
        ("predicates.death", {"expr": "or(admission, gone)"}, "key=predicates.death.expr"),
        ("predicates.death", {"expr": "and(death, admission)"}, "key=predicates.death"),
        ("predicates.death", {"expr": "and(admission, admission)", "code": "X"}, "key=predicates.death.code"),
        ("windows.input.start", "trigger", "key=windows.input"),
        ("windows.input.end", "trigger + 1 month", "key=windows.input.end"),
        ("windows.input.end", "trigger + -24h", "key=windows.input.end"),
        ("windows.input.end", "trigger -> arrival", "key=windows.input.end"),
        ("windows.input.end", "window.middle", "key=windows.input.end"),
        ("windows.input.end", "gone.end", "key=windows.input"),
        ("windows.input.end", "target.end", "key=windows.input"),
        ("windows.input.between", "x", "key=windows.input.between"),
        ("windows.input.start_inclusive", None, "key=windows.input.start_inclusive"),
        ("windows.input.index_timestamp", "middle", "key=windows.input.index_timestamp"),
        ("windows.input.index_timestamp", None, "index_timestamp"),
        ("windows.input.label", "death", "exactly one window with a label"),
        ("windows.target.label", None, "its outcome"),
        ("windows.target.label", "arrival", "key=windows.target.label"),
        ("windows.target.end", "start - 7d", "key=windows.target"),
        ("windows.target.end", "start", "no length"),
        ("windows.target.end", "start + 0h", "no length"),
        ("windows.target.has", {"death": "(None, None)"}, "key=windows.target.has.death"),
        ("windows.target.has", {"death": "(2, 1)"}, "key=windows.target.has.death"),
        ("windows.target.has", {"death": "1"}, "key=windows.target.has.death"),
        ("windows.target.has", {"arrival": "(1, None)"}, "key=windows.target.has.arrival"),
        ("windows.start", GOOD["windows"]["target"], "key=windows"),
        ("patient_demographics.man", {"expr": "or(admission, death)"}, "key=patient_demographics.man"),
    ],
)
def test_what_cannot_be_executed_is_refused_by_key(
    tmp_path: Path, path: str, value: object, shown: str
) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_aces(file)
    assert shown in str(caught.value)


def test_the_good_one_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    task = load_aces(file)
    assert (task.name, task.trigger) == ("task", "admission")
    assert task.digest == load_aces(file).digest


def test_a_key_that_is_no_column_either(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(changed("predicates.admission.value_mim", "3")), encoding="utf-8")
    data = pa.table({"subject_id": [1], "time": pa.array([0], pa.timestamp("us")), "code": ["ADMISSION"]})
    with pytest.raises(SettingsError, match=r"key=predicates\.admission\.value_mim"):
        execute(load_aces(file), data)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400),
        ("365 days", 31_536_000),
        ("1d 12h", 129_600),
        ("1 day, 2 hours 3 minutes 4 seconds", 93_784),
        ("1.5 hours", 5_400),
        ("2 Weeks", 1_209_600),
        ("1 year", None),
        ("2 hours 1 day", None),
        ("14:20:16", None),
        ("", None),
        ("soon", None),
        ("0.1s", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds
