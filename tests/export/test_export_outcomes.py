"""What servers say about failures: whether it passes, and what may be shown of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.export.bulkdata.http import Answer
from medcairn.export.bulkdata.outcomes import Outcomes, cleaned, remarks_of


def outcome(code: str, **more: object) -> bytes:
    issue = {"severity": "error", "code": code, **more}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "transient"),
    [
        (200, b"", False),
        (202, b"", False),
        (500, outcome("transient"), True),
        (500, outcome("timeout"), True),
        (500, outcome("throttled"), True),
        (500, outcome("exception"), False),
        (500, outcome("processing"), False),
        (500, b"<html>", True),
        (500, b"", True),
        (400, outcome("transient"), True),
        (404, outcome("not-found"), False),
        (400, b"", False),
        (401, b"", False),
        (408, b"", True),
        (429, outcome("exception"), True),
        (502, b"<html>", True),
        (503, b"", True),
        (504, b"", True),
        (501, b"", False),
    ],
)
def test_what_may_pass(status: int, body: bytes, transient: bool) -> None:
    assert Answer(status, {}, body).transient is transient


@given(st.text())
def test_what_is_shown_is_one_bounded_printable_line(text: str) -> None:
    shown = cleaned(text)
    assert len(shown) <= 300
    assert shown.isprintable()


def test_the_text_of_an_issue_is_shown_once() -> None:
    body = outcome("exception", details={"text": "No \x1b[31mroom"}, diagnostics="No \x1b[31mroom")
    assert remarks_of(body) == ["error: No [31mroom"]
    assert remarks_of(b"<html>") == []
    assert remarks_of(b'{"resourceType":"Patient","issue":[{"diagnostics":"x"}]}') == []


def test_a_flood_of_errors_is_counted_and_not_kept() -> None:
    found = Outcomes()
    for number in range(1000):
        found.add(outcome("exception", diagnostics=f"{number} " + "x" * 10_000))
    assert found.counts == {"error": 1000}
    assert len(found.remarks) == 20
    assert "x" not in repr(found)
