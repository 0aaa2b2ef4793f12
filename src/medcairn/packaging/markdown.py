"""A document as Markdown, for reading in a terminal or a repository. Text is escaped, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from medcairn.reports import Block, Bullets, Cell, Document, Paragraph, Status, Table

_SPECIAL = re.compile(r"([\\`*{}\[\]<>|#]|(?<!\w)_|_(?!\w))")
"""What CommonMark could read as markup. An underscore inside a word is none."""


def render_markdown(document: Document) -> str:
    """The document as CommonMark with tables; figures are left out."""
    lines = [f"# {_text(document.title)}", ""]
    lines += [f"**{_text(document.verdict.word)}.** {_text(document.verdict.reason)}", ""]
    for section in document.sections:
        lines += [f"## {_text(section.heading)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield _text(block.text)
    elif isinstance(block, Bullets):
        yield from (f"- {_text(item)}" for item in block.items)
    elif isinstance(block, Table):
        yield _text(block.caption)
        yield ""
        yield _line([column.title for column in block.columns])
        yield "|" + "|".join("---:" if column.align == "right" else "---" for column in block.columns) + "|"
        yield from (_line(row) for row in block.rows)


def _line(cells: Sequence[Cell]) -> str:
    texts = [cell.word if isinstance(cell, Status) else cell for cell in cells]
    return "| " + " | ".join(_text(text) for text in texts) + " |"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


__all__ = ["render_markdown"]
