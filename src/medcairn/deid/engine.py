"""One process's part of de-identification: lines of NDJSON in, lines or reasons out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

import msgspec

from medcairn.deid.axis import Axis, Span
from medcairn.deid.compiler import CompiledType, compile_policy, compile_timeline
from medcairn.deid.elements import Kinds, Refused, Transform, follow_up_extension, over_89_extension
from medcairn.deid.keys import Pseudonyms
from medcairn.deid.policy import Policy
from medcairn.deid.references import Reference, References
from medcairn.deid.tally import Reason, Tally

PATIENT = ("Patient",)
OTHER_TYPE = "other"
"""Stands in counts for a resource type that FHIR R4 does not have."""

_BAD_INPUT = (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError, Refused)

Axes: TypeAlias = Mapping[str, Axis]


class Timeline:
    """The first pass: the span of each subject's records, by the subject's source id."""

    def __init__(self, policy: Policy) -> None:
        self._compiled = compile_timeline(policy)
        self._references = References(Pseudonyms(b"no pseudonym leaves the first pass"), Tally())

    def spans(self, lines: Iterable[bytes]) -> dict[str, Span]:
        """What ``lines`` tell. Lines that cannot be read are left to the second pass to count."""
        spans: dict[str, Span] = {}
        decode, types = self._compiled.decoder.decode, self._compiled.types
        for line in lines:
            try:
                value = decode(line)
            except _BAD_INPUT:
                continue
            kind = types[type(value)]
            subject = _subject(value, kind.subject, self._references)
            if subject is not None:
                span = spans.get(subject)
                if span is None:
                    span = spans[subject] = Span()
                kind.handle(value, span)
        return spans


@dataclass
class ChunkResult:
    """What became of one chunk: its output, the lines in quarantine (from 0), its number of lines, counts."""

    data: bytes
    quarantine: list[tuple[int, Reason]]
    lines: int
    tally: Tally = field(default_factory=Tally)


class Engine:
    """The second pass under one policy, key and set of axes."""

    def __init__(self, policy: Policy, key: bytes, axes: Axes, followed_until: date) -> None:
        self._policy = policy
        self._axes = axes
        self._tally = Tally()
        self._kinds = Kinds(policy.vocabulary, Pseudonyms(key), self._tally)
        self._compiled = compile_policy(policy, self._kinds)
        self._encoder = msgspec.json.Encoder()
        self._over_89 = over_89_extension()
        self._follow_up = follow_up_extension(followed_until)

    def chunk(self, lines: list[bytes], file_type: str) -> ChunkResult:
        """De-identify ``lines`` of a file that is named for ``file_type``. Blank lines are passed over."""
        self._tally.read.clear()
        self._tally.left.clear()
        self._tally.lost.clear()
        self._tally.quarantined.clear()
        kept: list[msgspec.Struct] = []
        quarantine: list[tuple[int, Reason]] = []
        for number, line in enumerate(lines):
            if not line or line.isspace():
                continue
            found = self._resource(line, file_type)
            if isinstance(found, Reason):
                quarantine.append((number, found))
            else:
                kept.append(found)
        self._tally.left[file_type] += len(kept)
        self._tally.read[file_type] += len(kept)
        tally = Tally()
        tally.add(self._tally)
        return ChunkResult(self._encoder.encode_lines(kept), quarantine, len(lines), tally)

    def _resource(self, line: bytes, file_type: str) -> msgspec.Struct | Reason:
        try:
            value = self._compiled.decoder.decode(line)
            kind = self._compiled.types[type(value)]
            if kind.name != file_type:
                return self._refuse(kind.name, Reason.OTHER_TYPE_THAN_FILE)
            if value.id:  # type: ignore[attr-defined]
                self._transform(value, kind)
                return value
            return self._refuse(kind.name, Reason.NO_ID)
        except _BAD_INPUT:
            pass
        return self._refuse(*self._why(line))

    def _transform(self, value: msgspec.Struct, kind: CompiledType[Transform]) -> None:
        """Change ``value`` into what may leave."""
        subject = _subject(value, kind.subject, self._kinds.references)
        axis = None if subject is None else self._axes.get(subject)
        self._kinds.passage.enter(axis)
        kind.handle(value)
        if kind.subject == "id" and not isinstance(value.extension, msgspec.Raw):  # type: ignore[attr-defined]
            marks = [self._over_89] if axis is not None and axis.over_89 else []
            value.extension = [*(value.extension or []), *marks, self._follow_up]  # type: ignore[attr-defined]

    def _refuse(self, name: str, reason: Reason) -> Reason:
        self._tally.read[name] += 1
        self._tally.quarantined[name, reason] += 1
        return reason

    def _why(self, line: bytes) -> tuple[str, Reason]:
        """(type, reason) of a line that the typed decoder refused; its message is never looked at."""
        try:
            value: object = msgspec.json.decode(line)
        except _BAD_INPUT:
            return OTHER_TYPE, Reason.INVALID_JSON
        if not isinstance(value, dict):
            return OTHER_TYPE, Reason.WRONG_SHAPE
        name = value.get("resourceType")
        if not isinstance(name, str) or name not in self._policy.resource_types:
            return OTHER_TYPE, Reason.UNKNOWN_TYPE
        if name not in self._policy.resources:
            return name, Reason.UNKNOWN_TYPE
        if _holds_modifier(value):
            return name, Reason.MODIFIER_EXTENSION
        if value.get("implicitRules") is not None:
            return name, Reason.IMPLICIT_RULES
        if value.get("id") is None:
            return name, Reason.NO_ID
        return name, Reason.WRONG_SHAPE


def _subject(value: msgspec.Struct, element: str | None, references: References) -> str | None:
    """The source id of the patient whom a resource is about."""
    if element is None:
        return None
    if element == "id":
        return getattr(value, "id", None) or None
    reference: Reference | None = getattr(value, element, None)
    return None if reference is None else references.source(reference, PATIENT)


def _holds_modifier(value: object) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("modifierExtension") is not None:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


__all__ = ["OTHER_TYPE", "Axes", "ChunkResult", "Engine", "Timeline"]
