"""Features at scale: a silver lake of many subjects, DuckDB's bare scan of it, and our features.

The lake is written once for a number of subjects; the scan reads the columns that the features need, to
Arrow, and that is the floor of any way to compute them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import convert_to_deltalake
from numpy.typing import NDArray

from medcairn.core.progress import NoProgress
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features.batch import features_in
from medcairn.features.compute import warm
from medcairn.features.feature import Aggregate, Feature, Source, feature_name
from medcairn.features.feature_set import FeatureSet
from medcairn.features.plan import columns_of, streams_of
from medcairn.features.silver_folder import open_silver

EACH = 200
CONCEPTS = (
    *(
        "creatinine",
        "glucose",
        "hba1c",
        "sodium",
        "potassium",
        "urea_nitrogen",
        "wbc",
        "haemoglobin",
        "platelets",
    ),
    *(
        "alt",
        "ast",
        "total_cholesterol",
        "ldl",
        "hdl",
        "triglycerides",
        "heart_rate",
        "systolic_bp",
        "diastolic_bp",
    ),
)
OF_A_YEAR = ("last", "first", "mean", "min", "max", "sd", "slope", "range", "count", "days_since")
OF_90_DAYS = ("last", "mean", "min", "max", "count")
_ROWS_A_GROUP = 1 << 17


def write_lake(folder: Path, subjects: int, each: int) -> None:
    """`folder/observation` and `folder/patient` as Delta tables; 5 years of 18 analytes, 1 % corrected."""
    ids = np.array(sorted(hashlib.sha256(str(n).encode()).hexdigest()[:26] for n in range(subjects)))
    schema, draw = SILVER_SCHEMAS["observation"], np.random.default_rng(1)
    (folder / "observation").mkdir(parents=True)
    step = max(1, _ROWS_A_GROUP // each)
    words = pa.array(["final", "entered-in-error"]), pa.array(CONCEPTS)
    with pq.ParquetWriter(folder / "observation" / "part-0.parquet", schema, compression="zstd") as writer:
        for low in range(0, subjects, step):
            some = ids[low : low + step]
            rows = len(some) * each
            when = draw.integers(1_577_836_800 // 60, 1_704_067_200 // 60, (len(some), each)) * 60_000_000
            when.sort(axis=1)
            known = when.ravel() + draw.integers(0, 48, rows) * 3_600_000_000
            corrected = draw.random(rows) < 0.01
            value = np.round(draw.gamma(9, 12, rows), 1)
            made = {
                "subject_id": _text(pa.array(some), np.repeat(np.arange(len(some)), each)),
                "component": pa.array(np.full(rows, -1, np.int32)),
                "version": pa.array(np.ones(rows, np.int32)),
                "status": _text(words[0], (draw.random(rows) < 0.005).astype(np.int_)),
                "concept": _text(words[1], draw.integers(0, len(CONCEPTS), rows)),
                "effective_time": _times(when.ravel()),
                "numeric_value": pa.array(value),
                "canonical_value": pa.array(value),
                "available_time": _times(known),
                "superseded_time": _times(known + 86_400_000_000, ~corrected),
                "current": pa.array(~corrected),
            }
            columns = [made.get(f.name, pa.nulls(rows, f.type)) for f in schema]
            writer.write_table(pa.table(columns, schema=schema))
    patient = SILVER_SCHEMAS["patient"]
    made = {"subject_id": pa.array(ids), "current": pa.array(np.ones(subjects, np.bool_))}
    (folder / "patient").mkdir()
    columns = [made.get(f.name, pa.nulls(subjects, f.type)) for f in patient]
    pq.write_table(
        pa.table(columns, schema=patient), folder / "patient" / "part-0.parquet", row_group_size=50_000
    )
    for name in ("observation", "patient"):
        convert_to_deltalake(str(folder / name))


def _text(words: pa.Array, codes: NDArray[np.int_]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), words).cast(pa.string())


def _times(micros: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(micros, pa.int64(), mask=mask).cast(pa.timestamp("us", tz="UTC"))


def feature_set() -> FeatureSet:
    """270 features: 18 analytes, 15 cells each."""
    cells = [(Aggregate(name), 365) for name in OF_A_YEAR] + [(Aggregate(name), 90) for name in OF_90_DAYS]
    measured = Source.MEASUREMENT
    features = [
        Feature(feature_name(measured, concept, aggregate, days), measured, concept, aggregate, days)
        for concept in CONCEPTS
        for aggregate, days in cells
    ]
    return FeatureSet("bench", 1, tuple(features))


def scan(folder: Path) -> int:
    """DuckDB's bare scan of the same columns into Arrow; rows. Beyond 50 million rows in batches."""
    columns = ", ".join(columns_of("observation", streams_of(feature_set())))
    file = folder / "observation" / "part-0.parquet"
    found = duckdb.default_connection().sql(f"SELECT {columns} FROM read_parquet('{file}')")
    if pq.read_metadata(file).num_rows <= 50_000_000:
        table: pa.Table = found.to_arrow_table()
        return int(table.num_rows)
    batches: pa.RecordBatchReader = found.to_arrow_reader(1_000_000)
    return sum(batch.num_rows for batch in batches)


def features(folder: Path) -> int:
    """Our features of every subject at one time, table by table; rows."""
    with open_silver(folder) as silver:
        ids = silver.subject_ids()
        at = pa.array(np.full(len(ids), 1_672_531_200_000_000), pa.timestamp("us", tz="UTC"))
        index = pa.table({"subject_id": ids, "prediction_time": at})
        return sum(table.num_rows for table in features_in(silver, index, feature_set(), NoProgress()))


def large_lake(folder: Path, subjects: int) -> dict[str, float]:
    """Write the lake, and compile the kernels once so that no measurement pays for it."""
    write_lake(folder / f"lake-{subjects}", subjects, EACH)
    warm()
    return {"items": subjects * EACH}


def large_scan(folder: Path, subjects: int) -> dict[str, float]:
    return {"items": scan(folder / f"lake-{subjects}")}


def large_features(folder: Path, subjects: int) -> dict[str, float]:
    rows = features(folder / f"lake-{subjects}")
    assert rows == subjects
    return {"items": rows * len(feature_set().features)}
