"""FHIRPath text to a syntax tree, under two grammars."""

from __future__ import annotations

import pytest

from medcairn.core.errors import SettingsError
from medcairn.core.fhirpath import SQL_ON_FHIR, Binary, Literal, Name, Path, parse_path


def shown(path: Path) -> str:
    """A tree of names, literals and operators with all its brackets."""
    match path:
        case Binary(operator, left, right):
            return f"({shown(left)} {operator} {shown(right)})"
        case Name(None, name):
            return name
        case Literal(value, _):
            return value
        case _:
            return "?"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a implies b or c and d", "(a implies (b or (c and d)))"),
        ("a = b in c | d", "((a = b) in (c | d))"),
        ("a | b as C", "(a | (b as C))"),
        ("a < b is C", "(a < (b is C))"),
        ("a & b div c mod d", "(a & ((b div c) mod d))"),
        ("a xor b !~ c", "(a xor (b !~ c))"),
        ("a contains 'x' + 'y'", "(a contains (x + y))"),
    ],
)
def test_operators_bind_as_the_specification_says(text: str, tree: str) -> None:
    assert shown(parse_path(text)) == tree


@pytest.mark.parametrize("text", ["a | b", "a in b", "a is B", "a ~ b", "a & b", "a div b", "a xor b"])
def test_sql_on_fhir_has_fewer_operators(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_path(text, SQL_ON_FHIR)
    assert caught.value.fields == {"position": 3}
