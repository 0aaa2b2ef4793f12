"""The log of a Delta table: whether its entries are whole, and what of the protocol the table asks for."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medcairn.core.errors import DataError, IntegrityError, MedcairnError

if TYPE_CHECKING:
    from deltalake import DeltaTable

LOG: Final = "_delta_log"

_ENTRY = re.compile(r"(\d{20})\.json\Z")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint[.0-9A-Za-z-]*\.(parquet|json)\Z")
_NEWEST_READER: Final = 3
_NEWEST_WRITER: Final = 2
_READ: Final = frozenset({"timestampNtz", "vacuumProtocolCheck"})
"""Features of readers that change nothing for us: times without a zone, and a rule for who vacuums."""
_WRITTEN: Final = _READ | {"appendOnly", "invariants"}
"""Features of writers that we honour. Invariants: only those that a column is not null."""


def check_entries(table_dir: Path) -> int:
    """The number of the newest version, when every entry since the newest checkpoint is there.

    Raises :class:`IntegrityError` with the path of an entry that is missing or begins with no action.
    """
    log = table_dir / LOG
    names = [path.name for path in log.iterdir()]
    entries = sorted(int(match[1]) for name in names if (match := _ENTRY.match(name)))
    checkpoints = [int(match[1]) for name in names if (match := _CHECKPOINT.match(name))]
    newest = max([*entries, *checkpoints], default=None)
    if newest is None:
        raise IntegrityError("The log of a Delta table is empty", folder=table_dir)
    first = max(checkpoints) + 1 if checkpoints else 0
    present = set(entries)
    for number in range(first, newest + 1):
        file = log / f"{number:020d}.json"
        if number not in present:
            raise IntegrityError("An entry of a Delta table's log is missing", file=file)
        if _first_byte(file) != b"{":
            raise IntegrityError(
                "An entry of a Delta table's log is empty or holds something else", file=file
            )
    return newest


def _first_byte(file: Path) -> bytes:
    with contextlib.suppress(OSError), file.open("rb") as stream:
        return stream.read(1)
    return b""


def fault_in(table_dir: Path) -> MedcairnError:
    """Why a log whose entries are there cannot be read: an entry that is no JSON, or what it asks for."""
    features = 0
    for entry in sorted(path for path in (table_dir / LOG).iterdir() if _ENTRY.match(path.name)):
        try:
            for action in _actions(entry):
                features = _asked(action, features)
        except (ValueError, AttributeError, TypeError):
            return IntegrityError("An entry of a Delta table's log cannot be read", file=entry)
    if features:
        return _refused(table_dir, features)
    return IntegrityError(
        "The log of a Delta table cannot be read",
        hint="A checkpoint may be damaged, or older versions were cleaned up",
        folder=table_dir,
    )


def entry_actions(table_dir: Path, version: int) -> list[dict[str, dict[str, Any]]] | None:
    """The actions of one version; None when its entry is no longer there.

    Raises :class:`IntegrityError` when it cannot be read.
    """
    entry = table_dir / LOG / f"{version:020d}.json"
    if not entry.is_file():
        return None
    try:
        return list(_actions(entry))
    except (ValueError, AttributeError, TypeError):
        pass
    raise IntegrityError("An entry of a Delta table's log cannot be read", file=entry)


def rows_in(add: Mapping[str, Any]) -> int:
    """The rows of the file that an ``add`` action adds; 0 where it does not say."""
    try:
        return int(json.loads(add.get("stats") or "{}").get("numRecords", 0))
    except (ValueError, AttributeError, TypeError):
        return 0


def check_protocol(table: DeltaTable, table_dir: Path) -> None:
    """Raise :class:`DataError` when reading the table asks for more than its Parquet files."""
    protocol = table.protocol()
    features = len(set(protocol.reader_features or []) - _READ)
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    features += (mapping != "none") + (protocol.min_reader_version > _NEWEST_READER)
    if features or _has_deletion_vectors(table):
        raise _refused(table_dir, max(features, 1))


def _has_deletion_vectors(table: DeltaTable) -> bool:
    """Whether rows of an active file are marked as deleted, although the protocol does not announce it."""
    from deltalake.exceptions import DeltaError

    try:
        return bool(table.deletion_vectors().read_all().num_rows)
    except (DeltaError, OSError, ValueError):
        # A vector that cannot be read is one too. The library gives none at all with this feature.
        return "vacuumProtocolCheck" not in (table.protocol().reader_features or [])


def check_writable(table: DeltaTable, table_dir: Path) -> None:
    """Raise :class:`DataError` when adding files asks for more than the files and their statistics."""
    protocol = table.protocol()
    named = protocol.writer_features
    features = len(set(named or []) - _WRITTEN)
    if named is None and protocol.min_writer_version > _NEWEST_WRITER:
        features += 1
    if features:
        raise DataError(
            "A Delta table asks its writers for a feature that cannot be honoured",
            hint="Constraints, generated columns, change data and row tracking are such",
            folder=table_dir,
            features=features,
        )


def _actions(entry: Path) -> Iterator[dict[str, dict[str, Any]]]:
    for line in entry.read_bytes().splitlines():
        if line.strip():
            yield json.loads(line)


def _asked(action: Mapping[str, Any], features: int) -> int:
    """How many features that cannot be honoured the table asks for, after this action."""
    protocol = action.get("protocol")
    if isinstance(protocol, dict):
        newer = int(protocol.get("minReaderVersion", 1)) > _NEWEST_READER
        features = len(set(protocol.get("readerFeatures") or []) - _READ) + newer
    metadata = action.get("metaData")
    if isinstance(metadata, dict):
        mode = (metadata.get("configuration") or {}).get("delta.columnMapping.mode", "none")
        features += mode != "none"
    return features


def _refused(table_dir: Path, features: int) -> DataError:
    return DataError(
        "A Delta table uses a protocol feature that cannot be honoured",
        hint="Rewrite it without deletion vectors, column mapping and newer features",
        folder=table_dir,
        features=features,
    )


__all__ = ["LOG", "check_entries", "check_protocol", "check_writable", "entry_actions", "fault_in", "rows_in"]
