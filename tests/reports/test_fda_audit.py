"""The audit report as a document: every part printed, nothing read as markup, the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from medcairn.audit.record import Told
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_json
from medcairn.reports import Table, Tone, render_pdf
from medcairn.reports.fda_audit import fda_audit_document
from medcairn.reports.fda_audit_record import AuditSection, FdaAudit, Listing, Row, Standing
from medcairn.reports.fda_audit_words import cell_text, exact_text, name_text

HOSTILE = '<script>alert(1)</script> #panic("x") $x$ *bold* \\ "quoted" & ≥ µ ü'
DIGEST = digest_json("model")


def record(reason: str = "Agrees with version 1", *, entries: tuple[int, ...] = (12,)) -> FdaAudit:
    move: dict[str, JSON] = {
        "at": "2026-03-01T09:00:00.000000Z", "previous": None, "state": "candidate", "who": "person:ada",
        "authority": "change_control_plan", "reason": reason, "beside_version": None,
    }  # fmt: skip
    beside = {**move, "beside_version": "3"}
    return FdaAudit(
        study="ward",
        model="ward.readmission_30d",
        version="2",
        purpose="Risk of return.",
        dated="2026-03-01T09:00:00.000000Z",
        tree_size=13,
        root_hash="ab" * 32,
        standing=Standing("in shadow", Tone.GOOD, "It passed."),
        sections=(
            AuditSection(
                "identification",
                (
                    Told("model_digest", DIGEST, 12),
                    Told("seed", 20260101, 12),
                    Told("intended_use", None, unknown="study.yaml states none"),
                ),
            ),
            AuditSection(
                "version_history",
                listings=(Listing("transitions", (Row(entries, move), Row((12,), beside)), "none"),),
            ),
            AuditSection("approvals", listings=(Listing("refusals", (), "nothing was refused"),)),
        ),
        limits=("It is not all.",),
        synthetic=True,
    )


def table(audit: FdaAudit, heading: str) -> Table:
    part = next(one for one in fda_audit_document(audit).sections if one.heading == heading)
    return next(block for block in part.blocks if isinstance(block, Table))


def test_each_statement_stands_beside_its_entry_or_the_reason_why_it_is_unknown() -> None:
    assert table(record(), "Identification and intended use").rows == (
        ("Model digest", DIGEST.hex[:16], "12"),
        ("Seed", "20260101", "12"),
        ("Intended use", "unknown: study.yaml states none", ""),
    )


def test_an_entry_that_is_behind_all_rows_is_said_once() -> None:
    alike, different = table(record(), "Version history"), table(record(entries=(7, 3)), "Version history")
    assert alike.caption.endswith("(entry 12)")
    assert alike.columns[-1].title == "Reason"
    assert [row[-1] for row in different.rows] == ["3, 7", "12"]


def test_a_move_beside_another_names_it() -> None:
    rows = table(record(), "Version history").rows
    assert [row[5] for row in rows] == ["Agrees with version 1", "With version 3: Agrees with version 1"]
    assert rows[0][1] == "(none)"


def test_a_typed_reason_is_printed_as_it_stands_and_never_read_as_markup(tmp_path: Path) -> None:
    pdf = render_pdf(fda_audit_document(record(HOSTILE)))
    assert pdf == render_pdf(fda_audit_document(record(HOSTILE)))
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("pdftotext is not installed")
    (tmp_path / "report.pdf").write_bytes(pdf)
    told = subprocess.run(
        [tool, "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    )
    text = "".join(told.stdout.split())
    for word in ("<script>", "#panic", "*bold*", "synthetic"):
        assert word in text
    assert "Lastentry2026-03-0109:00:00UTC" in text


def test_the_record_counts_what_is_unknown() -> None:
    audit = record()
    assert audit.unknown == 1
    assert audit.as_json()["unknown"] == 1
    canonical_json(audit.as_json())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (-0.0406, "−0.041"),
        (4.44e-16, "4.44e−16"),
        (str(DIGEST), DIGEST.hex[:16]),
        ("ab" * 32, "ab" * 8),
        ("2026-03-01T09:00:00.123456Z", "2026-03-01 09:00:00"),
        ("readmission_30d", "readmission_30d"),
        ({"value": 0.7, "low": 0.65, "high": 1, "method": "DeLong"}, "0.700 (0.650 to 1.000)"),
        ({"value": 102.0, "low": 102.0, "high": 102.0, "method": "count"}, "102"),
        ({"unavailable": "there are no rows"}, "not computed: there are no rows"),
        ({"C": 0.005, "warm": False}, "C 0.005; warm no"),
    ],
)
def test_how_a_value_is_shown(value: JSON, shown: str) -> None:
    assert cell_text(value) == shown


def test_settings_are_shown_as_they_are() -> None:
    assert [exact_text(value) for value in (0.05, 10.0, 1e-06, 2000)] == ["0.05", "10", "1e−06", "2,000"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("criteria_pinned_at", "Criteria pinned at"),
        ("auroc", "AUROC"),
        ("performance.auroc", "Performance: AUROC"),
    ],
)
def test_how_a_statement_is_named(name: str, shown: str) -> None:
    assert name_text(name) == shown
