"""Scrubbing one text: the subject's own identifiers and what the patterns find become placeholders.

This is not Safe Harbor. No scrubber of free text finds everything: misspelt names, nicknames, and people
and places that only the note knows remain. De-identification drops text unless it is asked for this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from medcairn.core.identifiers import Finding, IdentifierClass, IdentifierFinder, joined, shipped_detectors
from medcairn.deid.scrub.subject import Key, SubjectIdentifiers, fold, prefixes

_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*|[0-9]+")
_GAP = 4
_BETWEEN_NAMES = re.compile(r"[\s,.’'-]{0,4}(?:[^\W\d_][.,]?[ ]){0,2}\Z")
_SHOWN_AS = {
    IdentifierClass.PERSONAL_DATE: IdentifierClass.DATE,
    IdentifierClass.PARTIAL_DATE: IdentifierClass.DATE,
    IdentifierClass.URL_WITH_ID: IdentifierClass.URL,
}
_PLACEHOLDER = re.compile(
    "|".join(re.escape(f"[{kind.name}]") for kind in IdentifierClass if kind not in _SHOWN_AS)
)
_CLASSES = frozenset(IdentifierClass) - {IdentifierClass.URL_WITH_ID}


def placeholder(identifier_class: IdentifierClass) -> str:
    """What stands in a scrubbed text for an identifier, such as ``[NAME]``."""
    return f"[{_SHOWN_AS.get(identifier_class, identifier_class).name}]"


@dataclass(frozen=True)
class ScrubbedText:
    """A text after the scrub, and how many identifiers of each class were replaced in it.

    It is **not de-identified by Safe Harbor**: see this module.
    """

    text: str
    counts: Mapping[IdentifierClass, int]


class Scrubber:
    """Scrubs texts about one subject.

    ``also`` are identifiers that belong to every text, such as the clinicians and facilities of a hospital;
    prepare them once with :class:`Known`.
    """

    def __init__(
        self, subject: SubjectIdentifiers, *, also: Known | None = None, patterns: bool = True
    ) -> None:
        self._known = [Known(subject)] + ([also] if also else [])
        self._finder = IdentifierFinder(shipped_detectors(_CLASSES) if patterns else ())

    def scrub(self, text: str) -> ScrubbedText:
        """``text`` with placeholders for identifiers. Placeholders that stand in it already stay."""
        kept = [match.span() for match in _PLACEHOLDER.finditer(text)]
        tokens = [
            (match.start(), match.end(), fold(match[0]))
            for match in _TOKEN.finditer(text)
            if not any(start < match.end() and match.start() < end for start, end in kept)
        ]
        found = [f for f in self._finder.every(text) if not any(s < f.end and f.start < e for s, e in kept)]
        found += [finding for known in self._known for finding in known.find(text, tokens)]
        whole = _names_in_one(text, [_shown(finding) for finding in joined(found)])
        counts = Counter(finding.identifier_class for finding in whole)
        return ScrubbedText(_replaced(text, whole), dict(sorted(counts.items())))


class Known:
    """Identifiers that are known by value, ready to be looked for.

    A text's words are joined, with at most four other marks between two of them, and compared without case,
    accents and punctuation: ``O'Brien, MARÍA`` is the name Maria OBrien, ``(617) 555.0123`` the number
    617-555-0123.
    """

    def __init__(self, identifiers: SubjectIdentifiers) -> None:
        self._keys = identifiers.keys()
        self._prefixes = prefixes(self._keys)

    def find(self, text: str, tokens: list[tuple[int, int, str]]) -> Iterator[Finding]:
        """Where the identifiers stand among the ``tokens`` (start, end, folded) of ``text``."""
        for place, (start, end, joint) in enumerate(tokens):
            if joint not in self._prefixes:
                continue
            yield from self._at(text, start, end, joint)
            for next_start, next_end, word in tokens[place + 1 :]:
                joint += word
                if next_start - end > _GAP or joint not in self._prefixes:
                    break
                end = next_end
                yield from self._at(text, start, end, joint)

    def _at(self, text: str, start: int, end: int, joint: str) -> Iterator[Finding]:
        key: Key | None = self._keys.get(joint)
        if key is not None and (not key.needs_capital or text[start].isupper()):
            if key.identifier_class is IdentifierClass.PHONE:
                start -= _opens_number(text, start, end)
            yield Finding(start, end, key.identifier_class, "known")


def _opens_number(text: str, start: int, end: int) -> bool:
    """Whether the mark before a telephone number is its plus, or the bracket that is closed within it."""
    before = text[start - 1] if start else ""
    return before == "+" or (before == "(" and ")" in text[start:end])


def _shown(finding: Finding) -> Finding:
    kind = _SHOWN_AS.get(finding.identifier_class, finding.identifier_class)
    return Finding(finding.start, finding.end, kind, finding.detector)


def _names_in_one(text: str, findings: Iterable[Finding]) -> list[Finding]:
    """Neighbouring parts of a name, and initials between them, as one name."""
    result: list[Finding] = []
    for finding in findings:
        last = result[-1] if result else None
        if (
            last is not None
            and last.identifier_class is finding.identifier_class is IdentifierClass.NAME
            and _BETWEEN_NAMES.match(text, last.end, finding.start)
        ):
            result[-1] = Finding(last.start, finding.end, last.identifier_class, last.detector)
        else:
            result.append(finding)
    return result


def _replaced(text: str, findings: Iterable[Finding]) -> str:
    parts: list[str] = []
    done = 0
    for finding in findings:
        parts += [text[done : finding.start], placeholder(finding.identifier_class)]
        done = finding.end
    return "".join([*parts, text[done:]])


__all__ = ["Known", "ScrubbedText", "Scrubber", "placeholder"]
