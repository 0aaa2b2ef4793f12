"""Finding PHI in a text or a JSON value, and telling it without its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.identifiers import Finding, IdentifierClass, joined
from medcairn.core.labels import Label
from medcairn.phi.findings import PHI_CLASS_OF, PhiClass, PhiFinding, keyed_hash
from medcairn.phi.prose import is_note, is_prose, paragraphs
from medcairn.phi.readings import cut, decoded, folded, json_in
from medcairn.phi.rules import Rule, Rules, shipped_rules
from medcairn.phi.words import column_class, key_words, taken_apart, vocabulary

SHORTEST_KEY_BYTES = 16

_DEEPEST = 4
_DEEPEST_JSON = 200
_LONGEST_LOCATION = 160
_SHORTEST_NOTE = 50
_LONGEST_HARMLESS = 90
_LONGEST_CUE, _LONGEST_UNDER_CUE = 200, 500
_HARMLESS = re.compile(
    r"(?:-?[0-9]{0,40}\.?[0-9]{0,40}(?:[eE][-+]?[0-9]{1,4})?"
    r"|[0-9a-f]{1,64}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)\Z"
)
"""A number, hexadecimal digits or an instant alone: no finding without a cue, and most of what runs write."""


class PhiDetector:
    """Finds identifiers of persons in texts and JSON values.

    ``key`` keys the hashes of what is found (at least 16 bytes; keep it as a secret is kept).
    ``longest_text`` is how many characters of prose a field may have before it counts as free text.

    What it finds is evidence of PHI and what it does not find is no proof that there is none; ``README.md``
    of this package says what it misses by design. It may be shared between threads.

    Raises :class:`~medcairn.core.errors.UsageError` when the key is too short.
    """

    def __init__(self, key: bytes, *, longest_text: int = 500) -> None:
        if len(key) < SHORTEST_KEY_BYTES:
            raise UsageError("The key of the PHI detector is too short", fewest_bytes=SHORTEST_KEY_BYTES)
        self._key = key
        self._longest_text = longest_text
        self._rules: Rules = shipped_rules()

    def find(self, text: str, *, location: Label, cue: str = "") -> list[PhiFinding]:
        """What ``text`` holds, also within JSON, percent-encoding, HTML entities, escapes and base64 text.

        ``cue`` is the key under which the text stands, where there is one: a number under ``mrn`` is a
        finding, alone it is none. Keys are looked at by a call of their own, as any text.
        """
        search = _Search(self._key, self._rules, self._longest_text)
        search.text(text, location, cue)
        return search.findings()

    def find_in_json(self, value: JSON, *, location: Label) -> list[PhiFinding]:
        """What a JSON value holds, keys too. The location grows: ``params[3].value``.

        A member's value is read under its name as its cue, and so is ``value`` beside ``key`` or ``name``.
        Names that the guard does not know by heart are told by position (``.<2>``): they may be data.
        """
        search = _Search(self._key, self._rules, self._longest_text)
        search.json(value, location, "")
        return search.findings()

    def find_in_document(self, text: str, *, location: Label, longest_paragraph: int) -> list[PhiFinding]:
        """As :meth:`find`, for a part of a document: prose is judged paragraph by paragraph."""
        search = _Search(self._key, self._rules, longest_paragraph, by_paragraph=True)
        search.text(text, location, "")
        return search.findings()

    def find_in_column_names(self, names: Sequence[str], *, location: Label) -> list[PhiFinding]:
        """Columns whose name alone says that they hold identifiers (``ssn``, ``patient_name``, ``dob``),
        and identifiers in the names themselves. Columns are told by position: ``columns[2]``."""
        search = _Search(self._key, self._rules, self._longest_text)
        search.columns(names, location)
        return search.findings()


class _Search:
    """One look at one thing: gathers findings, each once for its place and value."""

    def __init__(self, key: bytes, rules: Rules, longest: int, *, by_paragraph: bool = False) -> None:
        self._key = key
        self._rules = rules
        self._longest = longest
        self._by_paragraph = by_paragraph
        self._found: dict[PhiFinding, None] = {}

    def findings(self) -> list[PhiFinding]:
        return list(self._found)

    def text(self, text: str, location: Label, cue: str, depth: int = 0) -> None:
        """Look at a text in all its readings."""
        head = self._head(cue)
        if not head and len(text) < _LONGEST_HARMLESS and _HARMLESS.match(text):
            return
        text = folded(text)
        for part in cut(text):
            self._patterns(part, location, self._rules.worth_trying(part))
            apart = taken_apart(part)
            if apart != part:
                self._patterns(apart, location, self._rules.worth_trying_under_cues(apart))
        if head:
            start = head + text[:_LONGEST_UNDER_CUE]
            self._patterns(start, location, self._rules.worth_trying(start), after=len(head))
        value = json_in(text)
        if value is not None and depth < _DEEPEST:
            self.json(value, location, cue, depth + 1)
        else:
            self._prose(text, location)
        if depth < _DEEPEST:
            for reading in decoded(text):
                self.text(reading, location, cue, depth + 1)

    def json(self, value: JSON, location: Label, cue: str, depth: int = 0, level: int = 0) -> None:
        """Look at a JSON value."""
        if isinstance(value, str):
            self.text(value, location, cue, depth)
        elif isinstance(value, bool) or value is None:
            return
        elif isinstance(value, (int, float)):
            if cue:
                self.text(str(value), location, cue, depth)
        elif level > _DEEPEST_JSON:
            self._add(PhiClass.FREE_TEXT, location, "too deep to be read")
        elif isinstance(value, Mapping):
            self._members(value, location, cue, depth, level)
        else:
            for place, item in enumerate(value):
                self.json(item, _below(location, f"[{place}]"), cue, depth, level + 1)

    def columns(self, names: Iterable[JSON], location: Label) -> None:
        """Look at the names of a table's columns."""
        for place, name in enumerate(names):
            if isinstance(name, str):
                here = _below(location, f"[{place}]")
                told = column_class(folded(name))
                if told is not None:
                    self._add(told, here, f"column {key_words(name)}")
                self.text(name, here, "")

    def _members(self, value: Mapping[str, JSON], location: Label, cue: str, depth: int, level: int) -> None:
        named = value.get("key", value.get("name"))
        columns = value.get("columns")
        if isinstance(columns, Sequence) and not isinstance(columns, str) and "data" in value:
            self.columns(columns, _below(location, ".columns"))
        for place, (name, item) in enumerate(value.items()):
            shown = f".{name}" if name in vocabulary().shown_keys else f".<{place}>"
            here = _below(location, shown)
            if shown[1] == "<":
                self.text(name, _below(here, "(key)"), "")
            if name == "value" and isinstance(named, str):
                item_cue = named
            else:
                item_cue = cue if name.endswith("Value") else name
            self.json(item, here, item_cue, depth, level + 1)

    def _head(self, cue: str) -> str:
        """A key in words before its value, where one of them is the cue of a rule: ``patient id: ``."""
        if not cue:
            return ""
        words = key_words(cue[:_LONGEST_CUE])
        return "" if self._rules.by_word.keys().isdisjoint(words.split()) else f"{words}: "

    def _patterns(self, text: str, location: Label, rules: list[Rule], *, after: int = 0) -> None:
        found = [
            Finding(start, end, rule.detector.identifier_class, rule.detector.name)
            for rule in rules
            if rule.detector.identifier_class is not None
            for start, end in rule.detector.spans(text)
            if start >= after
        ]
        for finding in joined(self._not_allowed(text, found)):
            kind = PHI_CLASS_OF[finding.identifier_class]
            self._add(kind, location, text[finding.start : finding.end])

    def _not_allowed(self, text: str, found: list[Finding]) -> Iterator[Finding]:
        if not found:
            return
        allowed = [span for pattern in self._rules.allowed for span in pattern.spans(text)]
        for finding in found:
            within = any(start <= finding.start and finding.end <= end for start, end in allowed)
            if not within or finding.identifier_class is IdentifierClass.PERSONAL_DATE:
                yield finding  # a time of birth is written as the times of runs are

    def _prose(self, text: str, location: Label) -> None:
        if len(text) < _SHORTEST_NOTE:
            return
        if is_note(text):
            self._add(PhiClass.FREE_TEXT, location, text)
            return
        for part in paragraphs(text) if self._by_paragraph else (text,):
            if len(part) > self._longest and is_prose(part):
                self._add(PhiClass.FREE_TEXT, location, part)

    def _add(self, kind: PhiClass, location: Label, value: str) -> None:
        self._found[PhiFinding(kind, location, keyed_hash(self._key, kind, value))] = None


def _below(location: Label, step: str) -> Label:
    """The location of a part; one that grew too long stays as it is."""
    return location if len(location) > _LONGEST_LOCATION else Label(location + step)


__all__ = ["SHORTEST_KEY_BYTES", "PhiDetector"]
