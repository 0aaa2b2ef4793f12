"""Bronze's rule of what is news, told a second time in plain Python and compared over made-up loads."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.lakehouse.bronze import instant_us, version_key, version_number

from .bronze_folder import BronzeFolder, Resource, deletion, patient


class Row(NamedTuple):
    """What matters of a row."""

    life: int
    deleted: bool
    version: str | None
    updated: str | None
    content: str | None


@dataclass
class Told:
    """The rule, one resource at a time."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def load(
        self, resources: Sequence[Resource], deleted: Sequence[tuple[str, str | None]], complete: bool
    ) -> None:
        lines: dict[str, list[Row]] = defaultdict(list)
        for one in resources:
            meta = one.get("meta", {})
            lines[one["id"]].append(
                Row(0, False, meta.get("versionId"), meta.get("lastUpdated"), json.dumps(one))
            )
        times: dict[str, list[str | None]] = defaultdict(list)
        for resource_id, time in deleted:
            times[resource_id].append(time)
        for resource_id in sorted(self.rows.keys() | lines.keys()):
            standing, stated = lines.get(resource_id, []), times.get(resource_id, [])
            said = max(stated, key=_when, default=None)
            last = max((_when(row.updated) for row in standing), default=-1)
            ended = bool(stated) and (not standing or _when(said) > last > -1)
            for row in () if ended else self._one_a_number(standing):
                self._add(self.rows[resource_id], row)
            if ended or (complete and not standing):
                self._end(self.rows[resource_id], said)

    def _one_a_number(self, rows: Sequence[Row]) -> list[Row]:
        newest: dict[int, tuple[int, int, Row]] = {}
        for place, row in enumerate(rows):
            entry = (_when(row.updated), place, row)
            number = version_number(row.version)
            newest[number] = max(newest.get(number, entry), entry)
        return [newest[number][2] for number in sorted(newest)]

    def _add(self, known: list[Row], row: Row) -> None:
        life = 1 if not known else known[-1].life + known[-1].deleted
        number = version_number(row.version)
        same = [k for k in known if k.life == life and version_number(k.version) == number]
        if not same or (same[-1].version, same[-1].content) != (row.version, row.content):
            known.append(row._replace(life=life))

    def _end(self, known: list[Row], time: str | None) -> None:
        if known and not known[-1].deleted:
            known.append(Row(known[-1].life, True, None, time, None))


def _when(time: str | None) -> int:
    instant = instant_us(time)
    return -1 if instant is None else instant


TIMES = [None, "2024-01-01T00:00:00Z", "2024-01-01T09:00:00+10:00", "2024-01-02T00:00:00.5Z", "2024"]
IDS = st.sampled_from("abc")
PATIENTS = st.builds(
    lambda resource_id, version, updated, active: patient(
        resource_id, version=version, updated=updated, **({"active": active} if active is not None else {})
    ),
    IDS,
    st.sampled_from([None, "1", "2", "10", "W/x"]),
    st.sampled_from(TIMES),
    st.sampled_from([None, True]),
)
LOADS = st.tuples(
    st.lists(PATIENTS, max_size=6),
    st.lists(st.tuples(IDS, st.sampled_from(TIMES)), max_size=2),
    st.booleans(),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(LOADS, min_size=1, max_size=4))
def test_rows_are_those_that_the_rule_tells(
    loads: list[tuple[list[Resource], list[tuple[str, str | None]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake, told = BronzeFolder(Path(folder)), Told()
        for resources, deleted, complete in loads:
            if not resources and (complete or not deleted):
                continue  # refused: it would say that there is nothing at all
            bundles = [deletion(f"Patient/{key}", time=time) for key, time in deleted]
            report = lake.load(*resources, deleted=bundles, complete=complete)
            told.load(resources, deleted, complete)
            assert _rows(lake) == {key: rows for key, rows in told.rows.items() if rows}
            assert report.rows.get("Patient", 0) == sum(map(len, told.rows.values()))
            again = lake.again(complete=complete)
            assert not (again.new or again.changed or again.deleted)
            assert again.content_digest == report.content_digest


def _rows(lake: BronzeFolder) -> dict[str, list[Row]]:
    if not (lake.bronze / "Patient").is_dir():
        return {}
    found: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for row in lake.table().to_pylist():
        told = Row(row["life"], row["deleted"], row["version_id"], row["last_updated"], row["resource"])
        found[row["id"]].append((row["sequence"], told))
    for rows in found.values():
        rows.sort()
        assert [sequence for sequence, _ in rows] == list(range(1, len(rows) + 1))
    return {key: [row for _, row in rows] for key, rows in found.items()}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(IDS, st.integers(1, 12)), min_size=1, max_size=8, unique=True), st.randoms())
def test_the_order_of_lines_and_the_number_of_loads_are_no_part_of_the_content(
    versions: list[tuple[str, int]], random: Random
) -> None:
    resources = [patient(key, version=str(number)) for key, number in versions]
    by_age = sorted(resources, key=lambda one: int(one["meta"]["versionId"]))
    shuffled = random.sample(resources, len(resources))
    with tempfile.TemporaryDirectory() as folder:
        at_once, one_by_one = BronzeFolder(Path(folder) / "1"), BronzeFolder(Path(folder) / "2")
        whole = at_once.load(*shuffled)
        for resource in by_age:
            last = one_by_one.load(resource, complete=False)
        assert whole.content_digest == last.content_digest
        assert whole.facts() == last.facts()


def test_a_tombstone_is_the_last_of_its_life() -> None:
    keys = [version_key(1, False, "9" * 18, "9999-12-31T23:59:59Z", 9), version_key(1, True, None, None, 1)]
    assert sorted(keys) == keys
