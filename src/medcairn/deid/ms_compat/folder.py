"""The mode on files: a folder of identified NDJSON in, a folder of anonymized NDJSON out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

from medcairn.core.errors import DataError, MedcairnError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.ms_compat.configuration import DateShiftScope, MsConfiguration
from medcairn.deid.ms_compat.engine import CannotProcess, MsEngine, cannot_process
from medcairn.deid.ms_compat.nodes import NotFhir, NotFhirReason
from medcairn.deid.ms_compat.report import MsCompatReport
from medcairn.deid.source import Source, SourceFile, find_source
from medcairn.deid.tally import Reason

QUARANTINE = "quarantine.ndjson"
_BOM = b"\xef\xbb\xbf"
_REASONS = {
    NotFhirReason.NOT_JSON: Reason.INVALID_JSON,
    NotFhirReason.NOT_AN_OBJECT: Reason.WRONG_SHAPE,
    NotFhirReason.TOO_DEEP: Reason.WRONG_SHAPE,
    NotFhirReason.UNKNOWN_TYPE: Reason.UNKNOWN_TYPE,
    NotFhirReason.OTHER_TYPE: Reason.OTHER_TYPE_THAN_FILE,
}


def ms_compat_folder(
    source_dir: Path,
    out_dir: Path,
    *,
    configuration: MsConfiguration,
    as_of: date,
    progress: Progress | None = None,
) -> MsCompatReport:
    """Anonymize the NDJSON files of ``source_dir`` into files of the same names in ``out_dir``.

    The order of lines is kept; a line that is no resource of the file's type is named in
    ``quarantine.ndjson`` (file, line from 1, reason). The same source, configuration and ``as_of`` give the
    same bytes. The source is only read. This is not the Safe Harbor mode: see the report's statement.

    Raises :class:`UsageError` for a missing or empty folder, or the same folder twice;
    :class:`SettingsError` when a rule needs a key that the configuration does not have; :class:`DataError`
    for a file that cannot be read, and for a rule that cannot be applied (file, line, index of the rule)
    unless the configuration skips errors; :class:`StorageError` when the disk is full.
    """
    source = find_source(source_dir)
    if out_dir.resolve() == source_dir.resolve():
        raise UsageError("The output folder is the source folder", folder=out_dir)
    configuration.check_keys()
    run = _Run(configuration, as_of, source_dir.resolve().name)
    progress = progress or NoProgress()
    progress.begin("De-identify by a Microsoft configuration", source.size, "bytes")
    with storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True)
        with (out_dir / QUARANTINE).open("wb") as quarantine:
            for file in source.files:
                with (out_dir / file.path.name).open("wb") as output:
                    run.file(file, output, quarantine, progress)
    return run.report(source)


class _Run:
    def __init__(self, configuration: MsConfiguration, as_of: date, folder: str) -> None:
        self._configuration = configuration
        self._as_of = as_of
        self._folder = folder
        self._read: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._quarantined: dict[str, Counter[Reason]] = {}
        self._emptied = self._dropped = 0

    def file(self, file: SourceFile, output: BinaryIO, quarantine: BinaryIO, progress: Progress) -> None:
        prefixes = {DateShiftScope.FILE: file.path.name, DateShiftScope.FOLDER: self._folder}
        prefix = prefixes.get(self._configuration.parameters.date_shift_scope, "")
        engine = MsEngine(self._configuration, self._as_of, prefix)
        for number, line in enumerate(_lines(file.path), start=1):
            self._line(engine, file, number, line, (output, quarantine))
            progress.advance(len(line))
        self._emptied += engine.emptied
        self._dropped += engine.dropped

    def _line(
        self, engine: MsEngine, file: SourceFile, number: int, line: bytes, out: tuple[BinaryIO, BinaryIO]
    ) -> None:
        line = line.removeprefix(_BOM) if number == 1 else line
        if not line.strip():
            return
        self._read[file.resource_type] += 1
        error: MedcairnError | None = None
        try:
            out[0].write(engine.line(line, file.resource_type) + b"\n")
            self._left[file.resource_type] += 1
            return
        except NotFhir as failure:
            reason = _REASONS[failure.reason]
        except CannotProcess as failure:
            error = cannot_process(failure)
            error.fields |= {"file": file.path, "line": number}
        if error is not None:
            raise error
        entry = {"file": file.path.name, "line": number, "reason": reason.value}
        out[1].write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._quarantined.setdefault(file.resource_type, Counter())[reason] += 1

    def report(self, source: Source) -> MsCompatReport:
        return MsCompatReport(
            as_of=self._as_of,
            configuration_digest=self._configuration.digest,
            rules=len(self._configuration.rules),
            rules_without_target=self._configuration.rules_without_target,
            keys_derived=self._configuration.keys_derived,
            files=len(source.files),
            files_passed_over=source.passed_over,
            bytes_read=source.size,
            read=dict(self._read),
            left=dict(self._left),
            quarantined={name: dict(reasons) for name, reasons in self._quarantined.items()},
            emptied=self._emptied,
            members_dropped=self._dropped,
        )


def _lines(path: Path) -> Iterator[bytes]:
    failed = False
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError:
        failed = True
    if failed:
        raise DataError("A source file cannot be read", file=path)


__all__ = ["QUARANTINE", "ms_compat_folder"]
