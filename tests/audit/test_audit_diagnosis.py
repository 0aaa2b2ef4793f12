"""What became of a list of leaves: one change is named and located, also with later entries behind it."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from medcairn.audit.diagnosis import Change, Difference, difference

from .standalone import DIFFERENCE


def leaves(names: list[str]) -> list[bytes]:
    return [hashlib.sha256(name.encode()).digest() for name in names]


SIZES = st.integers(2, 40)
LATER = st.integers(0, 5)


def told(present: list[str], expected: list[str]) -> Difference | None:
    """By the platform, after the stand-alone verifier said the same."""
    found = difference(b"".join(leaves(present)), b"".join(leaves(expected)))
    alone = DIFFERENCE(leaves(present), leaves(expected), 0)
    assert (found and (_NAMES[found.change], found.first)) == alone
    return found


_NAMES = {
    Change.CUT: "truncation",
    Change.REMOVED: "delete",
    Change.ADDED: "back-dated insert",
    Change.MOVED: "reorder",
    Change.REPLACED: "edit",
}


def history(size: int) -> list[str]:
    return [str(number) for number in range(size)]


def later(count: int) -> list[str]:
    return [f"later {number}" for number in range(count)]


@given(SIZES, LATER)
def test_what_only_goes_on_is_no_change(size: int, more: int) -> None:
    assert told(history(size) + later(more), history(size)) is None


@given(SIZES, LATER, st.data())
def test_an_edit(size: int, more: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 1))
    present = [*history(size)[:place], "other", *history(size)[place + 1 :], *later(more)]
    assert told(present, history(size)) == Difference(Change.REPLACED, place)


@given(SIZES, LATER, st.data())
def test_a_delete(size: int, more: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 2))  # the last one with entries behind looks like an edit of it
    present = [*history(size)[:place], *history(size)[place + 1 :], *later(more)]
    assert told(present, history(size)) == Difference(Change.REMOVED, place)


@given(SIZES, LATER, st.data())
def test_an_insert_also_of_a_copy(size: int, more: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 1))
    new = data.draw(st.sampled_from(["other", *history(size)[:place]]))
    present = [*history(size)[:place], new, *history(size)[place:], *later(more)]
    assert told(present, history(size)) == Difference(Change.ADDED, place)


@given(SIZES, LATER, st.data())
def test_a_reorder(size: int, more: int, data: st.DataObject) -> None:
    one, other = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=2, max_size=2)))
    present = history(size)
    present[one], present[other] = present[other], present[one]
    assert told(present + later(more), history(size)) == Difference(Change.MOVED, one)


@given(SIZES, st.data())
def test_a_cut(size: int, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, size - 1))
    assert told(history(left), history(size)) == Difference(Change.CUT, left)


@given(st.lists(st.sampled_from("abcdef"), max_size=8), st.lists(st.sampled_from("abcdef"), max_size=8))
def test_any_two_lists_part_where_they_part(present: list[str], expected: list[str]) -> None:
    found = told(present, expected)
    parted = next((n for n, name in enumerate(expected) if present[n : n + 1] != [name]), None)
    assert (found.first if found else None) == parted
