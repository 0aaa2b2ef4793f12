"""Observations typed by the column: always the rows that the typer has for each line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.lakehouse.silver import build
from medcairn.lakehouse.silver.columnar import cells
from medcairn.lakehouse.silver.columnar.layout import Gap, Kind, Odd, Wanted, layout_of
from medcairn.lakehouse.silver.columnar.layouts import Layouts
from medcairn.lakehouse.silver.columnar.observations import ObservationColumns
from medcairn.lakehouse.silver.parts import part_of, widened
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.shapes import SHAPES
from medcairn.lakehouse.silver.times import micros
from medcairn.lakehouse.silver.typer import Typer

from .lake import Lake
from .resources import LOINC, SNOMED, concept, observation, quantity
from .rich_resources import odd_resources

SHAPE = SHAPES["observation"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WANTED: Wanted = {
    "id": "id",
    "code": "",
    "valueQuantity": {"value": "decimal", "unit": ""},
    "part": [{"n": "decimal"}],
}


def by_line(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    typed: list[Any] = []
    QuickTyper(Typer("Observation")).type(lines, typed.append)
    return rows(widened(SHAPE, part_of(SHAPE, typed))) if typed else []


def by_column(columns: ObservationColumns, lines: Sequence[bytes]) -> tuple[list[dict[str, Any]], list[int]]:
    part, left = columns.part(pa.array([line.decode() for line in lines], pa.string()))
    return rows(widened(SHAPE, part)) if part is not None else [], left.tolist()


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=repr)


def text(resource: dict[str, Any], **how: Any) -> bytes:
    return json.dumps(resource, ensure_ascii=False, **how).encode()


def columns() -> ObservationColumns:
    return ObservationColumns(QuickTyper(Typer("Observation")))


GLUCOSE = observation("2345-7", encounter={"reference": "Encounter/e1"}, valueQuantity=quantity(99, "mg/dL"))
PRESSURE = observation(
    "85354-9",
    component=[
        {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(120.5, "mm[Hg]")},
        {"code": concept((LOINC, "8462-4")), "valueQuantity": quantity(80, "mm[Hg]")},
        {"code": concept((LOINC, "8867-4")), "dataAbsentReason": concept(("http://x", "unknown"))},
    ],
)
PLAIN: dict[str, dict[str, Any]] = {
    "a number": GLUCOSE,
    "a number to convert": {**GLUCOSE, "valueQuantity": quantity(5.5, "mmol/L")},
    "a negative zero": observation("1-1", valueQuantity=quantity(-0.0, "mg/dL")),
    "components": PRESSURE,
    "a period": {
        **{name: value for name, value in GLUCOSE.items() if name != "effectiveDateTime"},
        "effectivePeriod": {"start": "2024-01-01T10:00:00+02:00", "end": "2024-01-02"},
    },
    "an answer": observation("72166-2", valueCodeableConcept=concept((SNOMED, "266919005"))),
    "a panel of nothing": observation("85354-9"),
    "members that nobody reads": {
        **GLUCOSE,
        "note": [{"text": "x", "n": [1, -2.5e3, None, True, {}]}],
        "z": [],
    },
    "no encounter": observation("2345-7", valueQuantity=quantity(99, "mg/dL")),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("how", [{}, {"separators": (",", ":")}, {"indent": 1}])
def test_what_is_plain_is_typed(name: str, how: dict[str, Any]) -> None:
    lines = [
        text({**PLAIN[name], "id": f"o{n}", "issued": f"2024-02-0{n}T10:00:00.5Z"}, **how) for n in (1, 2, 3)
    ]
    assert by_column(columns(), lines) == (by_line(lines), [])


ODD: dict[str, bytes] = {
    "a letter beyond ASCII": text({**GLUCOSE, "id": "é"}),
    "an escape": text({**GLUCOSE, "note": [{"text": "a\nb"}]}),
    "no subject": text({name: value for name, value in GLUCOSE.items() if name != "subject"}),
    "a subject of another type": text({**GLUCOSE, "subject": {"reference": "Group/g1"}}),
    "a subject by address": text({**GLUCOSE, "subject": {"reference": "http://x/Patient/p1"}}),
    "a time without a zone": text({**GLUCOSE, "effectiveDateTime": "2024-01-10T08:00:00"}),
    "a month": text({**GLUCOSE, "effectiveDateTime": "2024-01"}),
    "a day that never was": text({**GLUCOSE, "issued": "2023-02-29T10:00:00Z"}),
    "an implausible number": text({**GLUCOSE, "valueQuantity": quantity(1e6, "mg/dL")}),
    "more digits than a double has": text(GLUCOSE).replace(b"99", b"99.12345678901234567"),
    "an exponent": text(GLUCOSE).replace(b"99", b"9.9e1"),
    "a text for a number": text(GLUCOSE).replace(b"99", b'"99"'),
    "a unit that does not convert": text({**GLUCOSE, "valueQuantity": quantity(99, "mm[Hg]")}),
    "a limit": text({**GLUCOSE, "valueQuantity": {**quantity(99, "mg/dL"), "comparator": "<"}}),
    "a whole number": text(observation("2345-7", valueInteger=3)),
    "a time as its value": text(observation("2345-7", valueDateTime="2024-01-01")),
    "a member twice": text(GLUCOSE).replace(b'"id"', b'"id": "a", "id"', 1),
    "nothing in a list": text({**PRESSURE, "component": []}),
    "an odd component": text({**PRESSURE, "component": [*PRESSURE["component"], None]}),
    "thirty components": text({**PRESSURE, "component": PRESSURE["component"] * 10}),
    "another resource": text({**GLUCOSE, "resourceType": "Patient"}),
    "blanks around it": b" " + text(GLUCOSE) + b" ",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left(name: str) -> None:
    lines = [text(GLUCOSE), ODD[name], text(PRESSURE)]
    mine = columns()
    for _ in range(2):  # what was learned does not change it
        found, left = by_column(mine, lines)
        assert left == [1]
        assert found == by_line([lines[0], lines[2]])


NO_JSON = ["", "{", "null", "[1]", "{}}", '{"id":"o1",}', '{"id":"o1"', '{"id":01}', '{"id":"o1" "x":1}']


@pytest.mark.parametrize("broken", NO_JSON)
def test_what_is_no_json_is_left(broken: str) -> None:
    mine = columns()
    good = text(GLUCOSE, separators=(",", ":"))
    for line in (
        broken.encode(),
        good[:-1],
        good + b"}",
        good.replace(b"99", b"099"),
        good.replace(b"99", b"9."),
    ):
        assert by_column(mine, [good, line])[1] == [1]


VALUES: dict[str, list[Any]] = {
    "id": ["", "o2", "x" * 65, "a_b"],
    "subject": [None, {"reference": "Patient/p2"}, {"reference": "Patient/p2/_history/1"}, {"reference": ""}],
    "effectiveDateTime": [None, "2024", "2024-01-02", "2024-06-30T23:59:60+02:00", "2024-13-01"],
    "issued": [None, "2023-01-01T00:00:00Z", "2025-01-01T00:00:00.123456789Z", "soon"],
    "status": ["final", "entered-in-error", None, 1],
    "valueQuantity": [None, quantity(1e9, "mg/dL"), {"value": 7}, {}, {"unit": "mg/dL"}],
    "component": [None, [], PRESSURE["component"], [{}]],
}


@st.composite
def nearly_plain(draw: st.DrawFn) -> dict[str, Any]:
    """A plain observation, of which up to two members have other values."""
    resource = {**draw(st.sampled_from(list(PLAIN.values())))}
    for name in draw(st.lists(st.sampled_from(list(VALUES)), max_size=2)):
        resource[name] = draw(st.sampled_from(VALUES[name]))
    return resource


@settings(deadline=None, max_examples=60)
@given(st.lists(odd_resources("Observation") | nearly_plain(), min_size=1, max_size=8))
def test_any_observation_has_the_rows_of_its_line(resources: list[dict[str, Any]]) -> None:
    lines = [text(one) for one in (*PLAIN.values(), *resources, *resources)]
    found, left = by_column(columns(), lines)
    assert found
    rest = by_line([lines[place] for place in left])
    assert sorted([*found, *rest], key=repr) == by_line(lines)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
)
def test_times_are_those_of_silver(moment: datetime, minutes: int, precision: str) -> None:
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "Z"
    stated = moment.replace(tzinfo=None).isoformat(timespec=precision) + zone
    data, odd = np.frombuffer(stated.encode() + b"?", np.uint8), np.zeros(1, np.bool_)
    found = cells.times(data, np.array([[0, len(stated)]]), odd)
    assert (found[0], odd[0]) == (micros(stated), False)
    assert found[0] <= (moment - EPOCH) // timedelta(microseconds=1) - minutes * 60_000_000


@given(
    st.text("0123456789-:TZ+.", max_size=32)
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", fullmatch=True)
)
def test_what_silver_takes_for_no_time_is_odd(stated: str) -> None:
    odd = np.zeros(1, np.bool_)
    data = np.frombuffer(stated.encode(errors="replace") + b"?", np.uint8)
    found = cells.times(data, np.array([[0, len(data) - 1]]), odd)
    if stated and not odd[0]:
        assert found[0] == micros(stated)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_numbers_are_the_nearest_doubles(number: Any) -> None:
    stated = format(number, "f")
    odd = np.zeros(1, np.bool_)
    found = cells.decimals(np.frombuffer(stated.encode(), np.uint8), np.array([[0, len(stated)]]), odd)
    assert odd[0] or repr(found[0]) == repr(np.float64(float(stated) + 0.0))
    assert not odd[0] or len(stated.lstrip("-0.").replace(".", "")) > 15


def test_a_layout_has_gaps_where_values_stand() -> None:
    found = layout_of(
        b'{"id": "a", "code": {"x": 1}, "more": [2, "y"], "part": [{"n": 3}, {"n": 4}]}', WANTED
    )
    assert found == [
        b'{"id": "',
        Gap(Kind.STRING, ("id",)),
        b'", "code": {"x": 1}, "more": [',
        Gap(Kind.NUMBER, None),
        b', "',
        Gap(Kind.STRING, None),
        b'"], "part": [{"n": ',
        Gap(Kind.NUMBER, ("part", 0, "n")),
        b'}, {"n": ',
        Gap(Kind.NUMBER, ("part", 1, "n")),
        b"}]}",
    ]


@pytest.mark.parametrize(
    "odd", [b'{"id": 1}', b'{"id": null}', b'{"valueQuantity": []}', b'{"part": {}}', b'{"id": "\\u0041"}']
)
def test_what_has_no_layout(odd: bytes) -> None:
    with pytest.raises(Odd):
        layout_of(odd, WANTED)


def test_layouts_are_told_apart_by_any_letter() -> None:
    texts = [
        b'{"id":"a","code":1}',
        b'{"id":"b","code":12}',
        b'{"id":"c","code":"1"}',
        b'{"id":"d"}',
        b'{"code":1,"id":"e"}',
    ]
    layouts = Layouts({("id",): 0})
    numbers = [layouts.add(layout_of(one, WANTED)) for one in texts]
    data = b"".join(texts)
    ends = np.cumsum([len(one) for one in texts])
    found, spans = layouts.match(np.frombuffer(data, np.uint8), ends - [len(one) for one in texts], ends)
    assert found.tolist() == numbers == [0, 1, 2, 3, 4]
    assert [data[begin:end] for begin, end in spans[:, 0]] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_lake_has_the_same_files_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = [
        {**resource, "id": f"{place}-{n}", "issued": f"2024-02-{n + 1:02}T10:00:00Z"}
        for place, resource in enumerate(PLAIN.values())
        for n in range(20)
    ]
    odd = [json.loads(line) for line in ODD.values()]
    files = []
    for least in (10**9, 1):
        monkeypatch.setattr(build, "_WORTH_COMPILING", least)
        lake = Lake(tmp_path / str(least))
        lake.build(*resources, *({**one, "id": f"odd-{n}"} for n, one in enumerate(odd)))
        files.append(sorted(file.name for file in (lake.silver / "observation").glob("*.parquet")))
    assert files[0] == files[1] != []
