"""A report as a record: sections of paragraphs, lists, tables and figures.

One record feeds the HTML page and the PDF, so the two cannot say different things. Everything in it is
plain text; neither template reads markup out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.reports.about import ReportAbout


class Tone(StrEnum):
    """How a verdict or a status is shown. Never the only carrier of meaning: words stand beside it."""

    GOOD = "good"
    BAD = "bad"
    CAUTION = "caution"
    NEUTRAL = "neutral"


@dataclass(frozen=True)
class Verdict:
    """The answer of the report: one or two words, and a sentence that says why."""

    word: str
    tone: Tone
    reason: str


@dataclass(frozen=True)
class Status:
    """A word in a table cell that has a tone."""

    word: str
    tone: Tone


Cell: TypeAlias = str | Status


@dataclass(frozen=True)
class Column:
    """A column of a table. ``share`` is its part of the width in the PDF; 0 fits the content."""

    title: str
    align: Literal["left", "right"] = "left"
    share: float = 0.0


@dataclass(frozen=True)
class Table:
    """Rows under column titles. The first cell of a row names the row.

    Raises :class:`UsageError` when a row is longer or shorter than the columns.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise UsageError("A report's table has a row that does not fit its columns")


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG. ``alt`` says in words what it shows; ``width`` is its share of the text width."""

    svg: str
    caption: str
    alt: str
    width: float = 1.0


@dataclass(frozen=True)
class FigureRow:
    """Figures side by side where the page is wide enough."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of plain sentences."""

    items: tuple[str, ...]


Block: TypeAlias = Paragraph | Bullets | Table | Figure | FigureRow


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    about: ReportAbout
    verdict: Verdict
    sections: tuple[Section, ...]

    def as_json(self) -> dict[str, JSON]:
        """What both templates read."""
        about = self.about
        return {
            "title": self.title,
            "study": about.study,
            "purpose": about.purpose,
            "dated": about.instant.strftime("%Y-%m-%d"),
            "facts": [list(fact) for fact in about.facts],
            "digests": [[name, str(digest)] for name, digest in about.digests],
            "notes": list(about.notes),
            "verdict": {
                "word": self.verdict.word,
                "tone": self.verdict.tone.value,
                "reason": self.verdict.reason,
            },
            "sections": [
                {
                    "id": f"section-{number}",
                    "heading": section.heading,
                    "blocks": [_block(block) for block in section.blocks],
                }
                for number, section in enumerate(self.sections, start=1)
            ],
        }


def _block(block: Block) -> dict[str, JSON]:
    if isinstance(block, Paragraph):
        return {"kind": "paragraph", "text": block.text}
    if isinstance(block, Bullets):
        return {"kind": "bullets", "items": list(block.items)}
    if isinstance(block, Table):
        return _table(block)
    figures = block.figures if isinstance(block, FigureRow) else (block,)
    return {"kind": "figures", "figures": [_figure(figure) for figure in figures]}


def _table(table: Table) -> dict[str, JSON]:
    return {
        "kind": "table",
        "caption": table.caption,
        "columns": [
            {"title": column.title, "align": column.align, "share": column.share} for column in table.columns
        ],
        "rows": [_cells(row) for row in table.rows],
    }


def _cells(row: Sequence[Cell]) -> list[JSON]:
    return [
        {"text": cell.word, "tone": cell.tone.value}
        if isinstance(cell, Status)
        else {"text": cell, "tone": ""}
        for cell in row
    ]


def _figure(figure: Figure) -> dict[str, JSON]:
    return {"svg": figure.svg, "caption": figure.caption, "alt": figure.alt, "width": figure.width}


__all__ = [
    "Block",
    "Bullets",
    "Cell",
    "Column",
    "Document",
    "Figure",
    "FigureRow",
    "Paragraph",
    "Section",
    "Status",
    "Table",
    "Tone",
    "Verdict",
]
