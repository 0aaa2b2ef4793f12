"""MEDS: what we write is MEDS, and a MEDS dataset gives the cohorts and features that silver gives."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from meds import schema as meds

from medcairn.cli.main import run
from medcairn.core.digests import digest_file
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.features import features_at, find_cohort, load_feature_set, load_task
from medcairn.features.cohort_batch import find_cohort_in, find_cohort_in_meds
from medcairn.features.meds import (
    MedsFolder,
    MedsReport,
    meds_rows,
    meds_subject_id,
    silver_tables,
    write_meds,
)
from medcairn.features.meds import write as write_module
from medcairn.features.meds.codes import code_of, coding_of
from medcairn.features.meds.subject_ids import meds_subject_ids
from medcairn.features.silver_folder import open_silver

from .silver_rows import Silver, index_of
from .whole_records import RECORDS, write_record

MICROSECONDS = 1_000_000


def write(silver_dir: Path, out: Path, *tasks: str) -> MedsReport:
    with open_silver(silver_dir) as silver:
        return write_meds(
            silver,
            out,
            name="test",
            version="7",
            labels={name: find_cohort_in(silver, load_task(name), NoProgress()).table for name in tasks},
            held_out_fraction=0.2,
            tuning_fraction=0.1,
            progress=NoProgress(),
        )


@pytest.fixture(scope="module", params=RECORDS)
def dataset(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, MedsReport]:
    folder = tmp_path_factory.mktemp("meds")
    silver_dir = write_record(request.param, folder / "silver")
    return silver_dir, folder / "meds", write(silver_dir, folder / "meds", "readmission_30d")


def test_every_part_is_valid_by_the_meds_package(dataset: tuple[Path, Path, MedsReport]) -> None:
    _, folder, report = dataset
    codes = pq.read_table(folder / meds.code_metadata_filepath)
    meds.CodeMetadataSchema.validate(codes)
    splits = pq.read_table(folder / meds.subject_splits_filepath)
    meds.SubjectSplitSchema.validate(splits)
    about = json.loads((folder / meds.dataset_metadata_filepath).read_bytes())
    meds.DatasetMetadataSchema.validate(about)
    assert (about["dataset_name"], about["dataset_version"], about["meds_version"]) == ("test", "7", "0.4")
    labels = pq.read_table(folder / "labels" / "readmission_30d.parquet")
    meds.LabelSchema.validate(labels)

    events = 0
    subjects: list[int] = []
    for file in sorted((folder / meds.data_subdirectory).glob("*.parquet")):
        rows = pq.read_table(file)
        meds.DataSchema.validate(rows)
        assert rows.schema.names[:5] == ["subject_id", "time", "code", "numeric_value", "text_value"]
        events += rows.num_rows
        of_subject = rows.column("subject_id").to_pylist()
        subjects.extend(dict.fromkeys(of_subject))
        times = pc.fill_null(rows.column("time").cast(pa.int64()), -(1 << 62)).to_pylist()
        pairs = list(zip(of_subject, times, strict=True))
        assert pairs == sorted(pairs), "a subject's rows are together, static ones first, then by time"
        assert set(rows.column("code").to_pylist()) <= set(codes.column("code").to_pylist())
    assert len(subjects) == len(set(subjects)) == report.subjects == splits.num_rows
    assert (
        set(labels.column("subject_id").to_pylist())
        <= set(subjects)
        == set(splits.column("subject_id").to_pylist())
    )
    assert report.facts()["events"] == events
    assert sum(report.splits.values()) == report.subjects


def test_concepts_are_parents_of_codes(dataset: tuple[Path, Path, MedsReport]) -> None:
    codes = pq.read_table(dataset[1] / meds.code_metadata_filepath).to_pylist()
    known = {row["code"]: row for row in codes}
    assert known["LOINC//8480-6"]["parent_codes"] == ["CONCEPT//systolic_bp"]
    assert known["LOINC//8480-6"]["description"]
    assert known["MEDS_BIRTH"]["parent_codes"] is None


@pytest.mark.parametrize("name", ["readmission_30d", "diabetes_onset_1y", "hypertension_onset_1y"])
def test_cohorts_from_meds_are_those_from_silver(dataset: tuple[Path, Path, MedsReport], name: str) -> None:
    silver_dir, folder, _ = dataset
    task = load_task(name)
    with open_silver(silver_dir) as silver:
        one = find_cohort_in(silver, task, NoProgress())
    other = find_cohort_in_meds(MedsFolder(folder), task, NoProgress())
    columns = ("subject_id", "prediction_time", "boolean_value", "sex", "age_band")
    mine = {
        (str(meds_subject_id(row[0])), *row[1:])
        for row in zip(*(one.table[c].to_pylist() for c in columns), strict=True)
    }
    assert mine == set(zip(*(other.table[c].to_pylist() for c in columns), strict=True))
    assert [step.rows for step in one.flow.steps] == [step.rows for step in other.flow.steps]


def test_labels_are_the_cohort(dataset: tuple[Path, Path, MedsReport]) -> None:
    silver_dir, folder, report = dataset
    with open_silver(silver_dir) as silver:
        table = find_cohort_in(silver, load_task("readmission_30d"), NoProgress()).table
    labels = pq.read_table(folder / "labels" / "readmission_30d.parquet")
    assert report.labels == {"readmission_30d": labels.num_rows}
    assert {(r["subject_id"], r["prediction_time"], r["boolean_value"]) for r in labels.to_pylist()} == {
        (meds_subject_id(r["subject_id"]), r["prediction_time"].replace(tzinfo=None), r["boolean_value"])
        for r in table.to_pylist()
    }


SMALL = (
    Silver()
    .patient("ann", born=1950, died="2024-06-01", follow_up_end="2024-12-31")
    .patient("bob", gender="male")
    .stay("2024-03-01T08:00", "2024-03-05", type_code="8715000")
    .lab("hba1c", 6.5, "2024-03-02", available="2024-03-04")
    .condition("diabetes", "2020-01-01", recorded="2024-03-03")
    .medication("metformin", "2024-03-04")
    .procedure("2024-03-04", "dialysis")
    .immunization("2023-10-01")
    .allergy("2010-01-01")
)
for _row in SMALL.rows["observation"]:
    _row.update(system="http://loinc.org", code="4548-4", canonical_unit="%")


def events(silver: Silver, subject: str = "ann") -> list[tuple[str | None, str, float | None]]:
    rows = meds_rows(silver.tables()).to_pylist()
    return [
        (row["time"] and row["time"].isoformat(timespec="minutes"), row["code"], row["numeric_value"])
        for row in rows
        if row["subject_id"] == subject
    ]


def test_rows_of_a_record() -> None:
    assert events(SMALL) == [
        (None, "ETHNICITY//2186-5", None),
        (None, "GENDER//female", None),
        (None, "RACE//2106-3", None),
        ("1950-01-01T00:00", "MEDS_BIRTH", None),
        ("2010-01-01T00:00", "ALLERGY//SNOMED//91936005", None),
        ("2023-10-01T00:00", "CVX//140", None),
        ("2024-03-01T08:00", "ENCOUNTER_START//IMP", None),
        ("2024-03-01T08:00", "ENCOUNTER_TYPE//SNOMED//8715000", None),
        ("2024-03-03T00:00", "SNOMED//44054006", None),
        ("2024-03-04T00:00", "LOINC//4548-4", 6.5),
        ("2024-03-04T00:00", "RXNORM//6809", None),
        ("2024-03-04T00:00", "SNOMED//265764009", None),
        ("2024-03-05T00:00", "DISCHARGE//home", None),
        ("2024-03-05T00:00", "ENCOUNTER_END//IMP", None),
        ("2024-06-01T00:00", "MEDS_DEATH", None),
        ("2024-12-31T00:00", "FOLLOW_UP_END", None),
    ]


def test_what_is_not_on_record_now_is_not_there() -> None:
    silver = Silver().patient()
    silver.condition("diabetes", "2020-01-01", rid="a", superseded="2020-02-01")
    silver.condition(
        "diabetes", "2020-01-01", rid="a", version=2, available="2020-02-01", verification="refuted"
    )
    silver.condition("stroke", "2021-01-01", available=None)
    silver.lab("glucose", 90, "2020-01-01", status="entered-in-error")
    silver.procedure("2020-01-01", superseded="2020-01-05", current=False)
    assert [code for _, code, _ in events(silver) if code.startswith(("SNOMED", "LOINC", "UNCODED"))] == []


def test_features_from_meds_are_those_from_silver() -> None:
    tables = SMALL.tables()
    rows = meds_rows(tables)
    number = pa.array(
        [1 if name == "ann" else 2 for name in rows.column("subject_id").to_pylist()], pa.int64()
    )
    back = silver_tables(rows.set_column(0, "subject_id", number))
    chosen = load_feature_set("clinical_core")
    kept = [
        name
        for name in chosen.names
        if name.startswith(("age", "female", "hba1c", "diabetes", "metformin", "prior_stay", "dialysis"))
        and "pdc" not in name
    ]
    one = features_at(tables, index_of(("ann", "2024-03-03"), ("ann", "2024-04-01")), chosen).select(kept)
    other = features_at(back, index_of(("1", "2024-03-03"), ("1", "2024-04-01")), chosen).select(kept)
    assert one.equals(other)
    assert one.column("hba1c_last_365d").to_pylist() == [None, 6.5]


def test_a_number_without_its_unit_is_no_value() -> None:
    rows = pa.table(
        {
            "subject_id": [1, 1, 1],
            "time": pa.array([1, 2, 3], pa.timestamp("us")),
            "code": ["LOINC//2345-7"] * 3,
            "numeric_value": pa.array([90, 5, 90], pa.float32()),
            "unit": ["mg/dL", "mmol/L", None],
        }
    )
    values = silver_tables(rows)["observation"].column("canonical_value").to_pylist()
    assert values[0] == 90
    assert values[1] == pytest.approx(90, abs=0.2)
    assert values[2] is None


def test_foreign_codes_give_no_row_of_ours() -> None:
    rows = pa.table(
        {
            "subject_id": [5, 5, 5],
            "time": pa.array([None, 2, 3], pa.timestamp("us")),
            "code": ["GENDER//M", "HOSPITAL_ADMISSION//EW EMER.", "LAB//50912//mg/dL"],
        }
    )
    tables = silver_tables(rows)
    assert tables["patient"].to_pylist()[0]["gender"] == "male"
    assert all(tables[name].num_rows == 0 for name in tables if name != "patient")


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("http://loinc.org", "4548-4", "LOINC//4548-4"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "E11.9", "ICD10CM//E11.9"),
        ("urn:local", "7", "urn:local//7"),
        (None, "7", "LOCAL//7"),
        ("http://loinc.org", None, None),
    ],
)
def test_codes(system: str | None, code: str | None, expected: str | None) -> None:
    assert code_of(system, code) == expected
    known = system is not None and expected is not None and not expected.startswith("urn")
    assert coding_of(expected or "") == ((system, code) if known else None)


def test_subject_ids_are_the_same_everywhere_and_never_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = pa.array([f"s{number}" for number in range(2_000)])
    numbers = meds_subject_ids(ids)
    assert numbers.min() >= 0
    assert numbers[3] == meds_subject_id("s3") == 8612151563756637019
    monkeypatch.setattr("medcairn.features.meds.subject_ids.meds_subject_id", lambda text: len(text))
    with pytest.raises(DataError, match="subjects=2000, different=4"):
        meds_subject_ids(ids)


def test_the_same_silver_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver_dir = SMALL.write(tmp_path / "silver")
    write(silver_dir, tmp_path / "one")
    write(silver_dir, tmp_path / "two")
    files = sorted(
        path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()
    )
    assert len(files) == 4
    for file in files:
        assert digest_file(tmp_path / "one" / file) == digest_file(tmp_path / "two" / file)


def test_a_patient_who_was_deleted_is_not_there(tmp_path: Path) -> None:
    silver = Silver().patient("ann").visit("2024-01-01").patient("bob", current=False)
    report = write(silver.visit("2024-01-01", subject="bob").write(tmp_path / "silver"), tmp_path / "out")
    assert report.subjects == sum(report.splits.values()) == 1
    rows = next(MedsFolder(tmp_path / "out").shards())
    assert set(rows.column("subject_id").to_pylist()) == {meds_subject_id("ann")}


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    silver_dir = SMALL.write(tmp_path / "silver")
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="there already"):
        write(silver_dir, tmp_path / "out")


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver_dir = SMALL.write(tmp_path / "silver")
    next((silver_dir / "allergy").glob("*.parquet")).write_bytes(b"PAR1" + bytes(60) + b"PAR1")
    with pytest.raises(IntegrityError):
        write(silver_dir, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["silver"]
    monkeypatch.setattr(
        write_module, "_code_table", lambda codes: pa.table({"code": pa.array([None], pa.string())})
    )
    silver_dir = SMALL.write(tmp_path / "again")
    with pytest.raises(DataError, match="part=codes"):
        write(silver_dir, tmp_path / "out")
    assert not (tmp_path / "out").exists()


ROW = {
    "subject_id": pa.array([1], pa.int64()),
    "time": pa.array([0], pa.timestamp("us")),
    "code": pa.array(["A"]),
    "numeric_value": pa.array([1.0], pa.float32()),
}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"code": None}, "column=code"),
        ({"time": pa.array(["yesterday"])}, "column=time"),
        ({"subject_id": pa.array(["Jane"])}, "column=subject_id"),
        ({"subject_id": pa.array([None], pa.int64())}, "column=subject_id"),
        ({"numeric_value": pa.array(["high"])}, "column=numeric_value"),
    ],
)
def test_what_is_no_meds_is_refused(tmp_path: Path, changes: dict[str, pa.Array | None], shown: str) -> None:
    (tmp_path / "data").mkdir()
    columns = {name: column for name, column in {**ROW, **changes}.items() if column is not None}
    pq.write_table(pa.table(columns), tmp_path / "data" / "0.parquet")
    with pytest.raises(DataError) as caught:
        list(MedsFolder(tmp_path).shards())
    assert shown in str(caught.value) and "Jane" not in str(caught.value)


def test_other_whole_types_are_taken(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    columns = {**ROW, "subject_id": pa.array([1], pa.int32()), "time": pa.array([0], pa.timestamp("ns"))}
    pq.write_table(pa.table(columns), tmp_path / "data" / "0.parquet")
    rows = next(MedsFolder(tmp_path).shards())
    assert rows.schema.field("subject_id").type == pa.int64()
    assert rows.schema.field("time").type == pa.timestamp("us")


def test_a_subject_in_two_files_and_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    for number in (0, 1):
        pq.write_table(pa.table(ROW), tmp_path / "data" / "train" / f"{number}.parquet")
    with pytest.raises(DataError, match="more than one file"):
        list(MedsFolder(tmp_path).shards())
    (tmp_path / "data" / "train" / "1.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(IntegrityError, match="cannot be read"):
        list(MedsFolder(tmp_path).shards())
    with pytest.raises(UsageError, match="no MEDS dataset"):
        MedsFolder(tmp_path / "data" / "train" / "x")


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silver_dir, out, cohort = SMALL.write(tmp_path / "silver"), tmp_path / "meds", tmp_path / "c.csv"
    arguments = [
        "features",
        "meds",
        str(silver_dir),
        "--out",
        str(out),
        "--task",
        "readmission_30d",
        "--json",
    ]
    assert run(arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["subjects"], shown["labels"]) == (2, {"readmission_30d": 1})
    assert run(arguments) == 2
    assert "there already" in capsys.readouterr().err

    picture = tmp_path / "flow.svg"
    for data in (silver_dir, out):
        assert (
            run(["cohort", "readmission_30d", str(data), "--out", str(cohort), "--diagram", str(picture)])
            == 0
        )
    assert "index_events" in capsys.readouterr().out
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert run(["cohort", "readmission_30d", str(out), "--out", str(cohort), "--diagram", "flow.png"]) == 2
    assert ".svg" in capsys.readouterr().err


def test_a_cohort_alone_equals_the_one_of_silver() -> None:
    task = load_task("readmission_30d")
    table = find_cohort(SMALL.tables(), task, dataset_end=0).table
    assert table.num_rows == 1
