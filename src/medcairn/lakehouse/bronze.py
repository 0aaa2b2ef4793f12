"""Bronze: every resource whole, in one Delta table per type, with where it came from.

Columns: ``id``, ``version_id``, ``last_updated`` (the resource's ``meta``), ``resource`` (its JSON text as
it came), ``content_hash`` (SHA-256 of that text), ``source_file``, ``source_line`` (from 1).
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.lakehouse.commit import commit_table, part_name
from medcairn.lakehouse.header import Header
from medcairn.lakehouse.quarantine import Quarantine, Reason

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("version_id", pa.string()),
        pa.field("last_updated", pa.string()),
        pa.field("resource", pa.string(), nullable=False),
        pa.field("content_hash", pa.binary(), nullable=False),
        pa.field("source_file", pa.string(), nullable=False),
        pa.field("source_line", pa.int32(), nullable=False),
    ]
)
_FILE = re.compile(r"[A-Z][A-Za-z]{1,63}(\.[A-Za-z0-9_-]+)*\.ndjson(\.gz)?\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_BATCH_BYTES = 8 << 20
_FILE_BYTES = 512 << 20
"""JSON bytes in one data file, before compression. Fixed, so that the same rows fill the same files."""


@dataclass(frozen=True)
class BronzeReport:
    """What was loaded: rows by resource type, and quarantined lines by reason."""

    rows: Mapping[str, int]
    quarantined: Mapping[str, int]
    source_files: int
    source_bytes: int

    def facts(self) -> dict[str, JSON]:
        """Aggregate numbers for the manifest and the ledger."""
        return {
            "rows": dict(self.rows),
            "quarantined": dict(self.quarantined),
            "source_files": self.source_files,
            "source_bytes": self.source_bytes,
        }


def source_files(folder: Path) -> list[Path]:
    """The resource files in ``folder``: ``<Type>….ndjson`` or ``.ndjson.gz``, sorted by name."""
    if not folder.is_dir():
        raise UsageError("There is no such folder", folder=folder)
    return sorted(path for path in folder.iterdir() if _FILE.match(path.name) and path.is_file())


def build_bronze(deid_dir: Path, out_dir: Path, *, progress: Progress | None = None) -> BronzeReport:
    """Load every line of every resource file in ``deid_dir`` into Delta tables in ``out_dir``.

    A line that is no resource goes to ``quarantine.parquet`` with its file, line and reason. The same
    input gives the same data files, byte for byte.

    Raises :class:`DataError` when the folder holds no resource at all, or a file is cut short.
    """
    shown = progress or NoProgress()
    files = source_files(deid_dir)
    if not files:
        raise DataError(
            "This folder holds no resource files",
            hint="Files are named <ResourceType>….ndjson or .ndjson.gz",
            folder=deid_dir,
        )
    shown.begin("bronze: loading resources", None, "resources")
    quarantine = Quarantine()
    read = 0
    with ExitStack() as stack, storage_errors():
        tables = _Tables(out_dir, stack)
        for file in files:
            read += _load_file(file, tables, quarantine, shown)
        rows = tables.commit()
    if not rows and not quarantine.counts():
        raise DataError("The resource files hold no resource", folder=deid_dir, files=len(files))
    quarantine.write(out_dir / "quarantine.parquet")
    return BronzeReport(rows, quarantine.counts(), len(files), read)


def _load_file(file: Path, tables: _Tables, quarantine: Quarantine, progress: Progress) -> int:
    decode = msgspec.json.Decoder(Header).decode
    read, done = 0, 0
    for number, line in enumerate(_lines(file), start=1):
        read += len(line)
        line = line.rstrip(b"\r\n")
        if not line:
            continue
        header: Header | None = None
        try:
            header = decode(line)
            text = line.decode()
        except msgspec.ValidationError:
            pass
        except (msgspec.DecodeError, UnicodeDecodeError):
            quarantine.add("bronze", Reason.NOT_JSON, "", file.name, number)
            continue
        problem = _problem(header)
        if header is None or problem is not None:
            quarantine.add("bronze", problem or Reason.NO_RESOURCE_TYPE, "", file.name, number)
            continue
        tables.add(header, line, text, file.name, number)
        done += 1
        if done % 10_000 == 0:
            progress.advance(10_000)
    progress.advance(done % 10_000)
    return read


def _problem(header: Header | None) -> Reason | None:
    if header is None or not header.resourceType or not _TYPE.match(header.resourceType):
        return Reason.NO_RESOURCE_TYPE
    return None if header.id else Reason.NO_ID


def _lines(file: Path) -> Iterator[bytes]:
    """The lines of a plain or packed file."""
    broken = False
    with open_resources(file) as stream:
        try:
            yield from stream
        except (gzip.BadGzipFile, EOFError, zlib.error):
            broken = True
    if broken:
        raise DataError("A packed file is damaged or cut short", file=file)


def open_resources(file: Path) -> IO[bytes]:
    """The bytes of a plain or packed resource file."""
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")


@dataclass
class _Batch:
    ids: list[str] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    updated: list[str | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    size: int = 0

    def arrow(self) -> pa.RecordBatch:
        columns = (self.ids, self.versions, self.updated, self.texts, self.hashes, self.files, self.lines)
        arrays = [pa.array(v, f.type) for v, f in zip(columns, SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


class _Table:
    """One type's data files, written in the order in which resources come."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._writer: pq.ParquetWriter | None = None
        self._written = 0
        self.files: list[Path] = []
        self.rows = 0
        self.batch = _Batch()
        folder.mkdir(parents=True)

    def flush(self) -> None:
        if not self.batch.ids:
            return
        if self._writer is None or self._written >= _FILE_BYTES:
            self.close()
            self.files.append(self._folder / part_name(len(self.files)))
            # The stack closes what an error leaves open; closing twice does nothing.
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(self.files[-1], SCHEMA, compression="zstd", compression_level=1)
            )
            self._written = 0
        self._writer.write_batch(self.batch.arrow())
        self._written += self.batch.size
        self.rows += len(self.batch.ids)
        self.batch = _Batch()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Tables:
    def __init__(self, out_dir: Path, stack: ExitStack) -> None:
        self._out_dir, self._stack = out_dir, stack
        self._tables: dict[str, _Table] = {}

    def add(self, header: Header, line: bytes, text: str, file: str, number: int) -> None:
        name = str(header.resourceType)
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = _Table(self._out_dir / Label(name), self._stack)
        batch, meta = table.batch, header.meta
        batch.ids.append(str(header.id))
        batch.versions.append(meta.versionId if meta else None)
        batch.updated.append(meta.lastUpdated if meta else None)
        batch.texts.append(text)
        batch.hashes.append(hashlib.sha256(line).digest())
        batch.files.append(file)
        batch.lines.append(number)
        batch.size += len(line)
        if batch.size >= _BATCH_BYTES:
            table.flush()

    def commit(self) -> dict[str, int]:
        """Close every table, commit it, and give the rows by type."""
        for name in sorted(self._tables):
            table = self._tables[name]
            with storage_errors():
                table.flush()
                table.close()
            commit_table(self._out_dir / name, SCHEMA, table.files)
        return {name: self._tables[name].rows for name in sorted(self._tables)}


__all__ = ["SCHEMA", "BronzeReport", "build_bronze", "open_resources", "source_files"]
