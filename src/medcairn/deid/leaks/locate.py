"""Where in a line an identifier stands: the line is parsed, and each string, key and number judged."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from medcairn.core.labels import Label
from medcairn.core.r4 import resource_types
from medcairn.deid.leaks.codes import Codes
from medcairn.deid.leaks.judge import Classes, Judge
from medcairn.deid.leaks.public import public_words
from medcairn.deid.leaks.report import LeakClass
from medcairn.deid.leaks.sieve import ordinal_of, without_dates
from medcairn.deid.policy import Policy

Found = tuple[int, Label, LeakClass]
"""A line's place, the element's path, the class."""

_MOMENT = re.compile(r"[0-9]{4}(?:-[0-9]{2}){1,2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_OUR_FILE = re.compile(r"([A-Z][A-Za-z]+)(?:\.[0-9]+)?\.ndjson")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_BIRTH = ("birth", "dob")
_IDS = ("reference", "fullurl", "uri", "url")
_SHORTEST_NUMBER = 7
_FRACTIONS = frozenset({LeakClass.COORDINATE})
_WHOLE_NUMBERS = frozenset({LeakClass.IDENTIFIER, LeakClass.PHONE, LeakClass.RESOURCE_ID})
_LIMIT = 50_000
_LONGEST_REMEMBERED = 2_000
_LONGEST_PATH = 200


_Step = tuple[object, str | int]
"""A place in a resource: the step before it (None at the root), and a key or a number from 0."""


class _Leaf(NamedTuple):
    """A text to be judged: a string, a number (of some classes alone) or a key."""

    line: int
    step: _Step
    text: str
    among: frozenset[LeakClass] | None = None


class _Element(NamedTuple):
    """What an element's name says of its text."""

    is_public: bool
    holds_ids: bool
    tells_birth: bool


class Locator:
    """Finds the hits in suspect lines."""

    def __init__(self, judge: Judge, policy: Policy) -> None:
        self._judge = judge
        self._public = public_words(policy)
        self._codes = Codes(policy.vocabulary)
        self._types = resource_types()
        self._judged: dict[str, Classes] = {}
        self._elements: dict[str, _Element] = {}

    def hits(
        self, lines: list[tuple[int, bytes]], *, is_json: bool, tells_births: bool = False
    ) -> list[Found]:
        """The hits in lines, given with their places; each class once for each element, in a fixed order."""
        leaves: list[_Leaf] = []
        found: set[tuple[int, _Step, LeakClass]] = set()
        for place, line in lines:
            value = _parsed(line) if is_json else None
            if isinstance(value, dict | list):
                self._walk(place, value, leaves, found)
            else:
                text = line.decode("utf-8", "replace")
                bare = text if is_json else without_dates(text, self._judge, tells_births)
                leaves.append(_Leaf(place, (None, "line"), bare))
        verdicts = self._verdicts({leaf.text for leaf in leaves})
        for leaf in leaves:
            for leak in verdicts[leaf.text]:
                if leaf.among is None or leak in leaf.among:
                    found.add((leaf.line, leaf.step, leak))
        return sorted({(line, self._path(step), leak) for line, step, leak in found})

    def _verdicts(self, texts: set[str]) -> dict[str, Classes]:
        verdicts = {text: self._judged[text] for text in texts if text in self._judged}
        new = sorted(texts - verdicts.keys())
        verdicts |= zip(new, self._judge.classes(new), strict=True)
        if len(self._judged) > _LIMIT:
            self._judged.clear()
        self._judged |= {text: verdicts[text] for text in new if len(text) <= _LONGEST_REMEMBERED}
        return verdicts

    def _walk(
        self, line: int, root: object, leaves: list[_Leaf], found: set[tuple[int, _Step, LeakClass]]
    ) -> None:
        """Add what is to be judged to ``leaves``, and to ``found`` what its element alone makes a hit."""
        kind = root.get("resourceType") if isinstance(root, dict) else None
        start = kind if isinstance(kind, str) and kind in self._types else "line"
        waiting: list[tuple[_Step, str, object, object]] = [((None, start), "", root, None)]
        while waiting:
            step, key, value, system = waiting.pop()
            if isinstance(value, str):
                leak = self._by_element(value, self._elements.get(key))
                if leak is not None:
                    found.add((line, step, leak))
                elif self._is_judged(value, key, system):
                    leaves.append(_Leaf(line, step, value))
            elif isinstance(value, dict):
                system = value.get("system")
                for name, item in value.items():
                    if not self._element(name).is_public and self._judged.get(name) != ():
                        leaves.append(_Leaf(line, (step, "<key>"), name))
                    waiting.append(((step, name), name, item, system))
            elif isinstance(value, list):
                waiting.extend(((step, at), key, item, system) for at, item in enumerate(value))
            elif isinstance(value, float):
                leaves.append(_Leaf(line, step, repr(value), _FRACTIONS))
            elif isinstance(value, int) and abs(value) >= 10 ** (_SHORTEST_NUMBER - 1):
                leaves.append(_Leaf(line, step, str(abs(value)), _WHOLE_NUMBERS))

    def _element(self, key: str) -> _Element:
        known = self._elements.get(key)
        if known is None:
            small = key.casefold()
            ids, birth = small.endswith("id") or small in _IDS, any(word in small for word in _BIRTH)
            if len(self._elements) > _LIMIT:
                self._elements.clear()
            known = self._elements[key] = _Element(key in self._public, ids, birth)
        return known

    def _by_element(self, text: str, element: _Element | None) -> LeakClass | None:
        """The class of a text that only its element makes an identifier."""
        if element is None:
            return None
        if element.holds_ids and self._judge.short_id(text):
            return LeakClass.RESOURCE_ID
        if element.tells_birth and _MOMENT.fullmatch(text):
            ordinal = ordinal_of(text[:10])
            if ordinal is not None and self._judge.birth_day(ordinal):
                return LeakClass.BIRTH_DATE
        return None

    def _is_judged(self, text: str, key: str, system: object) -> bool:
        if self._judged.get(text) == () or text in self._public or _MOMENT.fullmatch(text):
            return False
        match = _OUR_FILE.fullmatch(text)
        if match is not None and match[1] in self._types:
            return False
        return key != "code" or not self._codes.public(system, text)

    def _path(self, step: _Step) -> Label:
        parts: list[str] = []
        here: object = step
        while isinstance(here, tuple):
            here, key = here
            parts.append(f"[{key}]" if isinstance(key, int) else f".{self._shown(key)}")
        return Label("".join(reversed(parts)).removeprefix(".")[:_LONGEST_PATH])

    def _shown(self, key: str) -> str:
        """A key as a path shows it: not when it holds an identifier, or is no name of an element."""
        if key in self._public or key in ("line", "<key>"):
            return key
        return key if _KEY.fullmatch(key) and not self._verdicts({key})[key] else "<key>"


def _parsed(line: bytes) -> object:
    """The value of a line: a whole one, or a line of JSON that is laid out over several; None for neither."""
    bare = line.strip().rstrip(b",")
    for text in (line, b"{" + bare + b"}", b"[" + bare + b"]"):
        try:
            value: object = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
        return value if isinstance(value, dict | list) else [value]
    return None


__all__ = ["Found", "Locator"]
