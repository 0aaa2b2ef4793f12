"""The landed-files source: a folder of NDJSON and Bundle files that somebody else exported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec

from medcairn.core.errors import DataError
from medcairn.core.files import storage_errors
from medcairn.core.progress import Progress
from medcairn.export.ndjson import Fault, blocks_of, lines_of, parse_resource, read_head
from medcairn.export.outputs import clear_outputs
from medcairn.export.report import ExportReport, Located
from medcairn.export.sources.bundles import Unusable, resources_of
from medcairn.export.sources.landing import LandedFile, landed_files, opened
from medcairn.export.writers import Quarantine, TypeFiles


def export_files(folder: Path, out_dir: Path, *, progress: Progress) -> ExportReport:
    """Bring the FHIR files that landed in ``folder`` into ``out_dir``, grouped by resource type.

    Reads ``.ndjson``, ``.jsonl`` and ``.json`` (a Bundle, one resource, or NDJSON after all), each also
    with ``.gz``; files in sub-folders, hidden files and others are not read. The lines of NDJSON keep
    their bytes; the resources of a Bundle are written on one line each, see
    :mod:`medcairn.export.sources.bundles`. A line or entry that is no resource with type and id goes to
    ``quarantine.ndjson`` with file, line and reason.

    Raises :class:`UsageError` when there is no such folder, :class:`DataError` when nothing can be read
    from it, or when a file holds nothing but bad lines.
    """
    files, ignored = landed_files(folder)
    clear_outputs(out_dir)
    landing = _Landing(TypeFiles(out_dir), Quarantine(out_dir))
    progress.begin("Reading landed files", len(files), "files")
    try:
        with storage_errors():
            for file in files:
                landing.read(file)
                progress.advance(1)
        written = landing.types.close()
        landing.quarantine.close()
    finally:
        landing.types.abandon()
        landing.quarantine.abandon()
    if not written:
        raise DataError("The files hold no resources: they are empty", folder=folder, files=len(files))
    return ExportReport(
        source="files",
        files=written,
        quarantined=landing.quarantine.counts,
        first_quarantined=landing.first,
        files_read=len(files) - landing.no_fhir,
        files_ignored=ignored + landing.no_fhir,
    )


@dataclass
class _Landing:
    """The reading of one folder."""

    types: TypeFiles
    quarantine: Quarantine
    first: Located | None = None
    no_fhir: int = 0
    _good: int = 0
    _bad: Located | None = None

    def read(self, file: LandedFile) -> None:
        """Read one file. Raises :class:`DataError` when every line of it is bad."""
        self._good, self._bad = 0, None
        if file.document and not _is_ndjson(file.path):
            self._read_document(file.path)
        else:
            self._read_lines(file.path)
        if self._good == 0 and self._bad is not None:
            raise DataError(
                "A file holds nothing that can be used",
                hint="Repair it or take it out of the folder",
                file=file.path,
                line=self._bad.line,
                reason=self._bad.reason,
            )

    def _read_lines(self, path: Path) -> None:
        with opened(path) as stream:
            for number, line in enumerate(lines_of(blocks_of(stream)), start=1):
                if not line.strip():
                    continue
                head = parse_resource(line)
                if isinstance(head, Fault):
                    self._set_aside(path, number, head)
                else:
                    self._keep(str(head.resourceType), line)

    def _read_document(self, path: Path) -> None:
        with opened(path) as stream:
            document = stream.read().removeprefix(b"\xef\xbb\xbf")
        if not document.strip():
            return
        head = read_head(document)
        if head is None:
            self._set_aside(path, _broken_line(document), _fault(document))
        elif head.resourceType == "Bundle":
            self._read_bundle(path, document)
        elif head.resourceType is None:
            self.no_fhir += 1  # counts, manifests and settings lie beside data: JSON, and no FHIR
        else:
            self._read_resource(path, document)

    def _read_bundle(self, path: Path, document: bytes) -> None:
        for found in resources_of(document):
            if isinstance(found, Unusable):
                self._set_aside(path, found.entry, found.fault)
            else:
                self._keep(found.resource_type, found.line)

    def _read_resource(self, path: Path, document: bytes) -> None:
        head = parse_resource(document)
        if isinstance(head, Fault):
            self._set_aside(path, 1, head)
        else:
            self._keep(str(head.resourceType), msgspec.json.format(document, indent=-1))

    def _keep(self, resource_type: str, line: bytes) -> None:
        self._good += 1
        self.types.write(resource_type, line)

    def _set_aside(self, path: Path, line: int, reason: Fault) -> None:
        self.quarantine.add(path.name, line, reason)
        self._bad = self._bad or Located(path, line, reason)
        self.first = self.first or self._bad


def _is_ndjson(path: Path) -> bool:
    """Whether a ``.json`` file's first line is a whole resource, and no Bundle: then it is NDJSON."""
    with opened(path) as stream:
        head = read_head(stream.readline().strip())
    return head is not None and head.resourceType not in (None, "Bundle")


def _fault(document: bytes) -> Fault:
    head = parse_resource(document)
    return head if isinstance(head, Fault) else Fault.NOT_JSON


def _broken_line(document: bytes) -> int:
    """The 1-based line on which a document stops being JSON; 0 when that cannot be told."""
    try:
        json.loads(document)
    except json.JSONDecodeError as failure:
        return failure.lineno
    except (ValueError, RecursionError):
        return 0
    return 1


__all__ = ["export_files"]
