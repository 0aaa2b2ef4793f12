"""The landed-files source: a folder of NDJSON and Bundle files that somebody else exported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from medcairn.core.errors import DataError
from medcairn.core.files import storage_errors
from medcairn.core.progress import Progress
from medcairn.export.ndjson import Fault, Head, blocks_of, lines_of, parse_resource, read_head
from medcairn.export.outputs import clear_outputs
from medcairn.export.report import Located
from medcairn.export.sources.archives import ArchiveLimits, opened
from medcairn.export.sources.bundle_members import MalformedBundle, Members, streamed_members
from medcairn.export.sources.bundles import Found, NotABundle, Passed, Unusable, resources_of, unbundled
from medcairn.export.sources.identities import Identities
from medcairn.export.sources.landed_report import LandedReport
from medcairn.export.sources.landing import LandedFile, landed_files, refuse_overlap
from medcairn.export.writers import Quarantine, TypeFiles

IN_MEMORY_BYTES: Final = 32 << 20
"""A JSON document up to this size is read at once, a longer one as it goes."""

_BOM: Final = b"\xef\xbb\xbf"


def export_files(
    folder: Path,
    out_dir: Path,
    *,
    progress: Progress,
    nested: bool = False,
    limits: ArchiveLimits | None = None,
) -> LandedReport:
    """Bring the FHIR files that landed in ``folder`` into ``out_dir``, grouped by resource type.

    Reads ``.ndjson``, ``.jsonl`` and ``.json`` (a Bundle, one resource, or NDJSON after all), each also
    with ``.gz`` or ``.zst``; files in sub-folders only when ``nested``, hidden files and others not. The
    lines of NDJSON keep their bytes, but for a carriage return at the end; the resources of a Bundle are
    written on one line each, see :mod:`medcairn.export.sources.bundles`. A line or entry that is no
    resource with type and id goes to ``quarantine.ndjson`` with file, line and reason.

    Raises :class:`UsageError` when there is no such folder, or a link in it leads out of it;
    :class:`DataError` when nothing can be read from it, when a file holds nothing but bad lines, or when
    it cannot be decompressed within ``limits``.
    """
    files, ignored = landed_files(folder, nested=nested)
    refuse_overlap(folder, out_dir, nested=nested)
    return land(files, out_dir, progress=progress, limits=limits or ArchiveLimits(), ignored=ignored)


def land(
    files: Sequence[LandedFile], out_dir: Path, *, progress: Progress, limits: ArchiveLimits, ignored: int
) -> LandedReport:
    """Bring ``files`` into ``out_dir`` in their order; raises as :func:`export_files`."""
    clear_outputs(out_dir)
    landing = _Landing(TypeFiles(out_dir), Quarantine(out_dir), limits)
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
        raise DataError("The files hold no resources: they are empty", files=len(files))
    return LandedReport(
        source="files",
        files=written,
        quarantined=landing.quarantine.counts,
        first_quarantined=landing.first,
        files_read=len(files) - landing.no_fhir,
        files_ignored=ignored + landing.no_fhir,
        duplicates=landing.identities.duplicates(),
        passed_over=dict(landing.passed),
    )


@dataclass
class _Landing:
    """The reading of many files into one output."""

    types: TypeFiles
    quarantine: Quarantine
    limits: ArchiveLimits
    identities: Identities = field(default_factory=Identities)
    passed: Counter[str] = field(default_factory=Counter)
    first: Located | None = None
    no_fhir: int = 0
    _good: int = 0
    _bad: Located | None = None

    def read(self, file: LandedFile) -> None:
        """Read one file. Raises :class:`DataError` when every line of it is bad."""
        self._good, self._bad = 0, None
        if file.document:
            self._read_by_content(file)
        else:
            self._read_file_of_lines(file)
        if self._good == 0 and self._bad is not None:
            raise DataError(
                "A file holds nothing that can be used",
                hint="Repair it or take it out of the folder",
                file=self._bad.file,
                line=self._bad.line,
                reason=self._bad.reason,
            )

    def _read_by_content(self, file: LandedFile) -> None:
        with opened(file, self.limits) as stream:
            start = _up_to(stream, IN_MEMORY_BYTES + 1)
        whole, lines = len(start) <= IN_MEMORY_BYTES, _is_lines(start.removeprefix(_BOM))
        if whole and lines:
            self._read_lines(file, [start])
        elif whole:
            self._read_document(file, start.removeprefix(_BOM))
        else:
            del start  # what follows reads the file as it goes, and must not hold its beginning
            (self._read_file_of_lines if lines else self._read_large_document)(file)

    def _read_file_of_lines(self, file: LandedFile) -> None:
        with opened(file, self.limits) as stream:
            self._read_lines(file, blocks_of(stream))

    def _read_lines(self, file: LandedFile, blocks: Iterable[bytes]) -> None:
        for number, ended in enumerate(lines_of(blocks), start=1):
            line = ended.removesuffix(b"\r")
            if not line.strip():
                continue
            head = parse_resource(line)
            if _is_bundle(head, line):
                self._take(file, unbundled(line), number)
            elif isinstance(head, Fault):
                self._set_aside(file, number, head)
            else:
                self._keep(str(head.resourceType), str(head.id), line)

    def _read_document(self, file: LandedFile, document: bytes) -> None:
        if not document.strip():
            return
        head = read_head(document)
        if head is None:
            self._set_aside(file, _broken_line(document), _fault(document))
        elif head.resourceType == "Bundle":
            self._take(file, unbundled(document))
        elif head.resourceType is None:
            self.no_fhir += 1  # counts, manifests and settings lie beside data: JSON, and no FHIR
        else:
            self._read_resource(file, document)

    def _read_resource(self, file: LandedFile, document: bytes) -> None:
        head = parse_resource(document)
        if isinstance(head, Fault):
            self._set_aside(file, 1, head)
        else:
            line = msgspec.json.format(document, indent=-1)
            self._keep(str(head.resourceType), str(head.id), line)

    def _read_large_document(self, file: LandedFile) -> None:
        """A Bundle, as it goes; anything else that is FHIR and so large can only be one long line."""

        def members() -> Members:
            with opened(file, self.limits) as stream:
                yield from streamed_members(stream)

        broken: MalformedBundle | None = None
        other: NotABundle | None = None
        try:
            self._take(file, resources_of(members))
        except MalformedBundle as failure:
            broken = failure
        except NotABundle as failure:
            other = failure
        if broken is not None:
            self._set_aside(file, broken.line, Fault.WRONG_MEMBERS if broken.shape else Fault.NOT_JSON)
        elif other is not None and other.resource_type is None:
            self.no_fhir += 1
        elif other is not None:
            self._read_file_of_lines(file)

    def _take(self, file: LandedFile, entries: Iterator[Found], line: int | None = None) -> None:
        """The entries of a Bundle that is the document, or stands on ``line``."""
        for found in entries:
            if isinstance(found, Unusable):
                self._set_aside(file, found.entry if line is None else line, found.fault)
            elif isinstance(found, Passed):
                self.passed[found.why.value] += 1
            else:
                self._keep(found.resource_type, found.resource_id, found.line)

    def _keep(self, resource_type: str, resource_id: str, line: bytes) -> None:
        self._good += 1
        self.identities.add(resource_type, resource_id)
        self.types.write(resource_type, line)

    def _set_aside(self, file: LandedFile, line: int, reason: Fault) -> None:
        self.quarantine.add(file.name, line, reason)
        self._bad = self._bad or Located(file.shown, line, reason)
        self.first = self.first or self._bad


def _up_to(stream: IO[bytes], size: int) -> bytes:
    """The first ``size`` bytes, or all there are; one read of a decompressor may give fewer."""
    blocks: list[bytes] = []
    while size > 0 and (block := stream.read(min(size, 1 << 20))):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def _is_lines(start: bytes) -> bool:
    """Whether a ``.json`` file is NDJSON: its first line is a whole resource, and more follows."""
    first, _, rest = start.partition(b"\n")
    if not first.rstrip().endswith(b"}") or not rest.strip():
        return False
    head = read_head(first)
    return head is not None and head.resourceType is not None


def _is_bundle(head: Head | Fault, line: bytes) -> bool:
    """A Bundle without an id is one too."""
    if isinstance(head, Fault):
        found = read_head(line) if head is Fault.NO_ID else None
        return found is not None and found.resourceType == "Bundle"
    return head.resourceType == "Bundle"


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


__all__ = ["IN_MEMORY_BYTES", "export_files", "land"]
