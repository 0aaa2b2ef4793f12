"""A report as PDF, set by Typst: tagged, archivable (PDF/A-2a) and accessible (PDF/UA-1)."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import typst

from medcairn.core.canonical import canonical_json
from medcairn.core.errors import DataError
from medcairn.reports.document import Document

if TYPE_CHECKING:
    from typst import PDFStandards

_TEMPLATE = "report.typ"
_STANDARDS: PDFStandards = ["a-2a", "ua-1"]


def render_pdf(document: Document) -> bytes:
    """The PDF's bytes. The same document gives the same bytes on every machine.

    Only the fonts inside the typst wheel are used, the timestamp is the document's ``created_at``, and
    the data travel as one JSON text, so nothing in them is read as markup.

    Raises :class:`DataError` when Typst refuses the document. Its own message is not passed on, because
    it quotes what it was given.
    """
    data = canonical_json(document.as_json()).decode()
    compiled: object = None
    with suppress(RuntimeError, ValueError):
        # A new compiler each time costs 60 ms and keeps no earlier report's text alive.
        compiled = typst.Compiler(ignore_system_fonts=True).compile(
            _source(),
            format="pdf",
            sys_inputs={"data": data},
            pdf_standards=_STANDARDS,
            timestamp=int(document.about.instant.timestamp()),
        )
    if not isinstance(compiled, bytes):
        raise DataError("A report could not be set as PDF")
    return compiled


@cache
def _source() -> bytes:
    return (files("medcairn.reports") / "templates" / _TEMPLATE).read_bytes()


__all__ = ["render_pdf"]
