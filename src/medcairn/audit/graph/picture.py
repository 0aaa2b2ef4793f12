"""A trail as a picture: plain SVG 1.1 with a title and a description; the same trail gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from medcairn.audit.events import EventType, StoredEvent
from medcairn.audit.graph.layout import Layout, Node, implied, lay_out
from medcairn.audit.trace.trail import Fold, Trail, Use, counted, summary_of
from medcairn.core.errors import UsageError

MOST_BOXES = 150
"""More cannot be read on one picture."""

_BOX, _BEND, _GAP, _ROW = 232, 10, 26, 48
_LEFT, _TOP, _LINE, _PADDING = 28, 104, 16, 9
_CHARACTERS, _SUMMARY_LINES = 35, 3
_INK, _SOFT, _EDGE, _FAINT = "#1b2430", "#55606e", "#55606e", "#c4ccd6"
_FONT = "'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class _Box:
    """What is written in a box, the first line bold, and how it is painted."""

    lines: tuple[str, ...]
    fill: str
    edge: str
    thickness: float
    stacked: bool = False

    @property
    def height(self) -> int:
        return 2 * _PADDING + _LINE * len(self.lines)


_PAINT = {
    "start": ("#dbe6f3", "#1f4e86", 2.0),
    "signed": ("#e7f4ec", "#1a6b3c", 1.2),
    "pinned": ("#fdf3dd", "#7a5200", 1.2),
    "made": ("#ffffff", _EDGE, 1.2),
    "told": ("#f4f6f9", _EDGE, 1.2),
}
_KEY = (
    ("start", "what was asked for"),
    ("made", "made something"),
    ("signed", "e-signature"),
    ("pinned", "fixed beforehand"),
    ("told", "uses it, makes nothing"),
)


def trail_picture(trail: Trail) -> str:
    """The SVG of a trail: sources above, what was made of them below, a fold as a stack.

    Grey edges are uses that a longer way on the picture implies.

    Raises :class:`UsageError` when the trail has more than 150 boxes.
    """
    items: dict[int, StoredEvent | Fold] = {**trail.entries, **{fold.index: fold for fold in trail.folds}}
    if len(items) > MOST_BOXES:
        raise UsageError(
            "This trail has too many entries for one picture",
            hint="Follow one way only, or take --json",
            entries=len(items),
        )
    edges = _edges(trail, items)
    layout = lay_out(items, edges, box_width=_BOX, bend_width=_BEND, gap=_GAP)
    boxes = {index: _box(item, trail) for index, item in items.items()}
    return _Drawing(trail, layout, boxes, implied(edges)).svg()


def _edges(trail: Trail, items: Mapping[int, StoredEvent | Fold]) -> list[tuple[int, int]]:
    def uses(index: int) -> tuple[Use, ...]:
        item = items[index]
        return item.sources if isinstance(item, Fold) else trail.sources.get(index, ())

    drawn = [(use.source, index) for index in items for use in uses(index) if use.source in items]
    return [(source, user) for source, user in drawn if source < user]  # later never made earlier


def _box(item: StoredEvent | Fold, trail: Trail) -> _Box:
    if isinstance(item, Fold):
        lines: tuple[str, ...] = (
            f"{item.count:,} × {item.type.value}",
            f"entries {item.first.index} to {item.last.index}",
            item.first.event.actor,
        )
        return _Box(tuple(_cut(line) for line in lines), *_PAINT["told"], stacked=True)
    event = item.event
    made = [f"{ref.name} {ref.digest.short}" for ref in event.outputs] or [event.type.value]
    place = f"{event.stage}, entry {item.index}" if event.stage else f"entry {item.index}"
    when = f"{event.recorded_at[:19].replace('T', ' ')} UTC"
    lines = (*made, place, when, event.actor, *_wrapped(summary_of(event)))
    return _Box(tuple(_cut(line) for line in lines), *_PAINT[_kind(item, trail)])


def _kind(item: StoredEvent, trail: Trail) -> str:
    if item.index in trail.starts:
        return "start"
    if item.event.type is EventType.RECORD_SIGNED:
        return "signed"
    if item.event.outputs:
        return "made"
    return (
        "pinned"
        if any(use.source == item.index for uses in trail.sources.values() for use in uses)
        else "told"
    )


class _Drawing:
    def __init__(
        self, trail: Trail, layout: Layout, boxes: Mapping[int, _Box], faint: set[tuple[int, int]]
    ) -> None:
        self._trail, self._layout, self._boxes, self._faint = trail, layout, boxes, faint
        rows = max(layout.layer.values(), default=0) + 1
        tallest = [0] * rows
        for index, row in layout.layer.items():
            tallest[row] = max(tallest[row], boxes[index].height)
        self._tops = [_TOP]
        for height in tallest:
            self._tops.append(self._tops[-1] + height + _ROW)
        self._tallest = tallest

    def svg(self) -> str:
        right = max((self._layout.x[index] for index in self._boxes), default=0.0) + _BOX / 2
        width = max(_LEFT * 2 + round(right), 760)
        height = self._tops[-1] - _ROW + 28
        solid = [path for arrow, path in self._layout.paths.items() if arrow not in self._faint]
        faint = [path for arrow, path in self._layout.paths.items() if arrow in self._faint]
        return "\n".join(
            [
                *self._head(width, height),
                *(self._edge(path, _FAINT, "faint") for path in faint),
                *(self._edge(path, _EDGE, "head") for path in solid),
                *(part for index in sorted(self._boxes) for part in self._draw(index)),
                "</svg>\n",
            ]
        )

    def _head(self, width: int, height: int) -> list[str]:
        trail = self._trail
        title = f"Trail of {_cut(trail.identifier, 72)}"
        about = f"Made from {counted(len(trail.back))}; made from it: {counted(trail.forward_count)}."
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" '
            f'font-family="{_FONT}" font-size="11.5" fill="{_INK}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(about)}</desc>",
            f"<defs>{_marker('head', _EDGE)}{_marker('faint', _FAINT)}</defs>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="34" font-size="16" font-weight="bold">{escape(title)}</text>',
            f'<text x="{_LEFT}" y="54" fill="{_SOFT}">{escape(about)}</text>',
            *_key(),
        ]

    def _edge(self, path: Sequence[Node], colour: str, marker: str) -> str:
        points = [self._point(node, last=place == len(path) - 1) for place, node in enumerate(path)]
        drawn = [f"M{points[0][0]} {points[0][2]}"]
        for (x1, _, y1), (x2, y2, through) in pairwise(points):
            bend = (y2 - y1) // 2
            drawn.append(f"C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}")
            if through != y2:
                drawn.append(f"L{x2} {through}")
        return f'<path d="{" ".join(drawn)}" fill="none" stroke="{colour}" marker-end="url(#{marker})"/>'

    def _point(self, node: Node, *, last: bool) -> tuple[int, int, int]:
        """x, where an edge comes in, and where it goes out again."""
        x = _LEFT + round(self._layout.x[node])
        row = self._layout.layer[node] if isinstance(node, int) else node[2]
        top = self._tops[row]
        if last:
            return x, top, top
        return x, top, top + (self._boxes[node].height if isinstance(node, int) else self._tallest[row])

    def _draw(self, index: int) -> list[str]:
        box = self._boxes[index]
        x = _LEFT + round(self._layout.x[index] - _BOX / 2)
        y = self._tops[self._layout.layer[index]]
        paint = f'fill="{box.fill}" stroke="{box.edge}" stroke-width="{box.thickness}"'
        parts = [
            f'<rect x="{x + shift}" y="{y + shift}" width="{_BOX}" height="{box.height}" rx="3" {paint}/>'
            for shift in ((8, 4, 0) if box.stacked else (0,))
        ]
        for number, line in enumerate(box.lines):
            weight = ' font-weight="bold"' if number == 0 else ""
            baseline = y + _PADDING + _LINE * number + 12
            parts.append(f'<text x="{x + 10}" y="{baseline}"{weight}>{escape(line)}</text>')
        return parts


def _key() -> list[str]:
    """What the paints mean, in words beside them."""
    parts: list[str] = []
    x = _LEFT
    for name, meaning in _KEY:
        fill, edge, thickness = _PAINT[name]
        parts.append(
            f'<rect x="{x}" y="67" width="16" height="12" rx="2" fill="{fill}" stroke="{edge}" '
            f'stroke-width="{thickness}"/><text x="{x + 22}" y="77" fill="{_SOFT}">{meaning}</text>'
        )
        x += 40 + round(6.1 * len(meaning))
    return parts


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        f'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{colour}"/></marker>'
    )


def _cut(text: str, characters: int = _CHARACTERS + 2) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _wrapped(text: str) -> list[str]:
    """The first lines of a text, the last of them cut when there would be more."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) <= _SUMMARY_LINES:
        return lines
    return [*lines[: _SUMMARY_LINES - 1], lines[_SUMMARY_LINES - 1] + " …"]


__all__ = ["MOST_BOXES", "trail_picture"]
