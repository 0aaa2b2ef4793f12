"""Random ViewDefinitions over the elements of :mod:`random_resources`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from medcairn.core.r4 import INTEGERS, PRIMITIVES, TEMPORALS, element_of

from .random_resources import CHOICES, ELEMENTS

REPEATS: Mapping[str, Sequence[Sequence[str]]] = {
    "QuestionnaireResponse": (["item"], ["item", "answer.item"], ["item.where(linkId = 'a')"]),
    "QuestionnaireResponse.item": (["item"], ["answer.item", "item"]),
    "Patient": (["extension"], ["contact.extension"]),
    "HumanName": (["extension"],),
}
LITERALS: Mapping[str, Sequence[str]] = {
    "boolean": ["true", "false"],
    "number": ["0", "1", "7", "1.5", "0.1", "100.0", "-1", "9223372036854775807"],
    "text": ["'a'", "'u'", "''", "'5'", "'\\'${a}'", "%word"],
    "date": ["@2020", "@2020-02-29", "'2020-02'", "%day"],
    "dateTime": ["@2020-02-29T12:34:56Z", "@2020-02-29", "'2020-02-29T11:34:56.7Z'"],
    "instant": ["@2020-02-29T12:34:56Z", "@2020-02"],
    "time": ["@T12:34", "'12:34:56'"],
}
CONSTANTS = [{"name": "word", "valueString": "official"}, {"name": "day", "valueDate": "2020-02-29"}]
_COMPARISONS = ["=", "=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Path:
    """An expression, its type, and whether it may give several items."""

    text: str
    type: str
    many: bool

    def then(self, step: str, type_name: str, many: bool) -> Path:
        """The path with a step more."""
        text = step if self.text in ("", "$this") and not step.startswith("[") else f"{self.text}.{step}"
        return Path(text.replace(".[", "["), type_name, many)


@dataclass
class RandomViews:
    """Makes views on one resource type from one source of chance."""

    random: Random
    resource: str
    _columns: int = 0
    _depth: int = field(default=0)

    def view(self) -> dict[str, Any]:
        """A view that compiles more often than not."""
        self._columns = 0
        view: dict[str, Any] = {
            "resource": self.resource,
            "constant": CONSTANTS,
            "select": [self._select(self.resource, 0) for _ in range(self.random.choice([1, 1, 2]))],
        }
        if self.random.random() < 0.2:
            view["where"] = [{"path": self._condition(self.resource, 0)}]
        return view

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _select(self, type_name: str, depth: int) -> dict[str, Any]:
        select: dict[str, Any] = {}
        if type_name in REPEATS and depth < 3 and self._chance(0.25):
            select["repeat"] = list(self.random.choice(REPEATS[type_name]))
            first = select["repeat"][0]
            type_name = "Extension" if first.endswith("extension") else "QuestionnaireResponse.item"
        elif (depth and self._chance(0.85)) or self._chance(0.3):
            path = self._items(type_name)
            select[self.random.choice(["forEach", "forEachOrNull"])] = path.text
            type_name = path.type
        select["column"] = [self._column(type_name) for _ in range(self.random.choice([1, 1, 2, 3]))]
        if depth < 2 and self._chance(0.35):
            select["select"] = [self._select(type_name, depth + 1)]
        if depth < 2 and self._chance(0.15):
            branch = self._select(type_name, 2)
            select["unionAll"] = [
                branch,
                {"forEachOrNull": self._items(type_name).text, "column": branch["column"]},
            ]
            # The same columns need the same context; a branch that does not fit is refused on every engine.
            if self._chance(0.7):
                select["unionAll"] = [branch, branch]
        return select

    def _items(self, type_name: str) -> Path:
        path = self._walk(Path("", type_name, False), self.random.choice([1, 1, 2, 3]), stop=False)
        return path if path.text else Path("$this", type_name, False)

    def _column(self, type_name: str) -> dict[str, Any]:
        self._columns += 1
        name = f"c{self._columns}"
        if self._chance(0.08):
            return {"name": name, "path": "%rowIndex"}
        path = self._value(type_name)
        column: dict[str, Any] = {"name": name, "path": path.text}
        if (path.many and self._chance(0.9)) or self._chance(0.1):
            column["collection"] = True
        return column

    def _walk(self, path: Path, steps: int, *, stop: bool) -> Path:
        """``path`` some steps on; with ``stop`` until it ends at a primitive, if it can."""
        for _ in range(8 if stop else steps):
            if path.type in PRIMITIVES or path.type not in ELEMENTS:
                break
            path = self._turned(self._step(path))
        return path

    def _step(self, path: Path) -> Path:
        if self._chance(0.02):
            return path.then("unknown", "string", path.many)
        name = self.random.choice(ELEMENTS[path.type])
        element = element_of(path.type, name)
        assert element is not None
        if element.choices:
            kind = self.random.choice(CHOICES[f"{path.type}.{name}"])
            return path.then(f"{name}.ofType({kind})", kind, path.many)
        if element.type == "Resource":
            return path.then(f"{name}.ofType(Organization)", "Organization", True)
        return path.then(name, element.type, path.many or element.many)

    def _turned(self, path: Path) -> Path:
        """Now and then a function that keeps the type."""
        chance = self.random.random()
        if path.many and chance < 0.2:
            return Path(path.text + self.random.choice([".first()", "[0]", "[1]"]), path.type, False)
        if chance < 0.3 and path.type in ELEMENTS and self._depth < 2:
            return path.then(f"where({self._condition(path.type, 1)})", path.type, path.many)
        if chance < 0.38 and path.type != "Resource":
            return path.then(f"extension('{self.random.choice('uv')}')", "Extension", True)
        return path

    def _condition(self, type_name: str, depth: int) -> str:
        self._depth += 1
        path = self._value(type_name, single=True)
        text = path.text
        if path.type != "boolean":
            text = f"{text} {self.random.choice(_COMPARISONS)} {self._literal(path.type)}"
        if depth < 2 and self._chance(0.2):
            text = f"{text} {self.random.choice(['and', 'or'])} {self._condition(type_name, depth + 1)}"
        self._depth -= 1
        return f"({text})" if self._chance(0.1) else text

    def _literal(self, type_name: str) -> str:
        kind = "number" if type_name in INTEGERS | {"decimal"} else type_name
        return self.random.choice(LITERALS.get(kind, LITERALS["text"]))

    def _value(self, type_name: str, *, single: bool = False) -> Path:
        """A path to a primitive, or what a function makes of one."""
        path = self._walk(Path("", type_name, False), 0, stop=True)
        while path.type not in PRIMITIVES:
            path = Path("id" if "id" in ELEMENTS.get(type_name, ()) else "extension.url", "string", True)
        if not path.text:
            path = Path("$this", path.type, path.many)
        path = self._made(path, type_name)
        if single and path.many:
            path = Path(
                f"({path.text}).first()" if " " in path.text else f"{path.text}.first()", path.type, False
            )
        return path

    def _made(self, path: Path, type_name: str) -> Path:
        chance = self.random.random()
        if path.text.endswith("reference") and chance < 0.7:
            base = path.text.removesuffix("reference").removesuffix(".") or "$this"
            return Path(f"{base}.getReferenceKey({self.random.choice(['', 'Patient'])})", "string", path.many)
        if chance < 0.1:
            return Path(f"{path.text}.{self.random.choice(['exists()', 'empty()'])}", "boolean", False)
        if path.type in TEMPORALS | {"decimal"} and chance < 0.5:
            side = self.random.choice(["low", "high"])
            return Path(f"{path.text}.{side}Boundary()", path.type, False) if not path.many else path
        if path.type in INTEGERS | {"decimal"} and not path.many and chance < 0.5:
            operator = self.random.choice("+-*/")
            return Path(f"{path.text} {operator} {self._literal(path.type)}", "decimal", False)
        if path.many and chance < 0.2 and path.type not in INTEGERS | {"decimal", "boolean"}:
            return Path(f"{path.text}.join(',')", "string", False)
        if self._depth == 0 and not path.many and chance < 0.3:
            return Path(self._condition(type_name, 0), "boolean", False)
        return path


__all__ = ["RandomViews"]
