"""The flow as a picture: how many were looked at, how many left at each step and why, and who was left.

Boxes as in the diagrams that CONSORT and RECORD ask for: https://www.record-statement.org, item 13.1. Plain
SVG 1.1 with a title and a description; the same flow gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from medcairn.features.flow import Flow, Step

_MAIN_WIDTH, _SIDE_WIDTH = 330, 300
_LEFT, _GAP, _TOP = 20, 44, 56
_LINE, _PADDING = 18, 11
_INK, _EDGE, _SIDE_FILL, _LAST_FILL = "#1b2430", "#55606e", "#f4f6f9", "#dbe6f3"
_FONT = "'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_CHARACTERS = 42


@dataclass(frozen=True)
class Ending:
    """A box under the last step: a split, or the whole cohort; ``with_outcome`` are rows."""

    name: str
    rows: int
    subjects: int
    with_outcome: int


def flow_diagram(title: str, flow: Flow, endings: Sequence[Ending], *, rows_left_out: int = 0) -> str:
    """The SVG of a flow. ``rows_left_out`` are rows of the cohort that no ending has.

    Counts only: nothing in it is about one subject.
    """
    return _Drawing(title, flow).svg(endings, rows_left_out)


@dataclass
class _Drawing:
    title: str
    flow: Flow
    parts: list[str] = field(default_factory=list)
    y: int = _TOP

    def svg(self, endings: Sequence[Ending], rows_left_out: int) -> str:
        read = [f"{counted(self.flow.subjects_read, 'subject')} in the record"]
        self._box(read, _LEFT, _MAIN_WIDTH)
        for before, step in zip((None, *self.flow.steps), self.flow.steps, strict=False):
            self._step(before, step)
        if rows_left_out:
            self._removed("On the other side of the split date", rows_left_out, None)
        width = self._endings(endings)
        return self._document(width)

    def _step(self, before: Step | None, step: Step) -> None:
        if before is None:
            self._arrow()
            self._box([sentence(step.name), _counts(step.rows, step.subjects)], _LEFT, _MAIN_WIDTH)
            return
        removed = before.rows - step.rows
        if not step.reason and not removed:
            return
        self._removed(step.reason or sentence(step.name), removed, before.subjects - step.subjects)
        if removed:
            self._arrow()
            self._box([_counts(step.rows, step.subjects)], _LEFT, _MAIN_WIDTH)

    def _removed(self, reason: str, rows: int, subjects: int | None) -> None:
        """A side box; a step that took nobody is told in one line."""
        lines = [*_wrapped(reason[:1].upper() + reason[1:]), counted(rows, "row")]
        if subjects:
            lines[-1] += f", and with them {counted(subjects, 'subject')}"
        height = _height(lines)
        middle = self.y + _GAP // 2 + height // 2
        x = _LEFT + _MAIN_WIDTH // 2
        side = _LEFT + _MAIN_WIDTH + _GAP
        self._line(x, self.y, x, self.y + height + _GAP // 2, head=False)
        self._line(x, middle, side, middle, head=True)
        self.y += _GAP // 2
        self._box(lines, side, _SIDE_WIDTH, fill=_SIDE_FILL)

    def _endings(self, endings: Sequence[Ending]) -> int:
        """The last row of boxes, side by side; the width that is needed."""
        whole = 2 * _LEFT + _MAIN_WIDTH + _GAP + _SIDE_WIDTH
        if not endings:
            return whole
        width = min(_MAIN_WIDTH, (whole - 2 * _LEFT - 16 * (len(endings) - 1)) // len(endings))
        x, top = _LEFT + _MAIN_WIDTH // 2, self.y
        centres = [_LEFT + width // 2 + place * (width + 16) for place in range(len(endings))]
        if len(endings) == 1:
            centres = [x]
        self._line(x, top, x, top + _GAP // 2, head=False)
        if len(centres) > 1:
            self._line(centres[0], top + _GAP // 2, max(centres[-1], x), top + _GAP // 2, head=False)
        bottom = top
        for ending, centre in zip(endings, centres, strict=True):
            self._line(centre, top + _GAP // 2, centre, top + _GAP, head=True)
            self.y = top + _GAP
            lines = [sentence(ending.name), _counts(ending.rows, ending.subjects)]
            lines.append(f"{ending.with_outcome:,} with the outcome")
            self._box(lines, centre - width // 2, width, fill=_LAST_FILL)
            bottom = max(bottom, self.y)
        self.y = bottom
        return whole

    def _box(self, lines: Sequence[str], x: int, width: int, *, fill: str = "#ffffff") -> None:
        height = _height(lines)
        self.parts.append(
            f'<rect x="{x}" y="{self.y}" width="{width}" height="{height}" rx="3" fill="{fill}" '
            f'stroke="{_EDGE}"/>'
        )
        for number, line in enumerate(lines):
            baseline = self.y + _PADDING + _LINE * number + 13
            self.parts.append(f'<text x="{x + width // 2}" y="{baseline}">{escape(line)}</text>')
        self.y += height

    def _arrow(self) -> None:
        x = _LEFT + _MAIN_WIDTH // 2
        self._line(x, self.y, x, self.y + _GAP // 2, head=True)
        self.y += _GAP // 2

    def _line(self, x1: int, y1: int, x2: int, y2: int, *, head: bool) -> None:
        end = ' marker-end="url(#head)"' if head else ""
        self.parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_EDGE}"{end}/>')

    def _document(self, width: int) -> str:
        height = self.y + 20
        first, last = self.flow.steps[0], self.flow.steps[-1]
        about = f"Of {first.rows:,} index events {_counts(last.rows, last.subjects)} are in the cohort."
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                f'viewBox="0 0 {width} {height}" role="img" font-family="{_FONT}" font-size="13" '
                f'fill="{_INK}" text-anchor="middle">',
                f"<title>{escape(self.title)}</title>",
                f"<desc>{escape(about)}</desc>",
                '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
                f'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{_EDGE}"/></marker></defs>',
                f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
                f'<text x="{_LEFT}" y="32" font-size="16" font-weight="bold" text-anchor="start">'
                f"{escape(self.title)}</text>",
                *self.parts,
                "</svg>\n",
            ]
        )


def sentence(name: str) -> str:
    """A step's or split's name as the beginning of a sentence."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _counts(rows: int, subjects: int) -> str:
    return f"{counted(rows, 'row')} of {counted(subjects, 'subject')}"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _height(lines: Sequence[str]) -> int:
    return 2 * _PADDING + _LINE * len(lines)


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _CHARACTERS:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


__all__ = ["Ending", "counted", "flow_diagram", "sentence"]
