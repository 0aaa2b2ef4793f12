"""The canary harness: plants the 18 categories everywhere in every type, and searches what left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, LeakFound
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.canaries.categories import Canary, Category, canaries
from medcairn.deid.canaries.planting import (
    PLACEHOLDER,
    Place,
    age_places,
    code_places,
    hidden_places,
    leaf_places,
)
from medcairn.deid.canaries.specimens import SUBJECT, specimen
from medcairn.deid.passes import QUARANTINE
from medcairn.deid.policy import Policy

SHOWN_LEAKS = 100
_SEPARATORS = str.maketrans("", "", " -.()+/")

Release = Callable[[Path, Path], object]
"""De-identifies the ``<Type>.ndjson`` files of a folder into another, line for line, but for the lines that
``quarantine.ndjson`` names by file and number."""


@dataclass(frozen=True)
class Planted:
    """One resource with one canary."""

    place: Place
    canary: Canary
    line: str


@dataclass(frozen=True)
class CanaryLeak:
    """Where a canary got through."""

    category: Category
    resource_type: Label
    path: Label


@dataclass(frozen=True)
class CanaryReport:
    """What became of the canaries. ``leaks`` holds the first hundred; ``leak_count`` counts them all."""

    planted: Mapping[Category, int]
    places: int
    quarantined: int
    leak_count: int
    leaks: tuple[CanaryLeak, ...]

    @property
    def canaries(self) -> int:
        """How many were planted."""
        return sum(self.planted.values())

    def refuse_leaks(self) -> None:
        """Raise :class:`LeakFound` when a canary got through."""
        if self.leaks:
            first = self.leaks[0]
            raise LeakFound(
                "The policy lets planted identifiers through",
                hint="The first place is named here; --json lists more",
                leaks=self.leak_count,
                resource_type=first.resource_type,
                path=first.path,
                category=first.category,
            )

    def facts(self) -> dict[str, JSON]:
        """The report as JSON. The canaries are made up; only their places are told."""
        return {
            "canaries": self.canaries,
            "planted": {category.value: count for category, count in self.planted.items()},
            "places": self.places,
            "quarantined": self.quarantined,
            "leak_count": self.leak_count,
            "leaks": [
                {"category": leak.category.value, "resource_type": leak.resource_type, "path": leak.path}
                for leak in self.leaks
            ],
        }


def all_places(policy: Policy) -> Iterator[Place]:
    """Every place of every type of ``policy``, type by type, in a fixed order."""
    for _, resource in sorted(policy.resources.items()):
        ground = specimen(resource)
        yield from leaf_places(ground)
        yield from hidden_places(ground)
        yield from age_places(ground)
        yield from code_places(ground, policy.vocabulary.systems)


def planted_in(places: Iterable[Place]) -> Iterator[Planted]:
    """The canaries of ``places``, each with a number and a subject of its own."""
    number = 0
    for place in places:
        for bird in canaries(place.ground, number):
            line = place.line.replace(PLACEHOLDER, bird.text).replace(SUBJECT, f"p{number}")
            yield Planted(place, bird, line)
            number += 1


def run_canaries(
    places: Iterable[Place], release: Release, work_dir: Path, *, progress: Progress | None = None
) -> CanaryReport:
    """Plant canaries in files under ``work_dir``, release them, and search what left for each.

    ``places`` come type by type. Raises :class:`DataError` when ``release`` loses lines without a word.
    """
    progress = progress or NoProgress()
    source, output = work_dir / "planted", work_dir / "released"
    places = list(places)
    progress.begin("Planting canaries")
    _write(planted_in(places), source)
    release(source, output)
    progress.begin("Searching for canaries")
    planted: Counter[Category] = Counter()
    quarantined, leak_count = 0, 0
    leaks: list[CanaryLeak] = []
    for bird, line in _with_outcome(planted_in(places), output):
        planted[bird.canary.category] += 1
        if line is None:
            quarantined += 1
        elif _leaked(bird.canary, line):
            leak_count += 1
            if len(leaks) < SHOWN_LEAKS:
                where = Label(bird.place.resource_type), Label(bird.place.path)
                leaks.append(CanaryLeak(bird.canary.category, *where))
    counts = {category: planted[category] for category in Category}
    return CanaryReport(counts, len(places), quarantined, leak_count, tuple(leaks))


def _write(planted: Iterator[Planted], folder: Path) -> None:
    with storage_errors():
        folder.mkdir(parents=True)
        for name, group in groupby(planted, lambda bird: bird.place.resource_type):
            with (folder / f"{name}.ndjson").open("x", encoding="utf-8") as stream:
                stream.writelines(f"{bird.line}\n" for bird in group)


def _with_outcome(planted: Iterator[Planted], output: Path) -> Iterator[tuple[Planted, str | None]]:
    """Each canary with the line that left for it, or None when its resource is in quarantine."""
    withheld = _quarantined(output / QUARANTINE)
    for name, group in groupby(planted, lambda bird: bird.place.resource_type):
        file = f"{name}.ndjson"
        with storage_errors(), (output / file).open(encoding="utf-8") as lines:
            for number, bird in enumerate(group, start=1):
                line = None if (file, number) in withheld else next(lines, "")
                if line == "":
                    raise DataError("Fewer lines left than were planted", file=output / file)
                yield bird, line


class _Withheld(msgspec.Struct):
    file: str
    line: int


def _quarantined(path: Path) -> set[tuple[str, int]]:
    if not path.exists():
        return set()
    with storage_errors():
        entries = msgspec.json.Decoder(_Withheld).decode_lines(path.read_bytes())
    return {(entry.file, entry.line) for entry in entries}


def _leaked(bird: Canary, line: str) -> bool:
    folded = line.casefold()
    bare = folded.translate(_SEPARATORS)
    return any(needle in folded or needle in bare for needle in bird.needles)


__all__ = [
    "CanaryLeak",
    "CanaryReport",
    "Planted",
    "Release",
    "all_places",
    "planted_in",
    "run_canaries",
]
