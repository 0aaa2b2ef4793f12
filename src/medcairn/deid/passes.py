"""The passes over a source: one learns, one writes, and one mends where references lost their end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from medcairn.core.files import storage_errors
from medcairn.core.progress import Progress
from medcairn.core.workers import Work, WorkerPool
from medcairn.deid.axis import Axis, Span
from medcairn.deid.crosswalk import PseudonymPlan
from medcairn.deid.dangling import holes, pointing_at
from medcairn.deid.engine import Axes, ChunkResult, Engine
from medcairn.deid.policy import Policy
from medcairn.deid.source import Chunk, Source, SourceFile, chunks_of, read_blocks
from medcairn.deid.tally import Reason, Tally
from medcairn.deid.timeline import Timeline

QUARANTINE = "quarantine.ndjson"


@dataclass(frozen=True)
class Run:
    """One run of the stage over ``source``."""

    source: Source
    out_dir: Path
    policy: Policy
    workers: WorkerPool
    progress: Progress

    def learn(self, as_of: date) -> dict[str, Span]:
        """The first pass: the span of each subject's records."""
        self.progress.begin("De-identify: finding each subject's first day", self.source.size, "bytes")
        spans: dict[str, Span] = {}
        chunks = [
            chunk for chunk in self.source.chunks() if chunk.file.resource_type in self.policy.resources
        ]
        parts = self.workers.in_order(_timeline, (self.policy, as_of), chunks)
        for chunk, part in zip(chunks, parts, strict=True):
            for subject, span in part.items():
                known = spans.setdefault(subject, span)
                if known is not span:
                    known.merge(span)
            self.progress.advance(chunk.end - chunk.start)
        return spans

    def write(self, pseudonyms: PseudonymPlan, axes: Mapping[str, Axis], followed_until: date) -> Tally:
        """The second pass, and where it left references to what it kept back, that pass again."""
        engine = (self.policy, pseudonyms, axes, followed_until)
        self.progress.begin("De-identify: writing", self.source.size, "bytes")
        with storage_errors():
            self.out_dir.mkdir(parents=True, exist_ok=True)
            with (self.out_dir / QUARANTINE).open("wb") as quarantine:
                tallies, kept_back = self._write(self.source.files, engine, quarantine)
        tallies |= self._mend(kept_back, engine)
        total = Tally()
        for tally in tallies.values():
            total.add(tally)
        return total

    def _mend(self, kept_back: frozenset[str], engine: tuple[object, ...]) -> dict[str, Tally]:
        """Write the files again that point to what was kept back. Gives their new counts."""
        if not kept_back:
            return {}
        written = [self.out_dir / file.path.name for file in self.source.files]
        gone = holes(kept_back, written)
        torn = {path.name for path in pointing_at(gone, written)}
        files = [file for file in self.source.files if file.path.name in torn]
        if not files:
            return {}
        size = sum(file.size for file in files)
        self.progress.begin("De-identify: taking out references to quarantined resources", size, "bytes")
        with storage_errors():
            return self._write(files, (*engine, gone), None)[0]

    def _write(
        self, files: Sequence[SourceFile], engine: tuple[object, ...], quarantine: BinaryIO | None
    ) -> tuple[dict[str, Tally], frozenset[str]]:
        """Write the output of ``files``. Gives counts by file name, and what was kept back."""
        tallies: dict[str, Tally] = {}
        kept_back: set[str] = set()
        chunks = list(chunks_of(files))
        output: BinaryIO | None = None
        first_line = 1
        try:
            results = self.workers.in_order(_engine, engine, chunks)
            for chunk, result in zip(chunks, results, strict=True):
                name = chunk.file.path.name
                if chunk.start == 0:
                    if output is not None:
                        output.close()
                    output = (self.out_dir / name).open("wb")
                    first_line = 1
                assert output is not None
                output.writelines(result.data)
                if quarantine is not None:
                    quarantine.writelines(_quarantined(name, first_line, result.quarantine))
                first_line += result.lines
                kept_back |= result.kept_back
                tallies.setdefault(name, Tally()).add(result.tally)
                self.progress.advance(chunk.end - chunk.start)
        finally:
            if output is not None:
                output.close()
        return tallies, frozenset(kept_back)


def _timeline(policy: Policy, as_of: date) -> Work[Chunk, dict[str, Span]]:
    timeline = Timeline(policy, as_of)
    return lambda chunk: timeline.spans(chain.from_iterable(read_blocks(chunk)), chunk.file.resource_type)


def _engine(
    policy: Policy,
    pseudonyms: PseudonymPlan,
    axes: Axes,
    followed_until: date,
    gone: frozenset[str] = frozenset(),
) -> Work[Chunk, ChunkResult]:
    engine = Engine(policy, pseudonyms.open(), axes, followed_until, gone)
    return lambda chunk: engine.chunk(read_blocks(chunk), chunk.file.resource_type)


def _quarantined(name: str, first_line: int, lines: Iterable[tuple[int, Reason]]) -> Iterator[bytes]:
    for number, reason in lines:
        entry = {"file": name, "line": first_line + number, "reason": reason.value}
        yield json.dumps(entry, separators=(",", ":")).encode() + b"\n"


__all__ = ["QUARANTINE", "Run"]
