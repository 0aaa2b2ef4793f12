"""The scan as a whole: a source folder, an output folder, a report."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medcairn.core.errors import DataError, UsageError
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.leaks.files import Range, TextFile, blocks, first_line, output_files, ranges, source_files
from medcairn.deid.leaks.gathering import Gathered
from medcairn.deid.leaks.harvest import Harvester, resources
from medcairn.deid.leaks.judge import Judge
from medcairn.deid.leaks.locate import Found, Locator
from medcairn.deid.leaks.pool import in_order
from medcairn.deid.leaks.public import public_words
from medcairn.deid.leaks.report import LeakClass, LeakHit, ScanReport, Unsearched
from medcairn.deid.leaks.sieve import Sieve
from medcairn.deid.policy import Policy, safe_harbor

HIT_LIMIT = 1_000
"""How many places a report holds. All are counted."""

_UNITE_AFTER = 16
_BIRTH = (b"birth", b"dob")


def scan(
    source_dir: Path,
    output_dir: Path,
    *,
    progress: Progress | None = None,
    processes: int = 1,
    policy: Policy | None = None,
) -> ScanReport:
    """Harvest the identifiers of the NDJSON and JSON in ``source_dir`` and search ``output_dir`` for them.

    All files of text at any depth below ``output_dir`` are searched, gzip or not, but for ``manifest.json``;
    files that are no text are counted. The report names file, line, element path and class of each hit,
    never the text; it is the same for any number of ``processes``. ``policy`` (the shipped one when None)
    only tells which words are its own, and which systems' codes are public.

    Raises :class:`UsageError` when a folder is missing or has nothing to read or search; :class:`DataError`
    when a file cannot be read or the source yields no identifier, since a scan for nothing shows nothing;
    :class:`ExternalError` when a worker process dies.
    """
    progress = progress or NoProgress()
    if not source_dir.is_dir() or not output_dir.is_dir():
        raise UsageError("The leak scan needs a source folder and an output folder that exist")
    sources = source_files(source_dir)
    if not sources:
        raise UsageError("The leak scan found no NDJSON files in the source folder", folder=source_dir)
    outputs, others = _outputs(output_dir)
    if not outputs:
        raise UsageError("The leak scan found nothing to search", folder=output_dir)
    gathered = _harvest(sources, progress, processes)
    if not gathered.identifiers():
        raise DataError("The source holds no identifier, so a scan would show nothing", folder=source_dir)
    total = _search(outputs, gathered, policy or safe_harbor(), progress, processes)
    not_searched = gathered.not_searched()
    if total.days:
        not_searched[Unsearched.DATE_MAY_BE_MOVED] = len(total.days)
    return ScanReport(
        files=len(outputs),
        files_not_searched=others,
        bytes_searched=total.bytes,
        identifiers=gathered.identifiers(),
        not_searched=not_searched,
        hits=tuple(total.hits),
        hits_by_class=dict(total.counts),
    )


def _outputs(folder: Path) -> tuple[list[TextFile], int]:
    found = None
    with contextlib.suppress(OSError):
        found = output_files(folder)
    if found is None:
        raise DataError("A file of the output cannot be read", folder=folder)
    return found


def _harvest(sources: list[TextFile], progress: Progress, processes: int) -> Gathered:
    progress.begin("Leak scan: reading the source's identifiers", sum(file.size for file in sources), "bytes")
    parts: list[Gathered] = []
    all_ranges = list(ranges(sources))
    for part, found in zip(all_ranges, in_order(_harvester, (), all_ranges, processes), strict=True):
        if found is None:
            raise DataError("A source file cannot be read", file=part.file.path)
        parts.append(found)
        if len(parts) >= _UNITE_AFTER:
            parts = [Gathered.united(parts)]
        progress.advance(part.end - part.start)
    return Gathered.united(parts).settled()


def _harvester() -> Callable[[Range], Gathered | None]:
    return _harvest_range


def _harvest_range(part: Range) -> Gathered | None:
    """The harvest of a range; None when it cannot be read."""
    harvester = Harvester()
    try:
        for lines in resources(blocks(part)):
            harvester.read(lines)
    except OSError:
        return None
    return harvester.gathered()


@dataclass
class _Searched:
    """What was found in one range, where lines count from 0."""

    bytes: int = 0
    lines: int = 0
    hits: list[Found] = field(default_factory=list)
    counts: Counter[LeakClass] = field(default_factory=Counter)
    days: set[int] = field(default_factory=set)


@dataclass
class _Total:
    """What was found in all ranges so far."""

    bytes: int = 0
    hits: list[LeakHit] = field(default_factory=list)
    counts: Counter[LeakClass] = field(default_factory=Counter)
    days: set[int] = field(default_factory=set)

    def add(self, found: _Searched, file: Label, line: int) -> None:
        """Take in a range that begins at ``line`` of ``file``."""
        room = HIT_LIMIT - len(self.hits)
        self.hits += [LeakHit(file, line + place, path, leak) for place, path, leak in found.hits[:room]]
        self.counts.update(found.counts)
        self.bytes += found.bytes
        self.days |= found.days


def _search(
    outputs: list[TextFile], gathered: Gathered, policy: Policy, progress: Progress, processes: int
) -> _Total:
    progress.begin("Leak scan: searching the output", sum(file.size for file in outputs), "bytes")
    total, parts = _Total(), list(ranges(outputs))
    files = _names(outputs, gathered, total)
    line = 1
    results = in_order(_Searcher, (gathered, policy), parts, processes)
    for part, found in zip(parts, results, strict=True):
        if found is None:
            raise DataError("A file of the output cannot be read", file=part.file.path)
        line = line if part.start else 1
        total.add(found, files[part.file.name], line)
        line += found.lines
        progress.advance(part.end - part.start)
    return total


class _Searcher:
    """Searches ranges of the output, one after another."""

    def __init__(self, gathered: Gathered, policy: Policy) -> None:
        self._judge, self._public = Judge(gathered), public_words(policy)
        self._locator = Locator(self._judge, policy)
        self._sieves: dict[tuple[bool, bool], Sieve] = {}

    def __call__(self, part: Range) -> _Searched | None:
        try:
            return self._search(part)
        except OSError:
            return None

    def _search(self, part: Range) -> _Searched:
        found = _Searched()
        is_json = part.file.is_json
        births = not is_json and any(word in first_line(part.file).lower() for word in _BIRTH)
        sieve = self._sieve(is_json, births)
        for lines in blocks(part):
            suspects = sieve.suspects(lines)
            some = [(place, lines[place]) for place in suspects]
            for place, path, leak in self._locator.hits(some, is_json=is_json, tells_births=births):
                found.counts[leak] += 1
                if len(found.hits) < HIT_LIMIT:
                    found.hits.append((found.lines + place, path, leak))
            found.lines += len(lines)
            found.bytes += sum(map(len, lines))
        found.days, sieve.days = sieve.days, set()
        return found

    def _sieve(self, is_json: bool, births: bool) -> Sieve:
        kind = is_json, births
        if kind not in self._sieves:
            self._sieves[kind] = Sieve(self._judge, self._public, is_json=is_json, tells_births=births)
        return self._sieves[kind]


def _names(outputs: list[TextFile], gathered: Gathered, total: _Total) -> dict[str, Label]:
    """How the report names each file. A name that holds an identifier is a hit (in line 0), and not shown."""
    held = Judge(gathered).classes([file.name for file in outputs])
    labels: dict[str, Label] = {}
    for number, (file, leaks) in enumerate(zip(outputs, held, strict=True)):
        told = [leak for leak in leaks if leak is not LeakClass.DATE]
        labels[file.name] = Label(f"file-{number}") if told else _label(file.name, number)
        found = _Searched(hits=[(0, Label("file_name"), leak) for leak in told], counts=Counter(told))
        total.add(found, labels[file.name], 0)
    return labels


def _label(name: str, number: int) -> Label:
    try:
        return Label(name)
    except ValueError:
        return Label(f"file-{number}")


__all__ = ["HIT_LIMIT", "scan"]
