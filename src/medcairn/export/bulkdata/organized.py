"""Files that are organized by a resource type (``organizeOutputBy``) are sorted into files by type.

Such a file holds blocks: a header (a Parameters resource) and everything about one patient. The rest of
medcairn reads files by type, so each resource goes, byte for byte, into the file of its type; the headers,
which say nothing that the resources do not, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medcairn.core.errors import DataError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.export.bulkdata.lines import HEADER_TYPE
from medcairn.export.ndjson import blocks_of, lines_of, read_head
from medcairn.export.report import ExportedFile
from medcairn.export.resource_types import RESOURCE_TYPES
from medcairn.export.writers import TypeFiles


def sort_by_type(folder: Path, organized: Iterable[Label]) -> tuple[ExportedFile, ...]:
    """Write the resources of the files named ``organized`` into files by type in ``folder``; those files.

    Raises :class:`DataError` for a line that is no longer what it was when it was fetched.
    """
    files = TypeFiles(folder)
    try:
        with storage_errors():
            for name in organized:
                with (folder / name).open("rb") as stream:
                    for number, line in enumerate(lines_of(blocks_of(stream)), start=1):
                        if line.strip():
                            _sort(files, name, number, line)
        return files.close()
    finally:
        files.abandon()


def _sort(files: TypeFiles, name: Label, number: int, line: bytes) -> None:
    head = read_head(line)
    if head is None or head.resourceType not in RESOURCE_TYPES:
        raise DataError("A line of a fetched file is no resource", file=name, line=number)
    if head.resourceType != HEADER_TYPE:
        files.write(head.resourceType, line)


__all__ = ["sort_by_type"]
