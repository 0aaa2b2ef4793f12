"""The stage: a folder of identified NDJSON in, a folder of de-identified NDJSON out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import BinaryIO

from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.axis import Axis, Span, axis_of, followed_until
from medcairn.deid.engine import Axes, ChunkResult, Engine, Timeline
from medcairn.deid.keys import checked_key, key_id
from medcairn.deid.policy import Policy, safe_harbor
from medcairn.deid.report import DeidReport
from medcairn.deid.source import Chunk, Source, find_source, read_lines
from medcairn.deid.tally import Reason, Tally
from medcairn.deid.workers import Work, in_order

QUARANTINE = "quarantine.ndjson"
MODES = ("safe-harbor",)
MODES_TO_COME = ("limited-shifted", "ms-compat")


def deidentify(
    source_dir: Path,
    out_dir: Path,
    *,
    key: bytes,
    as_of: date,
    mode: str = "safe-harbor",
    processes: int = 1,
    progress: Progress | None = None,
    policy: Policy | None = None,
) -> DeidReport:
    """De-identify the NDJSON files of ``source_dir`` into files of the same names in ``out_dir``.

    Two passes: the first learns each subject's first day, the second writes. The order of lines is kept;
    a line that may not leave is named in ``quarantine.ndjson`` (file, line from 1, reason). The same source,
    key, policy and ``as_of`` give the same bytes with any number of ``processes``. The source is only read.

    Raises :class:`UsageError` for a mode that does not exist, a short key, a missing or empty folder;
    :class:`DataError` for a file that cannot be read; :class:`StorageError` when the disk is full.
    """
    _check_mode(mode)
    checked_key(key)
    if processes < 1:
        raise UsageError("The number of processes is 1 or more")
    policy = policy or safe_harbor()
    progress = progress or NoProgress()
    source = find_source(source_dir, policy.resource_types)
    if out_dir.resolve() == source_dir.resolve():
        raise UsageError("The output folder is the source folder", folder=out_dir)
    workers = min(processes, sum(1 for _ in source.chunks()))
    spans = _learn(source, policy, workers, progress)
    axes = {subject: axis_of(span, as_of) for subject, span in spans.items()}
    tally = _write(source, out_dir, (policy, key, axes, followed_until(as_of)), workers, progress)
    return _report(source, policy, key, as_of, axes, tally)


def _check_mode(mode: str) -> None:
    if mode in MODES_TO_COME:
        raise UsageError("This de-identification mode is not built yet", hint="Use safe-harbor")
    if mode not in MODES:
        raise UsageError("There is no such de-identification mode", hint="Use safe-harbor")


def _learn(source: Source, policy: Policy, processes: int, progress: Progress) -> dict[str, Span]:
    progress.begin("De-identify: finding each subject's first day", source.size, "bytes")
    spans: dict[str, Span] = {}
    chunks = [chunk for chunk in source.chunks() if chunk.file.resource_type in policy.resources]
    for chunk, part in zip(chunks, in_order(_timeline, (policy,), chunks, processes), strict=True):
        for subject, span in part.items():
            known = spans.setdefault(subject, span)
            if known is not span:
                known.merge(span)
        progress.advance(chunk.end - chunk.start)
    return spans


def _timeline(policy: Policy) -> Work[dict[str, Span]]:
    timeline = Timeline(policy)
    return lambda chunk: timeline.spans(read_lines(chunk))


def _engine(policy: Policy, key: bytes, axes: Axes, followed: date) -> Work[ChunkResult]:
    engine = Engine(policy, key, axes, followed)
    return lambda chunk: engine.chunk(read_lines(chunk), chunk.file.resource_type)


def _write(
    source: Source,
    out_dir: Path,
    engine: tuple[Policy, bytes, dict[str, Axis], date],
    processes: int,
    progress: Progress,
) -> Tally:
    progress.begin("De-identify: writing", source.size, "bytes")
    tally = Tally()
    chunks = list(source.chunks())
    with storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True)
        with (out_dir / QUARANTINE).open("wb") as quarantine:
            output: BinaryIO | None = None
            try:
                for chunk, result in zip(chunks, in_order(_engine, engine, chunks, processes), strict=True):
                    if chunk.start == 0:
                        if output is not None:
                            output.close()
                        output = (out_dir / chunk.file.path.name).open("wb")
                        first_line = 1
                    assert output is not None
                    output.write(result.data)
                    quarantine.writelines(_quarantined(chunk, first_line, result.quarantine))
                    first_line += result.lines
                    tally.add(result.tally)
                    progress.advance(chunk.end - chunk.start)
            finally:
                if output is not None:
                    output.close()
    return tally


def _quarantined(chunk: Chunk, first_line: int, lines: Iterable[tuple[int, Reason]]) -> Iterable[bytes]:
    for number, reason in lines:
        entry = {"file": chunk.file.path.name, "line": first_line + number, "reason": reason.value}
        yield json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _report(
    source: Source, policy: Policy, key: bytes, as_of: date, axes: dict[str, Axis], tally: Tally
) -> DeidReport:
    quarantined: dict[str, dict[Reason, int]] = {}
    for (name, reason), count in tally.quarantined.items():
        quarantined.setdefault(name, {})[reason] = count
    return DeidReport(
        mode=Label(policy.name),
        as_of=as_of,
        key_id=Label(key_id(key)),
        policy=Label(f"{policy.name}@{policy.version}"),
        policy_digest=policy.digest,
        zip_table=Label(policy.vocabulary.zip_table),
        files=len(source.files),
        files_passed_over=source.passed_over,
        bytes_read=source.size,
        subjects=len(axes),
        over_89=sum(axis.over_89 for axis in axes.values()),
        read={name: count for name, count in tally.read.items() if count},
        left={name: count for name, count in tally.left.items() if count},
        quarantined=quarantined,
        lost=dict(tally.lost),
    )


__all__ = ["MODES", "MODES_TO_COME", "QUARANTINE", "deidentify"]
