"""What was acknowledged is on disk, also after kill -9."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from medcairn.audit import EventType, Ledger, read_events
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import ExternalError, IntegrityError, StorageError, UsageError
from medcairn.core.labels import Label
from medcairn.serving import (
    Prediction,
    Purpose,
    SqlitePredictionRecorder,
    prediction_digests,
    read_predictions,
    recorded_predictions,
)

SERVICE = """
import sys
from pathlib import Path
import numpy as np
from medcairn.audit import Ledger
from medcairn.core.clock import RandomIds, SystemClock
from medcairn.core.digests import digest_bytes
from medcairn.core.labels import Label
from medcairn.serving import KnownScore, ServedModel, SqlitePredictionRecorder, create_app, run_server


class Half:
    feature_names = ("age_years",)

    def score(self, rows):
        return np.full(len(rows), 0.5)


folder = Path(sys.argv[1])
clock, ids = SystemClock(), RandomIds()
ledger = Ledger.create(folder / "ledger.db", folder / "keys" / "k", origin="test", clock=clock, ids=ids)
recorder = SqlitePredictionRecorder(folder / "phi" / "predictions.db", ledger, service="half")
model = ServedModel(Label("half"), Label("1"), digest_bytes(b"p"), b"{}", b"", (KnownScore({}, 0.5),))
app = create_app(model, scorer=Half(), recorder=recorder, clock=clock, ids=ids)
run_server(app, port=0, on_ready=lambda url: print(url, flush=True))
recorder.close()
print("closed", flush=True)
"""


def prediction(number: int = 0, *, purpose: Purpose = Purpose.CARE) -> Prediction:
    return Prediction(
        id=Label(f"prediction-{number}"),
        predicted_at=datetime(2026, 3, 1, tzinfo=UTC),
        prediction_time=None,
        purpose=purpose,
        model_name=Label("half"),
        model_version=Label("1"),
        package_digest=digest_bytes(b"p"),
        features={"age_years": float(number), "hba1c": None},
        inputs_digest=digest_bytes(b"row"),
        probability=0.25,
    )


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_every_acknowledged_prediction_survives_kill_9(tmp_path: Path) -> None:
    process, base_url = start(tmp_path)
    acknowledged: list[str] = []
    enough = threading.Event()

    def ask(_: int) -> None:
        with httpx.Client(base_url=base_url, timeout=10) as client:
            while True:
                try:
                    answer = client.post("/predict", json={"features": {"age_years": 1}})
                except httpx.TransportError:
                    return
                acknowledged.append(answer.json()["prediction_id"])
                if len(acknowledged) > 150:
                    enough.set()

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(ask, number) for number in range(6)]
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        for future in futures:
            future.result()
    process.communicate()

    recorded = {p.id: p.digest for p in recorded_predictions(tmp_path / "phi" / "predictions.db")}
    events = {
        stored.event.record["prediction_id"]: stored.event.record["record_digest"]
        for stored in read_events(tmp_path / "ledger.db", EventType.PREDICTION_MADE)
    }
    assert len(acknowledged) > 150
    assert set(acknowledged) <= set(events)
    assert set(events) <= set(recorded), "no event without its record"
    assert all(recorded[Label(str(name))] == digest for name, digest in events.items())


def test_sigterm_ends_the_service_after_its_cleaning_up(tmp_path: Path) -> None:
    process, base_url = start(tmp_path)
    assert httpx.get(f"{base_url}/health/ready").status_code == 200
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "closed\n", "")


def test_the_record_is_private(recorder: SqlitePredictionRecorder, database: Path) -> None:
    recorder.record(prediction())
    for file in database.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700


def test_the_event_points_to_the_package(database: Path, ledger: Ledger) -> None:
    package = ArtifactRef(
        Label("package"),
        Label("package"),
        Zone.AGGREGATE,
        digest_bytes(b"p"),
        digest_bytes(b"s"),
        "packages/p",
    )
    with SqlitePredictionRecorder(database, ledger, service="half", package=package) as recorder:
        recorder.record(prediction())
    (stored,) = ledger.events(EventType.PREDICTION_MADE)
    assert stored.event.inputs == (package,)
    assert "features" not in stored.event.record


def test_many_threads_lose_nothing(
    recorder: SqlitePredictionRecorder, database: Path, ledger: Ledger
) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: recorder.record(prediction(number)), range(200)))
    assert len(list(recorded_predictions(database))) == 200
    assert len(list(ledger.events(EventType.PREDICTION_MADE))) == 200


class _NoLedger:
    def append(
        self,
        event_type: EventType,
        *,
        actor: str,
        inputs: Sequence[ArtifactRef] = (),
        record: Mapping[str, JSON] | None = None,
    ) -> object:
        raise StorageError("The disk is full")

    def check_ready(self) -> None:
        raise StorageError("The disk is full")


def test_a_prediction_without_its_event_is_not_acknowledged(database: Path) -> None:
    recorder = SqlitePredictionRecorder(database, _NoLedger(), service="half")
    with recorder, pytest.raises(ExternalError):
        recorder.record(prediction())


def test_a_recorder_without_its_ledger_is_not_ready(database: Path) -> None:
    recorder = SqlitePredictionRecorder(database, _NoLedger(), service="half")
    with recorder, pytest.raises(ExternalError):
        recorder.check_ready()


def test_after_a_failure_the_recorder_recovers(
    recorder: SqlitePredictionRecorder, database: Path, ledger: Ledger
) -> None:
    recorder.record(prediction(1))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("ALTER TABLE prediction RENAME TO away")
        with pytest.raises(StorageError):
            recorder.record(prediction(2))
        other.execute("ALTER TABLE away RENAME TO prediction")
    recorder.record(prediction(3))
    assert [p.id for p in recorded_predictions(database)] == ["prediction-1", "prediction-3"]
    assert len(list(ledger.events(EventType.PREDICTION_MADE))) == 2


def test_a_closed_recorder_takes_nothing(recorder: SqlitePredictionRecorder) -> None:
    recorder.close()
    with pytest.raises(ExternalError, match="closed"):
        recorder.record(prediction())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "phi").mkdir(mode=0o500)
    with pytest.raises(StorageError):
        SqlitePredictionRecorder(tmp_path / "phi" / "predictions.db", ledger, service="half")


def test_a_changed_record_is_named(recorder: SqlitePredictionRecorder, database: Path) -> None:
    recorder.record(prediction(1))
    recorder.record(prediction(2))
    before = dict(prediction_digests(database))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(
            "UPDATE prediction SET record = CAST(replace(CAST(record AS TEXT), '0.25', '0.75') AS BLOB)"
            " WHERE prediction_id = 'prediction-2'"
        )
    with pytest.raises(IntegrityError) as found:
        read_predictions(database)
    assert found.value.fields["prediction"] == "prediction-2"
    after = dict(prediction_digests(database))
    assert [name for name in before if before[name] != after[name]] == ["prediction-2"]


def test_predictions_come_back_as_a_table(recorder: SqlitePredictionRecorder, database: Path) -> None:
    for number in range(3):
        recorder.record(prediction(number))
    recorder.record(prediction(9, purpose=Purpose.SMOKE_TEST))
    table = read_predictions(database)
    assert table.column_names == [
        "prediction_id",
        "predicted_at",
        "prediction_time",
        "package_digest",
        "probability",
        "age_years",
        "hba1c",
    ]
    assert table["age_years"].to_pylist() == [0.0, 1.0, 2.0]
    assert table["hba1c"].to_pylist() == [None, None, None]
    assert read_predictions(database, package_digest=digest_bytes(b"other")).num_rows == 0
    assert read_predictions(database, purpose=Purpose.SMOKE_TEST).num_rows == 1


def test_reading_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_predictions(tmp_path / "predictions.db")
    (tmp_path / "predictions.db").write_bytes(b"no database " * 100)
    with pytest.raises(IntegrityError):
        read_predictions(tmp_path / "predictions.db")
