"""Which files a table will consist of: those that stay as they are, and those that have to be written."""

from __future__ import annotations

import os
import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcairn.core.delta import delta_files, is_delta
from medcairn.core.files import storage_errors
from medcairn.lakehouse.silver.contents import Contents, read_contents
from medcairn.lakehouse.silver.files import digest_in, file_of
from medcairn.lakehouse.silver.layout import Item, Leaf, leaves
from medcairn.lakehouse.silver.parts import Stretch, subjects_in
from medcairn.lakehouse.silver.planning import Work
from medcairn.lakehouse.silver.second_pass import Branch, read_file, staying
from medcairn.lakehouse.silver.shapes import Shape


@dataclass(frozen=True)
class TablePlan:
    """The files of a table: those that ``stay``, and the branches to write."""

    shape: Shape
    stay: tuple[Path, ...]
    branches: tuple[Branch, ...]


@dataclass
class Arrangement:
    """Arranges one table. ``written`` is what the first pass has put into its divisions, whose ``bounds``
    are the first subjects of all but the first."""

    shape: Shape
    folder: Path
    spill: Path
    work: Work
    written: Mapping[int, Stretch]
    bounds: Sequence[str]

    def plan(self) -> TablePlan:
        """The files of the table; those that are there already are read where new rows touch them."""
        before = delta_files(self.folder) if is_delta(self.folder) else []
        renewed = [name for name in self.shape.resource_types if name in self.work.renewed]
        present = [name for name in self.shape.resource_types if name in self.work.seen]
        if before and not self.work.afresh and not renewed:
            return TablePlan(self.shape, tuple(before), ())
        if self.work.afresh or all(self.work.renewed.get(name, name) is None for name in present):
            before, items = [], self._divisions()
        else:
            items = self._merged(before)
            if not items and not any(read_contents(file).rows for file in before):
                return TablePlan(self.shape, tuple(before), ())
        stay: list[Path] = []
        branches: list[Branch] = []
        for leaf in leaves(items, self.work.rows_per_file, self._expand):
            source = leaf.items[0].source if len(leaf.items) == 1 else None
            if isinstance(source, Path):
                stay.append(self._renamed(source, leaf.path))
            else:
                branches.append(self._branch(leaf, before))
        return TablePlan(self.shape, tuple(stay), tuple(branches))

    def _divisions(self) -> list[Item]:
        return [
            Item(stretch.first, stretch.last, stretch.rows, number)
            for number, stretch in sorted(self.written.items())
        ]

    def _merged(self, before: Sequence[Path]) -> list[Item]:
        """Files without a subject of the new rows, and the subjects of all the rest."""
        rows: Counter[str] = Counter()
        for division in self.written:
            rows += subjects_in(self.shape, self.spill, division)
        new = sorted(rows)
        every = any(ids is None for ids in self.work.renewed.values())
        items: list[Item] = []
        for file in before:
            contents = read_contents(file)
            if not every and not _any_within(new, contents):
                items += [_item(file, contents)] if contents.rows else []
            else:
                rows += self._subjects_of(file)
        items += [Item(subject, subject, number) for subject, number in rows.items()]
        return sorted(items, key=lambda item: item.first)

    def _subjects_of(self, file: Path) -> Counter[str]:
        """The rows of each subject that stay, of a file."""
        names = {
            "subject_id",
            self.shape.id,
            *(n for n in ("resource_type",) if n in self.shape.schema.names),
        }
        rows = read_file(file, self.shape, sorted(names))
        rows = rows.filter(staying(self.shape, rows, self.work.renewed))
        counts = rows.column("subject_id").value_counts().to_pylist()
        return Counter({entry["values"]: entry["counts"] for entry in counts})

    def _expand(self, item: Item) -> list[Item]:
        if isinstance(item.source, int):
            rows = subjects_in(self.shape, self.spill, item.source)
        else:
            assert item.source is not None
            rows = self._subjects_of(item.source)
        return [Item(subject, subject, number) for subject, number in sorted(rows.items())]

    def _branch(self, leaf: Leaf, before: Sequence[Path]) -> Branch:
        first, last = (leaf.items[0].first, leaf.items[-1].last) if leaf.items else ("", "")
        low, high = bisect_right(self.bounds, first), bisect_right(self.bounds, last)
        files = []
        for file in before:
            contents = read_contents(file)
            if contents.rows and contents.first <= last and first <= contents.last:
                files.append(file)
        divisions = tuple(number for number in sorted(self.written) if low <= number <= high)
        return Branch(self.shape.name, leaf.path, first, last, divisions, tuple(files))

    def _renamed(self, file: Path, path: str) -> Path:
        """The same file under the name of its new place in the tree."""
        place = file_of(self.folder, path, digest_in(file))
        if place != file and not place.exists():
            with storage_errors():
                try:
                    os.link(file, place)
                except OSError:
                    shutil.copy2(file, place)
        return place


def _item(file: Path, contents: Contents) -> Item:
    return Item(contents.first, contents.last, contents.rows, file)


def _any_within(subjects: Sequence[str], contents: Contents) -> bool:
    at = bisect_right(subjects, contents.last)
    return at > 0 and subjects[at - 1] >= contents.first


__all__ = ["Arrangement", "TablePlan"]
