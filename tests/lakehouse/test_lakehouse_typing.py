"""Typing: times, codings, and that lines which are recognised give the rows of the view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.lakehouse.silver.layout import Item, boundaries, leaves
from medcairn.lakehouse.silver.problems import Problem, problems_in
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.times import micros, time_problem
from medcairn.lakehouse.silver.typer import TYPED_RESOURCES, Typer
from medcairn.lakehouse.silver.versions import Version, intervals
from medcairn.lakehouse.views.direct import direct_reader

from .resources import LOINC, SNOMED, concept, observation, quantity
from .rich_resources import RICH, odd_resources

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-10", "2024-01-10T00:00:00+00:00"),
        ("2024-01-10T08:00:00Z", "2024-01-10T08:00:00+00:00"),
        ("2024-01-10T08:00:00+02:00", "2024-01-10T06:00:00+00:00"),
        ("2024-01-10T20:30:00-05:30", "2024-01-11T02:00:00+00:00"),
        ("2024-01-10T08:00:00.25Z", "2024-01-10T08:00:00.250000+00:00"),
        ("2024-01-10T08:00:00.123456789Z", "2024-01-10T08:00:00.123456+00:00"),
        ("2024-01-10T08:00Z", "2024-01-10T08:00:00+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("1899-12-31T23:59:59Z", "1899-12-31T23:59:59+00:00"),
        ("2024-01", "partial"),
        ("2024", "partial"),
        ("", "partial"),
        ("2024-02-30", "invalid"),
        ("2024-01-10T08:00:00", "invalid"),
        ("2024-01-10T24:00:00Z", "invalid"),
        ("2024-01-10 08:00:00Z", "invalid"),
        ("2024-01-10T08:00:00+15:00", "invalid"),
        ("99999-01-10", "invalid"),
        ("0000-01-10", "invalid"),
        ("２０２４-01-10", "invalid"),
    ],
)
def test_times(text: str, expected: str) -> None:
    reasons = {"partial": Problem.PARTIAL_TIME, "invalid": Problem.INVALID_TIME}
    for _ in range(2):  # read, and remembered
        found = micros(text)
        if expected in reasons:
            assert found is None
            assert problems_in(time_problem(text)) == [reasons[expected]]
        else:
            assert found is not None
            assert (EPOCH + timedelta(microseconds=found)).isoformat() == expected


@given(st.datetimes(timezones=st.timezones().map(lambda _: UTC)), st.integers(-14 * 60, 14 * 60))
def test_any_instant_in_any_zone(moment: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    local = moment.replace(tzinfo=None).isoformat()
    expected = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) - minutes * 60_000_000
    assert micros(local + zone) == expected


def rows_by_view(typer: Typer, lines: Sequence[bytes]) -> list[list[tuple[Any, ...]]]:
    reader = direct_reader([typer.view])
    return [plain(typer.typed(reader.rows(line)[0])) for line in lines]


def rows_recognised(typer: Typer, lines: Sequence[bytes]) -> list[list[tuple[Any, ...]]]:
    quick = QuickTyper(typer)
    found = []
    for line in lines:
        typed: list[Any] = []
        quick.type([line], typed.append)
        found.append(plain(typed))
    return found


def plain(typed: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(row[0].values, *row[1:]) for row in typed]


@pytest.mark.parametrize("resource_type", TYPED_RESOURCES)
def test_lines_that_are_recognised_give_the_rows_of_the_view(resource_type: str) -> None:
    quick, typer = QuickTyper(Typer(resource_type)), Typer(resource_type)
    reader = direct_reader([typer.view])

    @settings(deadline=None)
    @given(odd_resources(resource_type))
    def same(resource: dict[str, Any]) -> None:
        line = json.dumps(resource, ensure_ascii=False).encode()
        for _ in range(2):
            typed: list[Any] = []
            quick.type([line], typed.append)
            assert plain(typed) == plain(typer.typed(reader.rows(line)[0]))

    same()


def test_rich_resources_have_rows() -> None:
    for resource_type in TYPED_RESOURCES:
        line = json.dumps({"resourceType": resource_type, "id": "r1", **RICH[resource_type]}).encode()
        assert all(rows_by_view(Typer(resource_type), [line]))


def test_odd_lines_are_left_to_the_view() -> None:
    good = observation(
        "2345-7", category=[concept(("http://x", "laboratory"))], valueQuantity=quantity(99, "mg/dL")
    )
    part = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(120, "mm[Hg]")}
    odd: list[dict[str, Any]] = [
        {**good, "status": 5},
        {**good, "subject": [good["subject"]]},
        {**good, "code": [good["code"]]},
        {**good, "code": {"coding": [None, {"system": LOINC, "code": "2345-7"}]}},
        {**good, "code": concept((LOINC, "2345-7"), (SNOMED, "1"))},
        {**good, "code": {"text": "glucose"}},
        {**good, "valueQuantity": {"value": "99"}},
        {**good, "category": "laboratory"},
        {**good, "component": [part, None, part]},
        {**good, "component": []},
        {**good, "valueQuantity": None, "component": [part]},
        {**good, "effectiveDateTime": None, "effectivePeriod": {"start": "2024-01-01", "end": "2024-01-02"}},
        {**good, "resourceType": "Patient"},
        {**good, "id": "é"},
        {**good, "note": [{"text": "é"}]},
    ]
    lines = [
        json.dumps(resource, ensure_ascii=False).encode() for one in odd for resource in (good, one, one)
    ]
    lines.append(lines[0].replace(b'"status": "final"', b'"status": "final", "status": "amended"'))
    assert rows_recognised(Typer("Observation"), lines) == rows_by_view(Typer("Observation"), lines)


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b"null", b'{"resourceType":"Observation"}x', b'{"a":"\xff"}']
)
def test_a_line_that_is_no_resource_is_refused_and_the_next_goes_on(broken: bytes) -> None:
    quick, typed = QuickTyper(Typer("Observation")), list[Any]()
    lines = iter([json.dumps(observation("1-1", id=str(n))).encode() for n in range(2)])
    waiting = iter([next(lines), broken, next(lines)])
    with pytest.raises(DataError):
        quick.type(waiting, typed.append)
    quick.type(waiting, typed.append)
    assert [row[4] for row in typed] == ["0", "1"]


@given(
    st.lists(st.builds(Version, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.booleans()))
)
def test_intervals_follow_each_other(chain: list[Version]) -> None:
    found = intervals(chain)
    for one, after in pairwise(found):
        assert one.superseded == after.available or (one.untimed and one.superseded == one.available)
        assert one.available is None or (after.available is not None and one.available <= after.available)
        assert not one.current
    if found:
        assert found[-1].current != chain[-1].deleted
        assert found[-1].number == sum(not version.deleted for version in chain)


Subjects = st.dictionaries(st.text(max_size=4), st.integers(1, 5), max_size=40)


@given(Subjects, st.integers(1, 12))
def test_files_hold_few_rows_and_whole_subjects_in_order(rows: dict[str, int], most: int) -> None:
    items = [Item(subject, subject, rows[subject]) for subject in sorted(rows, key=str.encode)]
    found = leaves(items, most)
    assert [item for leaf in found for item in leaf.items] == items
    assert all(leaf.rows <= most or len(leaf.items) == 1 for leaf in found)
    assert [leaf.path for leaf in found] == sorted(leaf.path for leaf in found)


@given(Subjects, st.integers(1, 12), st.data())
def test_files_are_the_same_whatever_lay_together_before(
    rows: dict[str, int], most: int, data: st.DataObject
) -> None:
    order = sorted(rows, key=str.encode)
    items = [Item(subject, subject, rows[subject]) for subject in order]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(order) - 1))))) if order else []
    together = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(order)], strict=True)):
        part = items[start:stop]
        if part:
            total = sum(item.rows for item in part)
            together.append(Item(part[0].first, part[-1].last, total, number))

    def subjects_in(item: Item) -> Sequence[Item]:
        return [one for one in items if item.first.encode() <= one.first.encode() <= item.last.encode()]

    def spread(found: Sequence[Item]) -> list[Item]:
        return [one for item in found for one in (subjects_in(item) if item.source is not None else [item])]

    found = leaves(together, most, subjects_in)
    assert [(leaf.path, spread(leaf.items)) for leaf in found] == [
        (leaf.path, list(leaf.items)) for leaf in leaves(items, most)
    ]


def test_divisions_are_of_few_rows() -> None:
    subjects = [f"{n:04x}" for n in range(0, 65536, 64)]
    bounds = boundaries(subjects, rows=1024 * 100, most=13_000)
    places = [0, *(subjects.index(bound) for bound in bounds), len(subjects)]
    sizes = [100 * (stop - start) for start, stop in pairwise(places)]
    assert all(4_000 < size <= 13_000 for size in sizes)
    assert boundaries([], rows=5, most=1) == boundaries(["a"], rows=5, most=1) == []
