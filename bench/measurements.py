"""What is measured, in order: each finds what the earlier ones left in the folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import orjson

from bench import features_at_scale, transfers

Figures = dict[str, float]
Action = Callable[[Path, int], Figures]

SEED, AS_OF, TASK = 1, date(2025, 6, 30), "readmission_30d"
LOADED = datetime(2025, 7, 1, tzinfo=UTC)
PREDICTIONS = 1000
LARGE = (10_000, 100_000)
"""Subjects of the lakes on which features are measured, with 200 measurements each."""


@dataclass(frozen=True)
class Measurement:
    """``against`` names the alternative whose wall time gives the ratio."""

    action: Action
    against: str | None = None


def generate(folder: Path, patients: int) -> Figures:
    from medcairn.synthetic import write_ndjson

    report = write_ndjson(folder / "hospital", patients=patients, seed=SEED, as_of=AS_OF)
    return {"items": report.resources, "bytes": report.bytes_written}


def download(folder: Path, patients: int) -> Figures:
    """The floor of exporting: reading and writing the same bytes over HTTP, unchecked."""
    import http.server
    import threading

    import httpx

    root = str(folder / "hospital")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=root)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            return

    size = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (folder / "downloaded").open("wb") as out:
            for path in _ndjson(folder / "hospital"):
                with httpx.stream("GET", f"http://127.0.0.1:{server.server_port}/{path.name}") as answer:
                    for block in answer.iter_bytes(1 << 20):
                        size += out.write(block)
        server.shutdown()
    return {"bytes": size}


def export(folder: Path, patients: int) -> Figures:
    from medcairn.core.clock import SystemClock
    from medcairn.core.progress import NoProgress
    from medcairn.export import BulkRequest, credentials_of, export_bulk, new_client_key, public_jwks
    from medcairn.synthetic.server import HospitalServer

    key = new_client_key()
    (folder / "export").mkdir()
    with HospitalServer(folder / "hospital", clients={"bench": public_jwks(key)}) as server:
        report = export_bulk(
            server.base_url,
            folder / "export",
            request=BulkRequest(),
            credentials=credentials_of("bench", key),
            progress=NoProgress(),
            clock=SystemClock(),
        )
    return {"items": report.resource_count, "bytes": report.size}


def walk(folder: Path, patients: int) -> Figures:
    """What tutorials do: parse, walk everything, drop and hash by key, write. No allow-list, no dates."""
    import hashlib

    dropped = {"text", "name", "telecom", "address", "identifier", "display", "note", "contact", "birthDate"}

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {key: cleaned(item) for key, item in value.items() if key not in dropped}
        if isinstance(value, list):
            return [cleaned(item) for item in value]
        if isinstance(value, str) and "/" in value:
            return hashlib.sha256(value.encode()).hexdigest()
        return value

    items = size = 0
    with (folder / "walked").open("wb") as out:
        for path in _ndjson(folder / "export"):
            for line in path.open("rb"):
                out.write(orjson.dumps(cleaned(orjson.loads(line))) + b"\n")
                items, size = items + 1, size + len(line)
    return {"items": items, "bytes": size}


def plain(folder: Path, patients: int) -> Figures:
    """The same work as ours on well-formed input, written plainly."""
    from bench.plain_deid import plain_deid

    items, size = plain_deid(_ndjson(folder / "export"), folder / "plain")
    return {"items": items, "bytes": size}


def deidentify(folder: Path, patients: int, processes: int = 1) -> Figures:
    from medcairn.core.progress import NoProgress
    from medcairn.deid import deidentify as stage

    out = folder / f"deid{processes}"
    out.mkdir()
    report = stage(
        folder / "export", out, key=b"k" * 32, as_of=AS_OF, processes=processes, progress=NoProgress()
    )
    return {"items": report.resources_read, "bytes": _size(folder / "export")}


def deidentify_two(folder: Path, patients: int) -> Figures:
    return deidentify(folder, patients, processes=2)


def leak_scan(folder: Path, patients: int, processes: int = 1) -> Figures:
    """Both folders are read: the source for its identifiers, the output for them."""
    from medcairn.core.progress import NoProgress
    from medcairn.deid import scan

    report = scan(folder / "export", folder / "deid1", processes=processes, progress=NoProgress())
    assert not report.hits
    return {"bytes": _size(folder / "export") + _size(folder / "deid1")}


def leak_scan_two(folder: Path, patients: int) -> Figures:
    return leak_scan(folder, patients, processes=2)


def bronze(folder: Path, patients: int) -> Figures:
    from medcairn.core.progress import NoProgress
    from medcairn.lakehouse import build_bronze

    (folder / "bronze").mkdir()
    report = build_bronze(folder / "deid1", folder / "bronze", ingested_at=LOADED, progress=NoProgress())
    return {"items": sum(report.rows.values()), "bytes": _size(folder / "deid1")}


def loop(folder: Path, patients: int) -> Figures:
    """The usual silver: an orjson loop that pulls one value per observation into a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[object]] = {name: [] for name in ("subject", "code", "time", "value", "unit")}
    items = 0
    for path in _ndjson(folder / "deid1"):
        for line in path.open("rb"):
            resource = orjson.loads(line)
            items += 1
            subject = resource.get("subject", {}).get("reference")
            for part in (resource, *resource.get("component", ())):
                coding = part.get("code", {}).get("coding", [{}])
                quantity = part.get("valueQuantity", {})
                columns["subject"].append(subject)
                columns["code"].append(coding[0].get("code"))
                columns["time"].append(resource.get("effectiveDateTime"))
                columns["value"].append(quantity.get("value"))
                columns["unit"].append(quantity.get("unit"))
    columns["value"] = [None if value is None else float(str(value)) for value in columns["value"]]
    pq.write_table(pa.table(columns), folder / "loop.parquet")
    return {"items": items, "bytes": _size(folder / "deid1")}


def silver(folder: Path, patients: int) -> Figures:
    from medcairn.core.progress import NoProgress
    from medcairn.lakehouse import build_silver

    (folder / "silver").mkdir()
    report = build_silver(folder / "bronze", folder / "silver", progress=NoProgress())
    return {"items": sum(report.rows.values()), "bytes": _size(folder / "deid1")}


def lake(folder: Path, patients: int) -> Figures:
    """From NDJSON to silver Delta: what the lakehouse step does, bronze on the way."""
    from medcairn.core.progress import NoProgress
    from medcairn.lakehouse import build_bronze, build_silver

    for name in ("whole-bronze", "whole-silver"):
        (folder / name).mkdir()
    quiet = NoProgress()
    build_bronze(folder / "deid1", folder / "whole-bronze", ingested_at=LOADED, progress=quiet)
    report = build_silver(folder / "whole-bronze", folder / "whole-silver", progress=quiet)
    return {"items": sum(report.rows.values()), "bytes": _size(folder / "deid1")}


def increment(folder: Path, patients: int) -> Figures:
    """The lakehouse step again, after one resource in a hundred was corrected."""
    from medcairn.core.progress import NoProgress
    from medcairn.lakehouse import build_bronze, build_silver

    changed = folder / "changed"
    changed.mkdir()
    for path in _ndjson(folder / "deid1"):
        with (changed / path.name).open("wb") as out:
            for number, line in enumerate(path.open("rb")):
                out.write(line.replace(b"{", b'{"language":"en",', 1) if number % 100 == 0 else line)
    began = time.perf_counter()
    later = LOADED + timedelta(days=1)
    build_bronze(changed, folder / "whole-bronze", ingested_at=later, progress=NoProgress())
    report = build_silver(folder / "whole-bronze", folder / "whole-silver", progress=NoProgress())
    seconds = time.perf_counter() - began
    return {"items": report.renewed, "bytes": _size(changed), "wall_seconds": seconds}


def bedside(folder: Path, patients: int) -> Figures:
    """Bundles of 1,000 observations, of several subjects in turn, to all features of the default set."""
    from bench.bedside import long_records
    from medcairn.features import load_feature_set
    from medcairn.pipeline.online import FeatureService

    records = long_records(_ndjson(folder / "deid1"), 1_000, subjects=8)
    service = FeatureService(load_feature_set("clinical_core"))
    service.warm()
    for record in records:  # what a first request finds out of codes and units is known to a service at work
        service.from_bundle(record.bundle, record.at)
    latencies = []
    for record in islice(cycle(records), PREDICTIONS):
        began = time.perf_counter()
        service.from_bundle(record.bundle, record.at)
        latencies.append(time.perf_counter() - began)
    size = sum(len(record.bundle) for record in islice(cycle(records), PREDICTIONS))
    return {"bytes": size, **_latency(latencies)}


def features(folder: Path, patients: int) -> Figures:
    from medcairn.core.progress import NoProgress
    from medcairn.features import build_gold, load_feature_set, load_task

    (folder / "gold").mkdir()
    report = build_gold(
        folder / "silver",
        folder / "gold",
        task=load_task(TASK),
        feature_set=load_feature_set("clinical_core"),
        held_out_fraction=0.25,
        tuning_fraction=0.0,
        later_fraction=0.4,
        progress=NoProgress(),
    )
    return {"items": report.rows * report.features}


def serving(folder: Path, patients: int) -> Figures:
    """One client, one row a request, over HTTP on loopback, recorded durably before each answer."""
    return _serve(folder, recorded=True)


def serving_unrecorded(folder: Path, patients: int) -> Figures:
    """The same service without its record: what durability costs."""
    return _serve(folder, recorded=False)


def _serve(folder: Path, *, recorded: bool) -> Figures:
    from bench.service import requests

    return _latency(requests(folder, PREDICTIONS, recorded=recorded))


def _latency(seconds: Iterable[float]) -> Figures:
    latencies = sorted(seconds)
    return {
        "items": len(latencies),
        "wall_seconds": sum(latencies),
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
    }


def _at_scale(action: Action, subjects: int, folder: Path, patients: int) -> Figures:
    return action(folder, subjects)


def _ndjson(folder: Path) -> list[Path]:
    return sorted(folder.glob("[A-Z]*.ndjson"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _ndjson(folder))


MEASUREMENTS = {
    "generate": Measurement(generate),
    "plain download": Measurement(download),
    "export": Measurement(export, "plain download"),
    "2 GB, plain download": Measurement(transfers.large_plain),
    "2 GB, export": Measurement(transfers.large_export, "2 GB, plain download"),
    "20,000 files, plain download": Measurement(transfers.tiny_plain),
    "20,000 files, export": Measurement(transfers.tiny_export, "20,000 files, plain download"),
    "orjson walk": Measurement(walk),
    "plain de-identifier": Measurement(plain, "orjson walk"),
    "de-identify, 1 process": Measurement(deidentify, "plain de-identifier"),
    "de-identify, 2 processes": Measurement(deidentify_two, "plain de-identifier"),
    "leak scan, 1 process": Measurement(leak_scan),
    "leak scan, 2 processes": Measurement(leak_scan_two, "leak scan, 1 process"),
    "bronze": Measurement(bronze),
    "orjson loop": Measurement(loop),
    "silver": Measurement(silver, "orjson loop"),
    "NDJSON to silver": Measurement(lake, "orjson loop"),
    "NDJSON to silver, 1 % changed": Measurement(increment, "NDJSON to silver"),
    "features": Measurement(features),
    **{
        f"{subjects:,} subjects, {name}": Measurement(partial(_at_scale, action, subjects), against)
        for subjects in LARGE
        for name, action, against in (
            ("lake", features_at_scale.large_lake, None),
            ("bare scan", features_at_scale.large_scan, None),
            ("features", features_at_scale.large_features, f"{subjects:,} subjects, bare scan"),
        )
    },
    "bedside": Measurement(bedside),
    "serving, not recorded": Measurement(serving_unrecorded),
    "serving": Measurement(serving, "serving, not recorded"),
}
