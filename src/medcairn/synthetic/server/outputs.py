"""The files of an export: made in the background, from a snapshot, for what was wanted.

A type of which everything is wanted goes out as ranges of the stored files. Of any other, the lines that are
wanted are copied to temporary files, which go with the job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.synthetic.server.answers import outcome
from medcairn.synthetic.server.changes import Deletion, Snapshot
from medcairn.synthetic.server.contents import GENERATED_LINE_BYTES, Content, FileRange, Generated
from medcairn.synthetic.server.faults import Faults
from medcairn.synthetic.server.patients import blocks_by_patient
from medcairn.synthetic.server.selecting import Selection, wants_provenances
from medcairn.synthetic.server.wanted import Wanted

_CHECK_EVERY_LINES: Final = 2_000
_DELETIONS_PER_BUNDLE: Final = 2
_FAILURES_PER_TYPE: Final = 2


@dataclass(frozen=True)
class OutputFile:
    """A file served under ``name``. ``count`` is what the manifest says; no type in files by patient."""

    resource_type: str
    name: str
    content: Content
    count: int
    continues_in: str = ""


@dataclass
class Outputs:
    """What has been made of an export so far."""

    files: list[OutputFile] = field(default_factory=list)
    errors: list[OutputFile] = field(default_factory=list)
    deleted: list[OutputFile] = field(default_factory=list)
    steps_done: int = 0
    steps_total: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    def by_name(self) -> dict[str, OutputFile]:
        """All files by the name in their address."""
        return {item.name: item for item in (*self.files, *self.errors, *self.deleted)}


class Filler:
    """Makes the files of one export in ``folder``. Raises ``OSError`` when a file cannot be read."""

    def __init__(
        self, wanted: Wanted, snapshot: Snapshot, folder: Path, *, faults: Faults, lines_per_file: int
    ) -> None:
        self._wanted, self._snapshot, self._folder, self._faults = wanted, snapshot, folder, faults
        self._lines_per_file = faults.lines_per_file or lines_per_file
        self._selection = Selection(wanted, snapshot)

    def fill(self, outputs: Outputs) -> None:
        """Make everything, or stop early when cancelled."""
        if self._faults.tiny_files or self._faults.large_file:
            outputs.files.extend(self._generated())
            return
        chosen = [name for name in self._snapshot.types() if self._wanted.wants(name)]
        chosen = [name for name in chosen if name not in self._faults.partial_failure]
        outputs.steps_total = len(chosen)
        if self._wanted.by_patient:
            outputs.files.extend(self._by_patient(chosen, outputs))
        else:
            for resource_type in chosen:
                outputs.files.extend(self._of_type(resource_type, outputs))
                outputs.steps_done += 1
            outputs.files.extend(self._provenances())
        outputs.deleted.extend(self._deletions())
        outputs.errors.extend(self._failures())

    def _of_type(self, resource_type: str, outputs: Outputs) -> Iterator[OutputFile]:
        if resource_type == "Provenance" and wants_provenances(self._wanted):
            return iter(())
        whole = self._wanted.takes_all(resource_type) and resource_type not in self._snapshot.changed
        if whole and not self._wanted.provenances:
            return self._ranges(resource_type, outputs)
        return self._copies(resource_type, self._kept(resource_type, outputs))

    def _ranges(self, resource_type: str, outputs: Outputs) -> Iterator[OutputFile]:
        """Stored files cut after every so many lines."""
        number = 0
        for path in self._snapshot.data.files[resource_type]:
            start = position = count = 0
            with path.open("rb", buffering=1 << 20) as stream:
                for line in stream:
                    position += len(line)
                    count += not line.isspace()
                    if count == self._lines_per_file:
                        content = FileRange(path, start, position)
                        yield OutputFile(resource_type, _name(resource_type, number), content, count)
                        start, count, number = position, 0, number + 1
                    if not count % _CHECK_EVERY_LINES and outputs.cancelled.is_set():
                        return
            if count:
                content = FileRange(path, start, position)
                yield OutputFile(resource_type, _name(resource_type, number), content, count)
                number += 1

    def _kept(self, resource_type: str, outputs: Outputs) -> Iterator[bytes]:
        for number, line in enumerate(self._snapshot.lines(resource_type)):
            if not number % _CHECK_EVERY_LINES and outputs.cancelled.is_set():
                return
            kept = self._selection.keep(resource_type, line)
            if kept is not None:
                yield kept

    def _copies(
        self, resource_type: str, lines: Iterator[bytes], *, listed_as: str | None = None
    ) -> Iterator[OutputFile]:
        """The lines in temporary files of at most so many."""
        shelf = _Shelf(self._folder, resource_type, self._lines_per_file)
        listed = resource_type if listed_as is None else listed_as
        for path, size, count in shelf.fill(lines):
            yield OutputFile(listed, path.name, FileRange(path, 0, size), count)

    def _provenances(self) -> Iterator[OutputFile]:
        if wants_provenances(self._wanted) and "Provenance" in self._snapshot.types():
            kept = self._selection.provenances(list(self._snapshot.lines("Provenance")))
            yield from self._copies("Provenance", iter(kept))

    def _by_patient(self, chosen: list[str], outputs: Outputs) -> Iterator[OutputFile]:
        def kept(resource_type: str) -> Iterator[tuple[str, bytes]]:
            for line in self._kept(resource_type, outputs):
                patient = self._selection.patient(resource_type, line)
                if patient is not None:
                    yield patient, line

        split = blocks_by_patient(chosen, kept, self._folder, self._lines_per_file)
        for path, size, count, continues in split:
            content = FileRange(path, 0, size)
            yield OutputFile("", path.name, content, count, continues)

    def _generated(self) -> Iterator[OutputFile]:
        for number in range(self._faults.tiny_files):
            yield OutputFile("Observation", _name("Observation", number), Generated(number, 1), 1)
        if self._faults.large_file:
            first = self._faults.tiny_files
            count = max(1, self._faults.large_file // GENERATED_LINE_BYTES)
            name = _name("Observation", first)
            yield OutputFile("Observation", name, Generated(first, count), count)

    def _deletions(self) -> Iterator[OutputFile]:
        """Deleted resources as transaction Bundles; only an export since some instant tells them."""
        since, until = self._wanted.since, self._wanted.until
        if since is None:
            return
        gone = [
            item
            for item in self._snapshot.deletions
            if item.at > since and (until is None or item.at < until) and self._concerns(item)
        ]
        lines = (
            _bundle(gone[start : start + _DELETIONS_PER_BUNDLE])
            for start in range(0, len(gone), _DELETIONS_PER_BUNDLE)
        )
        yield from self._copies("Bundle", lines)

    def _concerns(self, item: Deletion) -> bool:
        return self._wanted.wants(item.resource_type) and self._selection.in_compartment(
            item.resource_type, item.patient
        )

    def _failures(self) -> Iterator[OutputFile]:
        """OperationOutcomes. The count of a partial failure's file is wrong, as on servers that do this."""
        told = [_line(outcome("not-supported", "A parameter was ignored", severity="warning"))] * len(
            self._wanted.ignored
        )
        if self._selection.unreadable:
            told.append(_line(outcome("structure", "Some stored lines cannot be read and were left out")))
        yield from self._copies("OperationOutcome", iter(told))
        for resource_type in sorted(self._faults.partial_failure):
            if self._wanted.wants(resource_type):
                text = f"Export of {resource_type} failed"
                path = self._folder / f"OperationOutcome.{resource_type}.ndjson"
                size = path.write_bytes(_line(outcome("exception", text)) * _FAILURES_PER_TYPE)
                yield OutputFile("OperationOutcome", path.name, FileRange(path, 0, size), 1_000)


class _Shelf:
    """Temporary files ``<Type>.<NNN>.ndjson`` of at most ``most`` lines."""

    def __init__(self, folder: Path, resource_type: str, most: int) -> None:
        self._path_of: Callable[[int], Path] = lambda number: folder / _name(resource_type, number)
        self._most = most

    def fill(self, lines: Iterator[bytes]) -> Iterator[tuple[Path, int, int]]:
        """Path, bytes and lines of each file once it is written."""
        number = count = size = 0
        stream: BinaryIO | None = None
        try:
            for line in lines:
                if stream is None:
                    stream = self._path_of(number).open("wb")
                stream.write(line)
                size, count = size + len(line), count + 1
                if count == self._most:
                    stream.close()
                    yield self._path_of(number), size, count
                    stream, number, count, size = None, number + 1, 0, 0
        finally:
            if stream is not None:
                stream.close()
        if count:
            yield self._path_of(number), size, count


def _bundle(gone: list[Deletion]) -> bytes:
    entries: list[JSON] = [
        {"request": {"method": "DELETE", "url": f"{item.resource_type}/{item.id}"}} for item in gone
    ]
    changed = instant(max(item.at for item in gone))
    return _line(
        {"resourceType": "Bundle", "meta": {"lastUpdated": changed}, "type": "transaction", "entry": entries}
    )


def _line(value: dict[str, JSON]) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _name(resource_type: str, number: int) -> str:
    return f"{resource_type}.{number:03}.ndjson"


__all__ = ["Filler", "OutputFile", "Outputs"]
