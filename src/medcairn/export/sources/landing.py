"""Files in a landing folder: which of them are read, and in which order. A link never leads out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medcairn.core.errors import DataError, UsageError
from medcairn.export.outputs import QUARANTINE_FILE

_LINES: Final = (".ndjson", ".jsonl")
_DOCUMENT: Final = (".json",)
_COMPRESSED: Final = (".gz", ".zst", ".zstd")
_KINDS: Final = "Expected .ndjson, .jsonl or Bundle .json files, also with .gz or .zst"


@dataclass(frozen=True)
class LandedFile:
    """A file to read: where its bytes lie, and how it was called where it landed.

    ``name`` is relative to the folder or prefix, with ``/``; it decides how the bytes are read, and the
    quarantine list names it. ``shown`` is what an error points to.
    """

    path: Path
    name: str
    shown: Path

    @property
    def compressed(self) -> bool:
        """Whether the name promises gzip or zstd. Its content has the last word when it does not."""
        return self.name.lower().endswith(_COMPRESSED)

    @property
    def document(self) -> bool:
        """Whether the name promises one JSON document. Its content has the last word."""
        return _plain_name(self.name).endswith(_DOCUMENT)


def holds_fhir(name: str) -> bool:
    """Whether a file or object of this name is read. Hidden ones, also by a folder, are not."""
    plain = _plain_name(name)
    hidden = any(part.startswith((".", "_")) for part in plain.split("/"))
    return not hidden and plain.endswith(_LINES + _DOCUMENT) and plain.split("/")[-1] != QUARANTINE_FILE


def landed_files(folder: Path, *, nested: bool = False) -> tuple[list[LandedFile], int]:
    """The files of ``folder`` that can be read, sorted by name, and how many others lie there.

    ``nested`` reads sub-folders too, to any depth. Hidden files and folders are not looked at.

    Raises :class:`UsageError` when there is no such folder, or a link in it leads nowhere or out of it;
    :class:`DataError` when it holds no such file.
    """
    if not folder.is_dir():
        raise UsageError("There is no such folder", hint=_KINDS, folder=folder)
    root = folder.resolve()
    found: list[LandedFile] = []
    others = 0
    for path in _present(folder, root, nested):
        name = path.relative_to(folder).as_posix()
        if not holds_fhir(name):
            others += 1
            continue
        if path.is_symlink():
            refuse_leaving(path, root)
        found.append(LandedFile(path, name, path))
    if not found:
        raise DataError(
            "The folder holds no FHIR files",
            hint=_KINDS + (" in it" if nested else " directly in it, or ask for its sub-folders too"),
            folder=folder,
            other_files=others,
        )
    return sorted(found, key=lambda file: file.name), others


def refuse_leaving(path: Path, root: Path) -> None:
    """Raise :class:`UsageError` unless ``path``, all links followed, is a thing below ``root``.

    A landing folder may be filled by somebody else: a link in it must not bring in other files of this
    machine, and a link to nothing is data that is missing.
    """
    target: Path | None = None
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        target = None
    if target is None or not target.is_relative_to(root):
        raise UsageError(
            "A link leads nowhere or out of the folder; refused",
            hint="Put the file itself into the folder, or take the link out",
            file=path,
        )


def refuse_overlap(folder: Path, out_dir: Path, *, nested: bool) -> None:
    """Raise :class:`UsageError` when what is written to ``out_dir`` would be among what is read."""
    source, target = folder.resolve(), out_dir.resolve()
    if target == source or (nested and target.is_relative_to(source)):
        raise UsageError("The output folder lies in the folder that is read", folder=folder)


def _present(folder: Path, root: Path, nested: bool) -> Iterator[Path]:
    """Every regular file and link to look at; never through a link to a folder."""
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        inside = Path(parent)
        folders[:] = sorted(name for name in folders if nested and not name.startswith((".", "_")))
        for name in folders:
            if (inside / name).is_symlink():
                refuse_leaving(inside / name, root)
        for name in names:
            path = inside / name
            if not name.startswith(".") and (path.is_file() or path.is_symlink()):
                yield path


def _unreadable(failure: OSError) -> None:
    raise UsageError("A folder may not be read", hint="Check its permissions", folder=Path(failure.filename))


def _plain_name(name: str) -> str:
    lowered = name.lower()
    for suffix in _COMPRESSED:
        lowered = lowered.removesuffix(suffix)
    return lowered


__all__ = ["LandedFile", "holds_fhir", "landed_files", "refuse_leaving", "refuse_overlap"]
