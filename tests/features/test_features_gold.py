"""The gold step and the commands, on Delta tables on disk."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from medcairn.cli.main import run
from medcairn.core.digests import digest_file, digest_json
from medcairn.core.errors import DataError, IntegrityError, PolicyError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.features import (
    GoldReport,
    build_gold,
    cohort_batch,
    feature_set_from_spec,
    features_at,
    load_feature_set,
    load_task,
)
from medcairn.features.task import load_any_task

from .silver_rows import Silver

READMISSION = load_task("readmission_30d")
ONSET = load_task("diabetes_onset_1y")
CORE = load_feature_set("clinical_core")
SUBJECTS = 30


def hospital() -> Silver:
    """Thirty subjects with stays, labs and conditions."""
    draws = random.Random(7)
    silver = Silver()
    for number in range(SUBJECTS):
        name = f"s{number:03d}"
        silver.patient(
            name, born=1930 + number, gender=draws.choice(["male", "female"]), follow_up_end="2024-12-31"
        )
        day = date(2021, 1, 1) + timedelta(days=draws.randrange(600))
        for _ in range(draws.randrange(1, 5)):
            silver.lab("creatinine", round(draws.uniform(0.5, 3), 2), day.isoformat(), subject=name)
            silver.lab("hba1c", round(draws.uniform(4.5, 6.4), 1), day.isoformat(), subject=name)
            silver.stay(day.isoformat(), (day + timedelta(days=3)).isoformat(), subject=name)
            day += timedelta(days=draws.choice([12, 25, 200]))
            silver.visit(day.isoformat(), subject=name)
            silver.visit((day + timedelta(days=5)).isoformat(), subject=name)
        if number % 3 == 0:
            silver.condition("diabetes", (day + timedelta(days=20)).isoformat(), subject=name)
    return silver


@pytest.fixture(scope="module")
def silver_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital().write(tmp_path_factory.mktemp("silver"))


def build(silver_dir: Path, out: Path, task: str = "readmission_30d") -> GoldReport:
    out.mkdir()
    return build_gold(
        silver_dir,
        out,
        task=load_task(task),
        feature_set=CORE,
        held_out_fraction=0.25,
        tuning_fraction=0.1,
        later_fraction=0.4,
        progress=NoProgress(),
    )


def _eligible(report: GoldReport) -> int:
    """Rows of the cohort before the split, by the flow's last step."""
    steps = report.flow["steps"]
    assert isinstance(steps, list)
    return int(steps[-1]["rows"])


def test_gold_holds_what_the_next_stages_read(silver_dir: Path, tmp_path: Path) -> None:
    report = build(silver_dir, tmp_path / "gold")
    table = pq.read_table(tmp_path / "gold" / "features.parquet")
    cohort = pq.read_table(tmp_path / "gold" / "cohort.parquet")
    spec = json.loads((tmp_path / "gold" / "feature_spec.json").read_bytes())

    keys = ["subject_id", "prediction_time", "boolean_value", "split"]
    assert table.column_names == [*keys, *(row["name"] for row in spec["features"])]
    assert all(table.schema.field(name).type == pa.float64() for name in table.column_names[4:])
    assert table.schema.field("prediction_time").type == pa.timestamp("us", tz="UTC")
    assert cohort.column_names == [*keys, "sex", "age_band", "race", "ethnicity"]
    assert cohort.select(keys).equals(table.select(keys))
    assert table.select(keys[:2]).to_pylist() == sorted(
        table.select(keys[:2]).to_pylist(), key=lambda row: (row["subject_id"], row["prediction_time"])
    )
    assert spec["digest"] == digest_json({name: spec[name] for name in spec if name != "digest"})
    assert spec["task"]["horizon_days"] == 30
    assert report.spec_digest == spec["digest"]
    assert report.rows == table.num_rows == sum(count.rows for count in report.splits.values())
    assert 0 < report.subjects <= SUBJECTS
    assert report.rows + int(str(report.flow["rows_left_out_by_split"])) == _eligible(report)


def test_every_subject_is_in_one_split_and_each_split_has_rows(silver_dir: Path, tmp_path: Path) -> None:
    report = build(silver_dir, tmp_path / "gold")
    rows = pq.read_table(tmp_path / "gold" / "cohort.parquet").to_pylist()
    splits = {(row["subject_id"], row["split"]) for row in rows}
    assert len(splits) == len({subject for subject, _ in splits})
    assert all(count.rows for count in report.splits.values())
    assert 0 < report.splits["held_out"].subjects <= round(0.25 * SUBJECTS)


def test_the_table_equals_features_at_for_any_one_row(silver_dir: Path, tmp_path: Path) -> None:
    """What a service computes for one subject is what training saw, to the last bit."""
    build(silver_dir, tmp_path / "gold")
    table = pq.read_table(tmp_path / "gold" / "features.parquet")
    spec = json.loads((tmp_path / "gold" / "feature_spec.json").read_bytes())
    tables = hospital().tables()
    for place in range(0, table.num_rows, 7):
        row = table.slice(place, 1)
        alone = features_at(tables, row, feature_set_from_spec(spec))
        assert alone.drop_columns(["subject_id", "prediction_time"]).equals(
            row.select(alone.column_names[2:])
        )


def test_the_same_tables_give_the_same_bytes_in_any_order_and_stretch(
    silver_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(silver_dir, tmp_path / "first")
    second = build(silver_dir, tmp_path / "second")
    assert first.facts() == second.facts()
    names = ["cohort.parquet", "feature_spec.json", "features.parquet", "flow.json", "flow.svg"]
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == names
    for name in names:
        assert digest_file(tmp_path / "first" / name) == digest_file(tmp_path / "second" / name)

    backwards = hospital()
    for rows in backwards.rows.values():
        rows.reverse()
    third = build(backwards.write(tmp_path / "backwards"), tmp_path / "third")
    assert third.facts() == first.facts()
    for name in names:
        assert digest_file(tmp_path / "first" / name) == digest_file(tmp_path / "third" / name)

    monkeypatch.setattr(cohort_batch, "ROWS_AT_ONCE", 10)
    build(silver_dir, tmp_path / "fourth")
    one, other = (pq.read_table(tmp_path / run / "features.parquet") for run in ("first", "fourth"))
    assert one.equals(other)


def test_the_flow_is_drawn_with_every_count(silver_dir: Path, tmp_path: Path) -> None:
    report = build(silver_dir, tmp_path / "gold", "diabetes_onset_1y")
    drawn = ElementTree.parse(tmp_path / "gold" / "flow.svg").getroot()  # noqa: S314 - we wrote it
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    steps = report.flow["steps"]
    assert isinstance(steps, list)
    for step in steps:
        if step["rows_removed"]:
            assert any(text.startswith(f"{step['rows_removed']:,} row") for text in texts)
    for name, count in report.splits.items():
        place = texts.index(name.replace("_", " ").capitalize())
        assert texts[place + 1].startswith(f"{count.rows:,} row")
        assert texts[place + 2] == f"{count.positives:,} with the outcome"
    assert drawn.attrib["role"] == "img" and drawn[0].tag.endswith("title")
    assert not any(f"s{number:03d}" in text for text in texts for number in range(SUBJECTS))


def test_gold_of_an_aces_task(silver_dir: Path, tmp_path: Path) -> None:
    task = load_any_task(Path(__file__).parent / "aces" / "readmission.yaml")
    (tmp_path / "gold").mkdir()
    report = build_gold(
        silver_dir,
        tmp_path / "gold",
        task=task,
        feature_set=CORE,
        held_out_fraction=0.25,
        tuning_fraction=0,
        later_fraction=0.4,
        progress=NoProgress(),
    )
    spec = json.loads((tmp_path / "gold" / "feature_spec.json").read_bytes())
    assert (spec["task"]["name"], spec["task"]["form"]) == ("readmission", "aces")
    assert report.rows == pq.read_metadata(tmp_path / "gold" / "features.parquet").num_rows > 0
    assert not any(name.startswith("index_stay") for name in report.missing_share)


def test_facts_are_aggregate(silver_dir: Path, tmp_path: Path) -> None:
    facts = build(silver_dir, tmp_path / "gold").facts()
    text = json.dumps(facts)
    assert not any(f"s{number:03d}" in text for number in range(SUBJECTS))
    assert "2021-" not in text
    assert facts["features"] == len(CORE.features)
    assert facts["flow"]["follow_up"] == {"patient.follow_up_end": SUBJECTS, "dataset_maximum": 0}  # type: ignore[call-overload,index]


def test_the_onset_table_leaves_the_outcome_out(silver_dir: Path, tmp_path: Path) -> None:
    report = build(silver_dir, tmp_path / "gold", "diabetes_onset_1y")
    names = pq.read_schema(tmp_path / "gold" / "features.parquet").names
    assert not [name for name in names if name.startswith(("diabetes", "metformin", "insulin", "index_stay"))]
    assert sum(count.positives for count in report.splits.values()) > 0
    assert max(count.subjects for count in report.splits.values()) == max(
        count.rows for count in report.splits.values()
    )


def test_a_leaky_pair_leaves_nothing_behind(silver_dir: Path, tmp_path: Path) -> None:
    forgetful = ONSET.model_copy(update={"without_concepts": ()})
    with pytest.raises(PolicyError):
        build_gold(
            silver_dir,
            tmp_path,
            task=forgetful,
            feature_set=CORE,
            held_out_fraction=0.25,
            tuning_fraction=0,
            later_fraction=0.4,
            progress=NoProgress(),
        )
    assert list(tmp_path.iterdir()) == []


def test_nobody_meets_the_task(tmp_path: Path) -> None:
    silver = Silver().patient("ann", born=2020).patient("bob", born=2021).stay("2024-01-01", "2024-01-02")
    with pytest.raises(DataError) as caught:
        build(silver.write(tmp_path / "silver"), tmp_path / "gold")
    assert "No subject meets the task (step=age_at_least_18, subjects=2, index_events=1)" in str(caught.value)
    assert caught.value.hint


def test_no_subject_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no subject"):
        build(Silver().write(tmp_path / "silver"), tmp_path / "gold")


def test_a_folder_without_silver_tables(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no silver tables"):
        build(tmp_path, tmp_path / "gold")


def test_silver_with_the_patients_only_is_readable(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "silver" / "patient"), Silver().patient().tables()["patient"])
    with pytest.raises(DataError, match="step=index_events"):
        build(tmp_path / "silver", tmp_path / "gold")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    silver = hospital().write(tmp_path / "silver")
    file = next((silver / "observation").glob("*.parquet"))
    file.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(IntegrityError, match="observation"):
        build(silver, tmp_path / "gold")


def test_an_older_silver_without_a_column_is_refused(tmp_path: Path) -> None:
    tables = hospital().tables()
    for name, table in tables.items():
        kept = table.drop_columns(["class_code"]) if name == "encounter" else table
        write_deltalake(str(tmp_path / "silver" / name), kept)
    with pytest.raises(DataError, match="table=encounter, column=class_code"):
        build(tmp_path / "silver", tmp_path / "gold")


def test_cohort_command(silver_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cohort.csv"
    assert run(["cohort", "readmission_30d", str(silver_dir), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "index_events" in shown and "with the outcome" in shown
    assert out.read_text(encoding="utf-8").startswith('"subject_id","prediction_time","boolean_value"')

    assert run(["cohort", "readmission_30d", str(silver_dir), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["steps"][0]["step"] == "index_events"
    assert document["subjects_read"] == SUBJECTS


def test_cohort_command_with_an_aces_task(
    silver_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aces, out = Path(__file__).parent / "aces", tmp_path / "cohort.parquet"
    predicates = ["--predicates", str(aces / "predicates" / "anaemia_or_death.yaml")]
    assert run(["cohort", str(aces / "readmission.yaml"), str(silver_dir), "--out", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["task"] == "readmission" and shown["steps"][0]["step"] == "trigger_discharge"
    arguments = [str(silver_dir), "--out", str(out), *predicates]
    assert run(["cohort", str(aces / "anaemia_or_death.yaml"), *arguments]) == 0
    assert run(["cohort", "readmission_30d", *arguments]) == 2
    assert "Only an ACES task" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_compute_command_at_a_cohort_and_at_a_date(
    silver_dir: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    index, out = tmp_path / f"cohort.{ending}", tmp_path / f"features.{ending}"
    assert run(["cohort", "readmission_30d", str(silver_dir), "--out", str(index)]) == 0
    assert run(["features", "compute", str(silver_dir), "--at", str(index), "--out", str(out)]) == 0
    assert out.is_file()
    capsys.readouterr()

    arguments = ["features", "compute", str(silver_dir), "--at", "2023-06-30", "--out", str(out), "--json"]
    assert run(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rows"] == SUBJECTS
    assert document["features"] == len(CORE.features)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["features", "compute", "SILVER", "--at", "yesterday", "--out", "OUT.csv"], 2, "neither"),
        (["features", "compute", "SILVER", "--at", "none.csv", "--out", "OUT.csv"], 2, "no such index file"),
        (["features", "compute", "SILVER", "--at", "2020-01-01", "--out", "OUT.txt"], 2, "must end in"),
        (
            ["features", "compute", "SILVER", "--at", "2020-01-01", "--set", "none", "--out", "OUT.csv"],
            2,
            "built-in",
        ),
        (["features", "compute", "SILVER", "--at", "2020-01-01", "--out", "no/where/OUT.csv"], 2, "folder"),
        (["features", "compute", "nowhere", "--at", "2020-01-01", "--out", "OUT.csv"], 2, "no silver tables"),
        (["features", "compute", "SILVER", "--at", "BROKEN.csv", "--out", "OUT.csv"], 3, "cannot be read"),
        (
            ["features", "compute", "SILVER", "--at", "OTHER.csv", "--out", "OUT.csv"],
            3,
            "column=prediction_time",
        ),
        (["cohort", "no_such_task", "SILVER", "--out", "OUT.csv"], 2, "built-in"),
    ],
)
def test_commands_refuse_what_they_cannot_use(
    silver_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "BROKEN.csv").write_text("subject_id,prediction_time\nJane,not a time\n", encoding="utf-8")
    (tmp_path / "OTHER.csv").write_text("subject_id,when\nJane,2020-01-01\n", encoding="utf-8")
    assert run([str(silver_dir) if word == "SILVER" else word for word in arguments]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Jane" not in shown and "Traceback" not in shown
    assert not list(tmp_path.glob("OUT*"))
