"""Documents as page and as PDF: escaping, determinism, archival form, glyphs."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from medcairn.core.digests import digest_bytes
from medcairn.core.errors import DataError, UsageError
from medcairn.reports import (
    Bullets,
    Column,
    Document,
    Figure,
    FigureRow,
    Paragraph,
    ReportAbout,
    Section,
    Status,
    Table,
    Tone,
    Verdict,
    render_page,
    render_pdf,
)
from medcairn.reports.drift_figures import (
    StabilityBar,
    histogram_figure,
    psi_figure,
    quantile_figure,
    volume_figure,
)
from medcairn.reports.performance_figures import GroupInterval, decision_figure, forest_figure, roc_figure

HOSTILE = '<script>alert(1)</script> #panic("x") $x$ *bold* \\ "quoted" & ≥ – ° µ ü'
GRID = np.linspace(0, 1, 30)


def document(text: str = "Plain words.") -> Document:
    about = ReportAbout(
        study="study", purpose=text, model_name="model", model_version="1", algorithm="logistic_regression",
        created_at="2026-11-21T11:00:00+01:00", model_digest=digest_bytes(b"m"), notes=(text,),
    )  # fmt: skip
    figure = roc_figure(
        GRID, GRID**0.5, (GRID, GRID**0.6, GRID**0.4), label="AUROC 0.7", operating_point=None
    )
    table = Table(
        text, (Column("Name", share=1), Column("Value", "right")), ((text, Status("ok", Tone.GOOD)),)
    )
    blocks = (Paragraph(text), Bullets((text, text)), table, figure, FigureRow((figure, figure)))
    return Document("A report", about, Verdict("failed", Tone.BAD, text), (Section("Part", blocks),))


class _Outline(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_page_is_self_contained_and_accessible() -> None:
    page = render_page(document())
    outline = _Outline(page)
    assert not outline.all("script")
    assert not outline.all("iframe")
    assert all(str(link.get("href")).startswith("data:") for link in outline.all("link"))
    assert len(outline.all("img")) == 3
    for image in outline.all("img"):
        assert str(image["src"]).startswith("data:image/svg+xml;base64,")
        assert image["alt"]
    assert outline.all("html")[0]["lang"] == "en"
    assert all(head.get("scope") in {"col", "row"} for head in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table")) == 1
    assert re.search(rb"https?://", page) is None
    assert "Verdict: failed" in outline.words


def test_text_is_never_read_as_markup() -> None:
    outline = _Outline(render_page(document(HOSTILE)))
    assert not outline.all("script")
    assert outline.words.count("<script>alert(1)</script>") >= 6
    assert render_pdf(document(HOSTILE)).startswith(b"%PDF-")


def test_the_same_document_gives_the_same_bytes() -> None:
    assert render_page(document()) == render_page(document())
    assert render_pdf(document()) == render_pdf(document())
    assert render_pdf(document()) != render_pdf(document("Other words."))


def test_a_pdf_says_that_it_is_archivable_accessible_and_in_english() -> None:
    pdf = render_pdf(document())
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in pdf
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"/Lang" in pdf
    assert b"2026-11-21T10:00:00" in pdf


def test_every_glyph_of_a_pdf_is_there_and_every_page_is_numbered(tmp_path: Path) -> None:
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    (tmp_path / "a.pdf").write_bytes(render_pdf(document(HOSTILE)))
    run = subprocess.run([tool, "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True)
    text = run.stdout.decode()
    for glyph in "≥–°µü":
        assert glyph in text
    assert "#panic" in text
    assert re.search(r"Page 1 of \d", text)
    assert digest_bytes(b"m") in text


def test_what_typst_refuses_is_ours_and_says_nothing_of_the_content() -> None:
    broken = Figure("<svg Canary", caption="c", alt="a")
    whole = document()
    with pytest.raises(DataError) as caught:
        render_pdf(replace(whole, sections=(Section("Part", (broken,)),)))
    assert "Canary" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-21", "2026-11-21T10:00:00"])
def test_a_report_needs_an_instant(moment: str) -> None:
    with pytest.raises(UsageError):
        replace(document().about, created_at=moment)


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(UsageError):
        Table("t", (Column("A"), Column("B")), (("only one",),))


def test_figures_are_the_same_bytes_each_time_and_hold_no_text_to_be_set() -> None:
    values = np.linspace(0.1, 0.9, 40)

    def drawn() -> list[Figure]:
        rows = (GroupInterval("sex", "female", (0.7, 0.6, 0.8)), GroupInterval("sex", "male", None))
        return [
            decision_figure(GRID[1:20], GRID[1:20] * 0, GRID[1:20] * 0 - 0.1),
            forest_figure(rows, overall=(0.7, 0.6, 0.8)),
            psi_figure([StabilityBar("one", 0.3, 0.1, True), StabilityBar("two", 0, np.inf, False)], of=2),
            histogram_figure(values, values**2),
            quantile_figure("one", values, values),
            quantile_figure("constant", np.ones(5), np.ones(5)),
            volume_figure([1, 2, 0, 4]),
        ]

    for first, second in zip(drawn(), drawn(), strict=True):
        assert first.svg == second.svg
        assert "<text" not in first.svg
        assert first.alt
