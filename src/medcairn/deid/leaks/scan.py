"""The scan as a whole: a source folder, an output folder, a report."""

from __future__ import annotations

from pathlib import Path

from medcairn.core.artifacts import MANIFEST
from medcairn.core.errors import DataError, UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.leaks.harvest import harvest
from medcairn.deid.leaks.report import LeakHit, ScanReport
from medcairn.deid.leaks.search import Search
from medcairn.deid.policy import safe_harbor

HIT_LIMIT = 1_000
_SEARCHED = (".ndjson", ".json")


def scan(source_dir: Path, output_dir: Path, *, progress: Progress | None = None) -> ScanReport:
    """Harvest the identifiers of the NDJSON files in ``source_dir`` and search ``output_dir`` for them.

    All ``.ndjson`` and ``.json`` files below ``output_dir`` are searched, but for ``manifest.json``; others
    are counted. The report names file, line, element path and class of each hit, never the text. The scan
    stops after 1,000 hits.

    Raises :class:`UsageError` when a folder is missing or has nothing to read or search; :class:`DataError`
    when the source yields no identifier, since a scan for nothing would show nothing.
    """
    progress = progress or NoProgress()
    if not source_dir.is_dir() or not output_dir.is_dir():
        raise UsageError("The leak scan needs a source folder and an output folder that exist")
    sources = sorted(path for path in source_dir.glob("*.ndjson") if path.is_file())
    if not sources:
        raise UsageError("The leak scan found no NDJSON files in the source folder", folder=source_dir)
    outputs, others = _outputs(output_dir)
    if not outputs:
        raise UsageError("The leak scan found nothing to search", folder=output_dir)
    index, refused = None, False
    try:
        index = harvest(sources, progress)
    except OSError:
        refused = True
    if refused or index is None:
        raise DataError("A source file cannot be read", folder=source_dir)
    counts = index.counts()
    if not counts:
        raise DataError("The source holds no identifier, so a scan would show nothing", folder=source_dir)
    size = sum(path.stat().st_size for path in outputs)
    progress.begin("Leak scan: searching the output", size, "bytes")
    hits, searched = _search(Search(index, safe_harbor()), output_dir, outputs, progress)
    return ScanReport(len(outputs), others, searched, counts, tuple(hits), len(hits) < HIT_LIMIT)


def _search(
    search: Search, folder: Path, outputs: list[Path], progress: Progress
) -> tuple[list[LeakHit], int]:
    hits: list[LeakHit] = []
    searched = 0
    for path in outputs:
        for found in search.file(path, _label(path.relative_to(folder), len(hits))):
            if isinstance(found, int):
                searched += found
                progress.advance(found)
                continue
            hits.append(found)
            if len(hits) >= HIT_LIMIT:
                return hits, searched
    return hits, searched


def _outputs(folder: Path) -> tuple[list[Path], int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    searched = [path for path in files if path.suffix in _SEARCHED]
    return searched, len(files) - len(searched)


def _label(path: Path, number: int) -> Label:
    try:
        return Label(path.as_posix())
    except ValueError:
        return Label(f"file-{number}")


__all__ = ["HIT_LIMIT", "scan"]
