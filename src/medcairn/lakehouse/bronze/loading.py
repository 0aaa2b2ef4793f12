"""The second half of a load: table after table compared, its news written by workers, and committed."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from medcairn.core.delta import check_parquet, is_delta
from medcairn.core.delta_log import LOG
from medcairn.core.digests import Digest
from medcairn.core.errors import DataError, ExternalError, raise_alone
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.lakehouse.bronze.arrays import values_of
from medcairn.lakehouse.bronze.compare import COMPARED, Comparison, Difference, batches
from medcairn.lakehouse.bronze.deletions import Deletions
from medcairn.lakehouse.bronze.identity import CONTENT, known_digest, table_digest
from medcairn.lakehouse.bronze.rows import bronze_files, bronze_load
from medcairn.lakehouse.bronze.schema import CONFIGURATION, PARTITION, TABLE_SCHEMA
from medcairn.lakehouse.bronze.survey import Surveyed, heads_file
from medcairn.lakehouse.bronze.write import FilePlan, Int32s, Pick, load_file, planned, write_tombstones
from medcairn.lakehouse.commit import commit_files
from medcairn.lakehouse.quarantine import Quarantine, Reason

_LOAD_FILE = re.compile(r"load-(\d{5,})-\d{5,}\.parquet\Z")


@dataclass
class TableLoad:
    """One type's table in a load. It is committed when every file of its plan is written."""

    table: Path
    folder: Path
    load: int
    known: Sequence[Path]
    difference: Difference
    files: list[Path] = field(default_factory=list)
    written: int = 0
    planned: bool = False
    digest: Digest | None = None

    @property
    def due(self) -> bool:
        """Whether it can be committed now."""
        return self.planned and self.written == len(self.files) and self.digest is None


@dataclass
class Loading:
    """All tables of a load. Draw :meth:`plans`, tell :meth:`wrote` of each in order, then :meth:`finish`;
    :meth:`abandon` in any case."""

    bronze_dir: Path
    scratch: Path
    ingested_at: datetime
    deletions: Deletions
    quarantine: Quarantine
    tables: dict[str, TableLoad] = field(default_factory=dict)
    _under_way: deque[TableLoad] = field(default_factory=deque)

    def plans(
        self,
        resource_types: Sequence[str],
        surveyed: Mapping[str, Sequence[Surveyed]],
        comparison: Comparison,
    ) -> Iterator[FilePlan]:
        """The data files to write. Tables are compared while files of earlier ones are being written."""
        folder = f"{PARTITION}={self.ingested_at.astimezone(UTC).date().isoformat()}"
        for name in resource_types:
            segments = {one.segment.number: one for one in surveyed.get(name, ()) if one.resources}
            table = self.tables[name] = self._compared(name, folder, segments, comparison)
            for plan in planned(table.folder, table.load, _picks(table.difference.news, segments)):
                table.files.append(plan.file)
                self._under_way.append(table)
                yield plan
            table.planned = True

    def wrote(self) -> None:
        """The next file in order is written."""
        self._under_way.popleft().written += 1
        self._commit_due()

    def finish(self) -> None:
        """Commit what is left: tables with nothing but deletions, and those without news."""
        self._commit_due()

    def abandon(self) -> None:
        """Take away the files of tables that were not committed."""
        for table in self.tables.values():
            if table.digest is None:
                forget_unfinished(table.table)

    def _compared(
        self, name: str, folder: str, segments: Mapping[int, Surveyed], comparison: Comparison
    ) -> TableLoad:
        table = self.bronze_dir / name
        newest = forget_unfinished(table)
        known = bronze_files(self.bronze_dir, name)
        scratch = self.scratch / Label(name)
        with storage_errors():
            scratch.mkdir()
        with _damage_named(known):
            heads = [heads_file(self.scratch, number) for number in segments]
            difference = comparison.run(heads, known, self.deletions.table(name), scratch)
        for batch in batches(difference.superseded):
            for segment, line in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                one = segments[segment]
                place = (one.segment.file.name, one.first_line + line)
                self.quarantine.add("bronze", Reason.SUPERSEDED, name, *place)
        return TableLoad(table, table / folder, newest + 1, known, difference)

    def _commit_due(self) -> None:
        for table in self.tables.values():
            if table.due:
                self._commit(table)

    def _commit(self, table: TableLoad) -> None:
        if table.difference.empty:
            table.digest = known_digest(table.table) if is_delta(table.table) else None
            if table.digest is None:
                table.digest = table_digest(table.known, self.scratch)
            return
        files = list(table.files)
        if table.difference.deleted:
            files.append(table.folder / load_file(table.load, len(files)))
            write_tombstones(files[-1], batches(table.difference.gone), table.load, self.ingested_at)
        digest = table_digest([*table.known, *files], self.scratch)
        commit_files(
            table.table,
            TABLE_SCHEMA,
            add=files,
            partition_by=[PARTITION],
            configuration=CONFIGURATION,
            metadata={CONTENT: digest},
        )
        table.digest = digest


@contextmanager
def _damage_named(files: Sequence[Path]) -> Iterator[None]:
    """Where the engine failed because one of ``files`` is damaged, say which."""
    failed: DataError | ExternalError | None = None
    try:
        yield
    except (DataError, ExternalError) as error:
        failed = error
    if failed is not None:
        for file in files:
            check_parquet(file, columns=COMPARED)
        raise_alone(failed)


def _picks(news: Path, segments: Mapping[int, Surveyed]) -> Iterator[tuple[Pick, int]]:
    """What is loaded of each segment, and about how many bytes of JSON that is."""
    for number, lines, life, sequence in by_segment(news):
        one = segments[number]
        size = one.resource_bytes * len(lines) // one.resources
        yield Pick(one.segment, one.first_line, lines, life, sequence), size


def by_segment(news: Path) -> Iterator[tuple[int, Int32s, Int32s, Int32s]]:
    """(segment, lines, life, sequence) for each segment of a file of news, which is in order of segments."""
    held: list[list[Int32s]] = []
    present = -1
    for batch in batches(news):
        segments, *columns = (values_of(batch.column(name), np.int32) for name in _NEWS)
        starts = np.flatnonzero(np.diff(segments, prepend=segments[:1] - 1))
        for begin, end in zip(starts, [*starts[1:], len(segments)], strict=True):
            if held and segments[begin] != present:
                yield (present, *_joined(held))
                held = []
            present = int(segments[begin])
            held.append([column[begin:end] for column in columns])
    if held:
        yield (present, *_joined(held))


def _joined(parts: list[list[Int32s]]) -> tuple[Int32s, Int32s, Int32s]:
    lines, life, sequence = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return lines, life, sequence


_NEWS = ("segment", "line", "life", "sequence")


def forget_unfinished(table: Path) -> int:
    """Take away what a load that did not end left in a table's folder: files and a log without an entry.

    Gives the number of the newest load that did.
    """
    if not table.is_dir():
        return 0
    with storage_errors():
        log = table / LOG
        if log.is_dir() and not any(path.suffix == ".json" for path in log.iterdir()):
            shutil.rmtree(log)
        newest = bronze_load(table.parent, table.name)
        for file in table.glob(f"{PARTITION}=*/load-*.parquet"):
            match = _LOAD_FILE.match(file.name)
            if match and int(match[1]) > newest:
                file.unlink()
        for folder in [*table.glob(f"{PARTITION}=*"), table]:
            with suppress(OSError):  # it holds something
                folder.rmdir()
    return newest


__all__ = ["Loading", "TableLoad", "by_segment", "forget_unfinished"]
