"""NDJSON checked by blocks says what NDJSON checked line by line says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.export.bulkdata.lines import LineCheck
from medcairn.export.ndjson import read_head

FILE = Label("Patient.000.ndjson")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
GOOD = st.builds(
    lambda more, spread: json.dumps(
        {"resourceType": "Patient", "id": "p", "more": more}, ensure_ascii=spread
    ).encode(),
    VALUES,
    st.booleans(),
)
ODD = st.sampled_from(
    [
        b"",
        b"  ",
        b"\r",
        b"{",
        b"}",
        b"{}",
        b"[]",
        b"{}{}",
        b'{"resourceType":"Patient"',
        b'{"resourceType":"Patient","a":{}',
        b'{"resourceType":"Patient","id":3}',
        b'{"resourceType":"Patient","id":"\xff"}',
        b'{"resourceType":"Observation"}',
        b',"resourceType":"Patient"}{"resourceType":"Patient"}',
        b'{"resourceType":"Patient"} \r',
        b'{"resourceType":"Patient"}{"resourceType":"Patient"}',
        b'\xef\xbb\xbf{"resourceType":"Patient"}',
    ]
)


def by_line(text: bytes) -> int | None:
    """The number of resources, None when a line is none: the plain reading of the format."""
    count = 0
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if line and not line.isspace():
            head = read_head(line)
            if head is None or head.resourceType != "Patient":
                return None
            count += 1
    return count


def by_blocks(text: bytes, size: int) -> int | None:
    check = LineCheck(FILE, frozenset({"Patient"}))
    try:
        for start in range(0, len(text), size):
            check.feed(text[start : start + size])
        check.end()
    except DataError:
        return None
    return check.lines


@given(st.lists(GOOD | ODD, max_size=8), st.booleans(), st.integers(1, 200))
def test_blocks_say_what_lines_say(lines: list[bytes], ended: bool, size: int) -> None:
    text = b"\n".join(lines) + (b"\n" if ended else b"")
    assert by_blocks(text, size) == by_line(text)
    assert by_blocks(text, 1 << 20) == by_line(text)


@pytest.mark.parametrize("bad", [0, 1, 700, 1499])
def test_the_line_to_blame_is_found(bad: int) -> None:
    lines = [b'{"resourceType":"Patient","id":"%d"}' % number for number in range(1500)]
    lines[bad] = lines[bad].replace(b"}", b",}")
    check = LineCheck(FILE, frozenset({"Patient"}))
    with pytest.raises(DataError) as caught:
        check.feed(b"\n".join(lines) + b"\n")
    assert caught.value.fields == {"file": FILE, "line": bad + 1}
