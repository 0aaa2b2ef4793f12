"""Reports: records of what is said, one HTML page and one PDF template that print them, and figures."""

from medcairn.reports.about import ReportAbout
from medcairn.reports.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Document,
    Figure,
    FigureRow,
    Paragraph,
    Section,
    Status,
    Table,
    Tone,
    Verdict,
)
from medcairn.reports.page import render_page
from medcairn.reports.pdf import render_pdf

__all__ = [
    "Block",
    "Bullets",
    "Cell",
    "Column",
    "Document",
    "Figure",
    "FigureRow",
    "Paragraph",
    "ReportAbout",
    "Section",
    "Status",
    "Table",
    "Tone",
    "Verdict",
    "render_page",
    "render_pdf",
]
