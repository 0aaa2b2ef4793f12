"""Files that are whole or absent: write beside, flush to disk, rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.errors import MedcairnError, StorageError, raise_alone


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``data`` so that ``path`` is either as before or complete, also after a crash.

    ``private`` gives the file mode 0600 from its first byte.

    Raises :class:`StorageError` when the disk is full or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        sync_folder(path.parent)


def write_json(path: Path, value: JSON) -> None:
    """Write ``value`` as canonical JSON, whole or not at all."""
    write_file(path, canonical_json(value) + b"\n")


def replace_folder(staging: Path, final: Path) -> None:
    """Give the finished folder ``staging`` its final name, in place of what had that name.

    A crash between the two renames leaves nothing under the final name, never half of something.
    """
    with storage_errors():
        retired = final.with_name(final.name + ".retired")
        shutil.rmtree(retired, ignore_errors=True)
        if final.exists():
            final.rename(retired)
        staging.rename(final)
        sync_folder(final.parent)
        shutil.rmtree(retired, ignore_errors=True)


def link_files(source: Path, target: Path) -> None:
    """Give every file below ``source`` a second name at the same place below ``target``.

    A file system without hard links gets copies. Who changes such a file must replace it.
    """
    with storage_errors():
        for path in sorted(source.rglob("*")):
            place = target / path.relative_to(source)
            if path.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError as failure:
                if failure.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                    raise
                shutil.copy2(path, place)


def private_folder(path: Path) -> Path:
    """Make ``path`` (and its parents) if absent, with mode 0700, and return it."""
    with storage_errors():
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
    return path


def sync_folder(path: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate the operating system's refusals to write into :class:`StorageError`."""
    error: MedcairnError | None = None
    try:
        yield
    except OSError as failure:
        error = storage_error(failure)
        if error is None:
            raise
    if error is not None:
        raise_alone(error)


def storage_error(failure: OSError) -> StorageError | None:
    """Ours for a full disk, a quota, or a place that cannot be written; None for anything else."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "The disk is full", hint="Free some space and run the same command again; it resumes"
        )
    if failure.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError("A file cannot be written here", hint="Check the folder's owner and permissions")
    return None


__all__ = [
    "link_files",
    "private_folder",
    "replace_folder",
    "storage_error",
    "storage_errors",
    "sync_folder",
    "write_file",
    "write_json",
]
