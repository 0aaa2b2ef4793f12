"""FHIRPath (N1) as text: to a syntax tree, with the operators that a caller's grammar has.

Below the operators stand unary minus, invocation (.name, .function(...), [index]) and term (literal,
%constant, $this, name, (expression)). The tree says nothing of types; what it means is the caller's matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from medcairn.core.errors import SettingsError


@dataclass(frozen=True)
class Literal:
    """A literal; ``type`` is its FHIR type, ``value`` the text as JSON would hold it."""

    value: str
    type: str


@dataclass(frozen=True)
class Variable:
    """``%name`` or ``$this``."""

    name: str


@dataclass(frozen=True)
class Name:
    """An element, of ``base`` or of the context when there is none."""

    base: Path | None
    name: str


@dataclass(frozen=True)
class Call:
    """A function on ``base``, or on the context."""

    base: Path | None
    name: str
    arguments: tuple[Path, ...]


@dataclass(frozen=True)
class Index:
    """``base[index]``."""

    base: Path
    index: Path


@dataclass(frozen=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: Path
    right: Path


@dataclass(frozen=True)
class Negative:
    """Unary minus."""

    operand: Path


Path: TypeAlias = Literal | Variable | Name | Call | Index | Binary | Negative

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<temporal>@T?\d[0-9T:.+Z-]*)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<variable>%[A-Za-z_][A-Za-z0-9_-]*|%`[^`]+`|\$this\b)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)
    | (?P<operator><=|>=|!=|!~|[=~<>+\-*/&|.()\[\],])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_MOST_NESTED = 30

Grammar: TypeAlias = tuple[tuple[str, ...], ...]
"""The binary operators, loosest level first; those of one level bind to the left."""

SQL_ON_FHIR: Grammar = (
    ("or",),
    ("and",),
    ("=", "!="),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/"),
)
"""What the ViewDefinition specification allows."""

NORMATIVE: Grammar = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "!=", "~", "!~"),
    ("<", "<=", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
"""All of FHIRPath N1. The right side of ``is`` and ``as`` is the :class:`Name` of a type."""


def parse_path(text: str, grammar: Grammar = NORMATIVE) -> Path:
    """The syntax tree of ``text``.

    Raises :class:`SettingsError` with the position of the first character that cannot be read.
    """
    if not isinstance(text, str) or not text.strip():
        raise SettingsError("A FHIRPath expression is empty")
    parser = _Parser(_tokens(text), grammar)
    tree = parser.expression(0)
    parser.end()
    return tree


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise SettingsError("A FHIRPath expression cannot be read", position=position + 1)
        found.append(_Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        position = match.end()
    found.append(_Token("end", "", end))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], grammar: Grammar) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> _Token | None:
        token = self._next
        if token.kind in ("operator", "name") and token.text in texts:
            self._at += 1
            return token
        return None

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            raise self._problem()

    def _problem(self) -> SettingsError:
        return SettingsError("A FHIRPath expression cannot be read", position=self._next.position + 1)

    def end(self) -> None:
        if self._next.kind != "end":
            raise self._problem()

    def expression(self, level: int) -> Path:
        if level == len(self._grammar):
            return self._unary()
        left = self.expression(level + 1)
        while operator := self._take(*self._grammar[level]):
            left = Binary(operator.text, left, self.expression(level + 1))
        return left

    def _unary(self) -> Path:
        if self._take("-"):
            return Negative(self._unary())
        self._take("+")
        return self._invocations(self._term())

    def _invocations(self, base: Path) -> Path:
        while True:
            if self._take("."):
                base = self._member(base)
            elif self._take("["):
                base = Index(base, self._inner())
                self._expect("]")
            else:
                return base

    def _inner(self) -> Path:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise SettingsError("A FHIRPath expression is nested too deep", limit=_MOST_NESTED)
        tree = self.expression(0)
        self._depth -= 1
        return tree

    def _member(self, base: Path | None) -> Path:
        token = self._next
        if token.kind != "name":
            raise self._problem()
        self._at += 1
        name = token.text.strip("`")
        if not self._take("("):
            return Name(base, name)
        arguments: list[Path] = []
        if not self._take(")"):
            arguments.append(self._inner())
            while self._take(","):
                arguments.append(self._inner())
            self._expect(")")
        return Call(base, name, tuple(arguments))

    def _term(self) -> Path:
        token = self._next
        if self._take("("):
            tree = self._inner()
            self._expect(")")
            return tree
        if token.kind == "name" and token.text in ("true", "false"):
            self._at += 1
            return Literal(token.text, "boolean")
        if token.kind == "name":
            return self._member(None)
        if token.kind in ("operator", "end"):
            raise self._problem()
        self._at += 1
        return _leaf(token)


def _leaf(token: _Token) -> Path:
    if token.kind == "string":
        return Literal(_unescaped(token.text[1:-1]), "string")
    if token.kind == "number":
        return Literal(token.text, "decimal" if "." in token.text else "integer")
    if token.kind == "temporal":
        text = token.text[1:]
        if text.startswith("T"):
            return Literal(text[1:], "time")
        return Literal(text.rstrip("T"), "dateTime" if "T" in text else "date")
    return Variable(token.text.replace("`", ""))


def _unescaped(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", replace, text)


__all__ = [
    "NORMATIVE",
    "SQL_ON_FHIR",
    "Binary",
    "Call",
    "Grammar",
    "Index",
    "Literal",
    "Name",
    "Negative",
    "Path",
    "Variable",
    "parse_path",
]
