"""Observations by the column: the rule of :mod:`medcairn.lakehouse.silver.typed.observation` over arrays.

Only observations that hold nothing unusual are typed here: whole ids, times that are times, numbers that
convert, in a layout that was seen before. Whatever is odd about one of its values, an observation is left to
the typer that reads line by line. The rows are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medcairn.core.silver import TIME
from medcairn.lakehouse import arrays
from medcairn.lakehouse.definitions import definition
from medcairn.lakehouse.silver.columnar import cells
from medcairn.lakehouse.silver.columnar.cells import NO_TIME, Floats
from medcairn.lakehouse.silver.columnar.layout import Gap, Odd, Path, Piece, layout_of
from medcairn.lakehouse.silver.columnar.layouts import Bytes, Flags, Int32s, Int64s, Layouts
from medcairn.lakehouse.silver.parts import Part, profile_table
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.quick_form import Decoding, values_of
from medcairn.lakehouse.silver.shapes import PROFILE, SHAPES
from medcairn.lakehouse.silver.typed import RECIPES, Profile
from medcairn.lakehouse.views.definition import parse_view
from medcairn.lakehouse.views.plan import plan_view

OBSERVATION = "Observation"

_SHAPE = SHAPES["observation"]
_NO_PROFILE = -1
_MOST_COMPONENTS = 24
_ID, _SUBJECT, _ENCOUNTER, _EFFECTIVE, _INSTANT, _START, _END, _ISSUED, _TYPE, _NUMBER = range(10)
_SLOTS: Mapping[Path, int] = {
    ("id",): _ID,
    ("subject", "reference"): _SUBJECT,
    ("encounter", "reference"): _ENCOUNTER,
    ("effectiveDateTime",): _EFFECTIVE,
    ("effectiveInstant",): _INSTANT,
    ("effectivePeriod", "start"): _START,
    ("effectivePeriod", "end"): _END,
    ("issued",): _ISSUED,
    ("valueQuantity", "value"): _NUMBER,
    **{("component", n, "valueQuantity", "value"): _NUMBER + 1 + n for n in range(_MOST_COMPONENTS)},
}
"""Where the values of an observation's own are told of: its number is the last, and then come those of its
components."""
_SHARE = 16
"""Of so many observations one may be read to learn its layout, which takes long."""
_AT_ONCE = 64


class _Rules:
    """What is known of layouts. Each has the values ``first[layout]`` to ``first[layout + 1]``: that of the
    observation, then those of its components. Of a value, numbers from ``low`` to ``high`` stay as they are,
    in rows with the profile ``as_it_is`` (a place among ``profiles``); else the rule of its base is asked."""

    def __init__(self) -> None:
        self.layouts = Layouts(_SLOTS)
        self.first = [0]
        self.bases: list[Profile] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.as_it_is: list[int] = []
        self.is_panel: list[bool] = []
        self.profiles: list[Profile] = []
        self._places: dict[Profile, int] = {}

    def add(self, profiles: Sequence[Profile]) -> None:
        """The values of the layout that was added last."""
        for profile in profiles:
            rule = profile.rule
            self.bases.append(profile)
            self.low.append(rule.low)
            self.high.append(rule.high)
            self.is_panel.append(rule.is_panel)
            self.as_it_is.append(_NO_PROFILE if rule.as_it_is is None else self.place(rule.as_it_is))
        self.first.append(len(self.bases))

    def place(self, profile: Profile) -> int:
        """The place of a profile among ``profiles``."""
        known = self._places.get(profile)
        if known is None:
            known = self._places[profile] = len(self.profiles)
            self.profiles.append(profile)
        return known


@dataclass
class _Resources:
    """Observations in a buffer, an entry each: their spans by slot, and times in µs since 1970 or NO_TIME."""

    data: Bytes
    layout: Int32s
    spans: Int64s
    odd: Flags
    id: Int64s
    subject: Int64s
    encounter: Int64s
    time: Int64s
    known: Int64s


@dataclass
class _Values:
    """The values of observations, an entry each. ``row`` is the place of the observation, ``component`` -1
    or the place of a component in it, ``rule`` the place of what is known, ``number`` NaN for none."""

    row: Int64s
    component: Int64s
    rule: Int64s
    number: Floats


class ObservationColumns:
    """Types observations by the column, with what ``typer`` finds out about new layouts. One a thread."""

    def __init__(self, typer: QuickTyper) -> None:
        plan = plan_view(parse_view(definition(RECIPES[OBSERVATION].view)))
        own = RECIPES[OBSERVATION].shared_from
        self._wanted = {**Decoding(plan, values_of(plan.rows), own).wanted(), "resourceType": ""}
        self._typer = typer
        self._rules = _Rules()
        self._to_spare = 1 << 10

    def part(self, texts: pa.StringArray) -> tuple[Part | None, Int64s]:
        """The typed rows of observations of which one version is known, and the places of those left over."""
        resources = self._resources(texts)
        values = self._values(resources)
        profile, canonical = self._typed(resources, values)
        kept = np.flatnonzero((profile != _NO_PROFILE) & ~resources.odd[values.row])
        left = np.flatnonzero(resources.odd)
        if not len(kept):
            return None, left
        places, numbers = np.unique(profile[kept], return_inverse=True)
        profiles = profile_table(_SHAPE, [self._rules.profiles[place] for place in places.tolist()])
        return Part(_rows(resources, values, kept, canonical, numbers), profiles), left

    def _resources(self, texts: pa.StringArray) -> _Resources:
        data, places = _buffer(texts)
        layout, spans = self._matched(data, places)
        odd = layout < 0
        spans[odd] = 0
        odd |= (spans[:, _ID, 1] == 0) | (spans[:, _SUBJECT, 1] == 0)
        time, known = _times(data, spans, odd)
        return _Resources(
            data,
            layout,
            spans,
            odd,
            cells.ids(data, spans[:, _ID], odd),
            cells.ids(data, spans[:, _SUBJECT], odd, b"Patient/"),
            cells.ids(data, spans[:, _ENCOUNTER], odd, b"Encounter/"),
            time,
            known,
        )

    def _matched(self, data: Bytes, places: Int64s) -> tuple[Int32s, Int64s]:
        """The layouts of texts, after some of those that are new were learned, and their spans."""
        if self._rules.layouts.full:
            self._rules = _Rules()
        begins, ends = places[:-1].copy(), places[1:].copy()
        layout, spans = self._rules.layouts.match(data, begins, ends)
        self._to_spare += len(layout) // _SHARE
        unknown = np.flatnonzero(layout < 0)
        while len(unknown) and self._to_spare > 0 and not self._rules.layouts.full:
            some, unknown = unknown[:_AT_ONCE], unknown[_AT_ONCE:]
            self._to_spare -= len(some)
            self._learn(data[begins[row] : ends[row]].tobytes() for row in some.tolist())
            for rows in (some, unknown):
                layout[rows], spans[rows] = self._rules.layouts.match(data, begins[rows], ends[rows])
            unknown = unknown[layout[unknown] < 0]
        return layout, spans

    def _learn(self, texts: Iterable[bytes]) -> None:
        seen: set[tuple[Piece, ...]] = set()
        for text in texts:
            pieces: tuple[Piece, ...] = ()
            with suppress(Odd):
                pieces = tuple(layout_of(text, self._wanted))
            paths = [piece.path for piece in pieces if isinstance(piece, Gap) and piece.path is not None]
            if not pieces or pieces in seen or not _SLOTS.keys() >= set(paths):
                continue
            seen.add(pieces)
            profiles = self._typer.profiles(text)
            if profiles:
                self._rules.layouts.add(pieces)
                self._rules.add(profiles)

    def _values(self, of: _Resources) -> _Values:
        first = np.array(self._rules.first)
        rows = np.flatnonzero(~of.odd)
        begins = first[of.layout[rows]]
        counts = first[of.layout[rows] + 1] - begins
        ends = np.cumsum(counts)
        place = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        row = np.repeat(rows, counts)
        odd = np.zeros(len(row), np.bool_)
        number = cells.decimals(of.data, of.spans[row, _NUMBER + place], odd)
        of.odd[row[odd]] = True
        return _Values(row, place - 1, np.repeat(begins, counts) + place, number)

    def _typed(self, of: _Resources, values: _Values) -> tuple[Int64s, Floats]:
        """The place of each value's profile, _NO_PROFILE where it says nothing, and its canonical value."""
        rules, canonical = self._rules, values.number.copy()
        low, high, as_it_is = np.array(rules.low), np.array(rules.high), np.array(rules.as_it_is, np.int64)
        plain = (values.number >= low[values.rule]) & (values.number <= high[values.rule])
        profile = np.where(plain, as_it_is[values.rule], _NO_PROFILE)
        # A panel without a value of its own is its components and nothing more.
        silent = np.array(rules.is_panel)[values.rule] & (values.component < 0) & np.isnan(values.number)
        for at in np.flatnonzero(~plain & ~silent & ~of.odd[values.row]).tolist():
            number = float(values.number[at])
            measured = rules.bases[values.rule[at]].rule[None if math.isnan(number) else number]
            if measured.problems:
                of.odd[values.row[at]] = True
                continue
            profile[at] = rules.place(measured.profile)
            canonical[at] = np.nan if measured.canonical is None else measured.canonical
        return profile, canonical


def _buffer(texts: pa.StringArray) -> tuple[Bytes, Int64s]:
    """The letters of texts, and the places between which they stand."""
    _, offsets, letters = texts.buffers()
    places = np.frombuffer(offsets, np.int32)[texts.offset :][: len(texts) + 1]
    return np.frombuffer(letters, np.uint8), places.astype(np.int64)


def _times(data: Bytes, spans: Int64s, odd: Flags) -> tuple[Int64s, Int64s]:
    """When what was observed was so, and when it was known: when issued (else at its end), never before."""
    time = cells.times(data, spans[:, _EFFECTIVE], odd)
    for other in (_INSTANT, _START):
        time = np.where(time == NO_TIME, cells.times(data, spans[:, other], odd), time)
    known = cells.times(data, spans[:, _ISSUED], odd)
    known = np.where(known == NO_TIME, cells.times(data, spans[:, _END], odd), known)
    return time, np.maximum(time, known)


def _rows(of: _Resources, values: _Values, kept: Int64s, canonical: Floats, profile: Int64s) -> pa.Table:
    """The kept values in the table's narrow form."""
    row = values.row[kept]
    number, canonical = values.number[kept], canonical[kept]
    made = {
        "subject_id": cells.texts(of.data, of.subject[row]),
        "observation_id": cells.texts(of.data, of.id[row]),
        "component": arrays.numbers(values.component[kept].astype(np.int32), pa.int32()),
        "encounter_id": cells.texts(of.data, of.encounter[row]),
        "effective_time": arrays.numbers(of.time[row], TIME, of.time[row] == NO_TIME),
        "numeric_value": arrays.numbers(number, pa.float64(), np.isnan(number)),
        "canonical_value": arrays.numbers(canonical, pa.float64(), np.isnan(canonical)),
        "version": arrays.same_number(1, len(kept), pa.int32()),
        "available_time": arrays.numbers(of.known[row], TIME, of.known[row] == NO_TIME),
        "current": arrays.same_bool(True, len(kept)),
        PROFILE.name: arrays.numbers(profile.astype(np.int32), pa.int32()),
    }
    columns = [made[f.name] if f.name in made else pa.nulls(len(kept), f.type) for f in _SHAPE.narrow]
    return pa.Table.from_arrays(columns, schema=_SHAPE.narrow)


__all__ = ["OBSERVATION", "ObservationColumns"]
