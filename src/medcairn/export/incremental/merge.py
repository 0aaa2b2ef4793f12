"""The last export and the changes, merged into the current data: streamed, file by file.

A file with no line that was replaced, deleted or dropped is taken over byte for byte. In any other file the
lines that still count are kept, in order, with their bytes. New lines follow in the last file of their type,
and in further ones when it is full. Memory holds one line at a time; the ids are in an index on disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcairn.core.files import storage_errors, sync_folder
from medcairn.core.progress import Progress
from medcairn.export.merging.files import FULL_BYTES, TypeSequence
from medcairn.export.merging.lines import patients_of, read_dated, targets_of
from medcairn.export.merging.newest import Newest
from medcairn.export.ndjson import blocks_of, lines_of
from medcairn.export.report import ExportedFile


@dataclass(frozen=True)
class Base:
    """The export that is built on: its folder and files, in order of type and then of number."""

    folder: Path
    files: Sequence[ExportedFile]

    def lines(self, file: ExportedFile) -> Iterator[bytes]:
        """The lines of one file that are not blank."""
        with storage_errors(), (self.folder / file.name).open("rb") as stream:
            yield from (line for line in lines_of(blocks_of(stream)) if line.strip())


@dataclass
class Merge:
    """One merge. ``removed`` counts lines of ``base`` that no longer count: replaced, deleted or dropped."""

    base: Base
    newest: Newest
    out_dir: Path
    progress: Progress
    full_bytes: int = FULL_BYTES
    replaced: int = 0
    deleted: int = 0

    def run(self) -> tuple[ExportedFile, ...]:
        """Write the merged files into ``out_dir``, which holds no file of theirs; the files by type.

        Raises :class:`StorageError` when the disk refuses.
        """
        old: dict[str, list[ExportedFile]] = defaultdict(list)
        for file in self.base.files:
            old[str(file.resource_type)].append(file)
        self.progress.begin("Merging", sum(file.lines for file in self.base.files), "resources")
        sequences = {
            resource_type: TypeSequence(self.out_dir, resource_type, self.full_bytes)
            for resource_type in sorted(old.keys() | self.newest.types)
        }
        try:
            for resource_type, sequence in sequences.items():
                self._take_old(sequence, old[resource_type], grows=resource_type in self.newest.types)
            for number in range(len(self.newest.files)):
                for resource_type, line in self.newest.winners(number):
                    sequences[resource_type].write(line)
            for sequence in sequences.values():
                sequence.end()
        finally:
            for sequence in sequences.values():
                sequence.abandon()
        with storage_errors():
            sync_folder(self.out_dir)
        return tuple(file for sequence in sequences.values() for file in sequence.finished)

    def _take_old(self, sequence: TypeSequence, files: Sequence[ExportedFile], *, grows: bool) -> None:
        for position, file in enumerate(files):
            last = position == len(files) - 1
            if (last and grows and file.size < self.full_bytes) or self._is_touched(file):
                sequence.end()
                self._rewrite(sequence, file)
            else:
                sequence.take_over(self.base.folder / file.name, file)
            self.progress.advance(file.lines)

    def _is_touched(self, file: ExportedFile) -> bool:
        return any(self._is_old(line) is not None for line in self.base.lines(file))

    def _rewrite(self, sequence: TypeSequence, file: ExportedFile) -> None:
        for line in self.base.lines(file):
            gone = self._is_old(line)
            if gone is None:
                sequence.write(line)
            elif gone:
                self.deleted += 1
            else:
                self.replaced += 1

    def _is_old(self, line: bytes) -> bool | None:
        """None for a line that still counts, True for one whose resource is gone, False for a replaced one.

        A line without id (some servers send such) cannot be told from any other, and stays.
        """
        dated = read_dated(line)
        return self.newest.fate(dated.key) if dated is not None else None


def forget_patients(base: Base, newest: Newest, patients: frozenset[str]) -> int:
    """Forget every resource of ``base`` that is about ``patients`` and about nobody else; how many.

    A resource that was added stays: it came from the server just now. A Provenance goes with the last of
    the resources that it is about.
    """
    if not patients:
        return 0
    before = newest.gone
    provenances = [file for file in base.files if file.resource_type == "Provenance"]
    for file in base.files:
        newest.forget(_keys_about(base.lines(file), patients))
    for file in provenances:
        newest.forget(_keys_of_orphans(base.lines(file), newest))
    return newest.gone - before


def _keys_about(lines: Iterator[bytes], patients: frozenset[str]) -> Iterator[bytes]:
    for line in lines:
        owners = patients_of(line)
        dated = read_dated(line)
        if owners and owners <= patients and dated is not None:
            yield dated.key


def _keys_of_orphans(lines: Iterator[bytes], newest: Newest) -> Iterator[bytes]:
    for line in lines:
        targets = targets_of(line)
        dated = read_dated(line)
        if targets and dated is not None and all(newest.fate(key) for key in targets):
            yield dated.key


__all__ = ["Base", "Merge", "forget_patients"]
