"""The committed table of Part 11 clauses is what the tests' marks make, and no clause is without a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from part11.table import COMMAND, TABLE, clauses, markdown, shown

PARAGRAPHS = {
    # paragraph: how many clauses it has here
    "11.10": 12,
    "11.50": 4,
    "11.70": 1,
    "11.100": 5,
    "11.200": 6,
    "11.300": 5,
}


def test_every_clause_is_listed_once_and_in_order() -> None:
    numbers = [clause.number for clause in clauses()]
    assert len(set(numbers)) == len(numbers) == sum(PARAGRAPHS.values())
    assert {part: sum(n.split("(")[0] == part for n in numbers) for part in PARAGRAPHS} == PARAGRAPHS


@pytest.mark.parametrize("number", [clause.number for clause in clauses()])
def test_every_clause_has_a_test(number: str) -> None:
    assert [one.test for one in shown() if one.clause == number]


def test_no_mark_names_a_clause_that_is_not_listed() -> None:
    assert {one.clause for one in shown()} <= {clause.number for clause in clauses()}


def test_where_software_can_only_support_the_table_says_what_remains() -> None:
    assert [clause.number for clause in clauses() if clause.duty == "supports" and not clause.note] == []


@pytest.mark.part11("11.10(k)(2)")
def test_the_committed_table_is_current() -> None:
    assert TABLE.read_text("utf-8") == markdown(), f"run {COMMAND}"


def test_marks_are_read_from_decorators_and_from_whole_files(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text(
        'import pytest\npytestmark = [pytest.mark.part11("1"), pytest.mark.slow]\n'
        '@pytest.mark.part11("2", "1")\ndef test_x(): ...\nclass TestY:\n    def test_y(self): ...\n'
    )
    (folder / "test_b.py").write_text('import pytest\n@pytest.mark.other("1")\ndef test_z(): ...\n')
    assert [(one.clause, one.test) for one in shown(folder)] == [
        ("1", "test_x"),
        ("2", "test_x"),
        ("1", "test_y"),
    ]


def test_a_mark_whose_clause_is_not_written_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text("import pytest\n@pytest.mark.part11(N)\ndef test_x(): ...\n")
    with pytest.raises(TypeError, match="written out"):
        shown(folder)
