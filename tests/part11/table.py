"""The table of 21 CFR Part 11 clauses and the tests that show them, read from the tests' own marks.

A test names its clauses with ``@pytest.mark.part11("11.70", …)``, or a whole file with ``pytestmark``. The
files are parsed and not run, so that the table needs nothing installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

MARK = "part11"
TESTS = Path(__file__).resolve().parent.parent
TABLE = TESTS.parent / "docs" / "part11.md"
COMMAND = "python -m tests.part11"

_HEAD = f"""# 21 CFR Part 11: clauses and the tests that show them

Made from the marks in the tests by `{COMMAND}`; do not edit. The words about a clause are ours and no
substitute for the regulation. **Does** means that medcairn does it and the tests are evidence for it.
**Supports** means that the duty is the organisation's, and that software can only help: the note says how,
and the tests show that part alone. Whether an installation meets Part 11 is for its owner to assess.

"""


@dataclass(frozen=True)
class Clause:
    """A clause, in our words, and whose duty it is."""

    number: str
    about: str
    duty: Literal["software", "supports"]
    note: str


@dataclass(frozen=True)
class Shown:
    """A test that names a clause."""

    clause: str
    file: Path
    test: str


def clauses() -> list[Clause]:
    """Every clause, in the regulation's order."""
    rows = yaml.safe_load((Path(__file__).parent / "clauses.yaml").read_text("utf-8"))
    return [Clause(row["clause"], row["about"], row["duty"], row.get("note", "")) for row in rows]


@cache
def shown(tests: Path = TESTS) -> tuple[Shown, ...]:
    """Every mark in every test file below ``tests``, by file and place."""
    found: list[Shown] = []
    for file in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        whole = [number for node in tree.body for number in _of_the_file(node)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                numbers = dict.fromkeys([*whole, *_named(node.decorator_list)])
                found += [Shown(number, file.relative_to(tests.parent), node.name) for number in numbers]
    return tuple(found)


def markdown() -> str:
    """The table as it lies in docs/part11.md."""
    tests = shown()
    lines = ["| Clause | About | medcairn | Tests |", "|---|---|---|---|"]
    for clause in clauses():
        does = "Does" if clause.duty == "software" else "Supports"
        names = [f"`{one.file.as_posix()}`: {one.test}" for one in tests if one.clause == clause.number]
        about = f"{clause.about}. {clause.note}".strip()
        lines.append(f"| {clause.number} | {about} | {does} | {'<br>'.join(names) or '**none yet**'} |")
    return _HEAD + "\n".join(lines) + "\n"


def _of_the_file(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    ):
        marks = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
        yield from _named(marks)


def _named(marks: list[ast.expr]) -> Iterator[str]:
    for mark in marks:
        if (
            isinstance(mark, ast.Call)
            and isinstance(mark.func, ast.Attribute)
            and mark.func.attr == MARK
            and isinstance(mark.func.value, ast.Attribute)
            and mark.func.value.attr == "mark"
        ):
            for number in mark.args:
                if not (isinstance(number, ast.Constant) and isinstance(number.value, str)):
                    raise TypeError("a clause is written out as text where it is marked")
                yield number.value
