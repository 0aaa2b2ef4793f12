"""One process's part of de-identification: lines of NDJSON in, lines or reasons out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import TypeAlias

from medcairn.deid.axis import Axis
from medcairn.deid.compiler import CompiledType, compile_type
from medcairn.deid.crosswalk import PseudonymFamilies
from medcairn.deid.elements import Kinds, Refused
from medcairn.deid.extensions import follow_up_extension, over_89_extension
from medcairn.deid.passage import Passage
from medcairn.deid.policy import Policy
from medcairn.deid.references import Reference
from medcairn.deid.refusals import UNREADABLE, Refusals
from medcairn.deid.straight import Write
from medcairn.deid.tally import Reason, Tally

_BAD_INPUT = (*UNREADABLE, Refused)

Axes: TypeAlias = Mapping[str, Axis]


@dataclass
class ChunkResult:
    """What became of one chunk: its output, the lines in quarantine (from 0), its number of lines, counts.

    ``kept_back`` are the resources in quarantine that references may point to, in published form.
    """

    data: list[bytes] = field(default_factory=list)
    quarantine: list[tuple[int, Reason]] = field(default_factory=list)
    lines: int = 0
    kept_back: set[str] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


class Engine:
    """The second pass under one policy, one set of pseudonyms and one of axes.

    References to the resources in ``gone``, given in published form, do not leave.
    """

    def __init__(
        self,
        policy: Policy,
        pseudonyms: PseudonymFamilies,
        axes: Axes,
        followed_until: date,
        gone: frozenset[str] = frozenset(),
    ) -> None:
        self._axes = axes
        self._passage = Passage()
        self._kinds = Kinds(policy.vocabulary, pseudonyms, self._passage, gone)
        self._over_89 = over_89_extension()
        self._follow_up = follow_up_extension(followed_until)
        self._policy = policy
        self._compiled = cache(self._compile)
        self._refusals = Refusals(policy, pseudonyms)

    def chunk(self, blocks: Iterable[list[bytes]], file_type: str) -> ChunkResult:
        """De-identify lines of a file that is named for ``file_type``. Blank lines are passed over."""
        lost = self._passage.lost = []
        result = ChunkResult()
        kind = self._compiled(file_type)
        tally = result.tally
        for lines in blocks:
            pieces: list[bytes] = []
            refused = range(len(lines)) if kind is None else self._write(lines, kind, pieces)
            tally.left[file_type] += len(pieces)
            tally.read[file_type] += len(pieces)
            for number, reason, kept_back in self._refusals.of(lines, refused, file_type, tally):
                result.quarantine.append((result.lines + number, reason))
                result.kept_back.update(kept_back)
            result.data.append(b"".join(pieces))
            result.lines += len(lines)
        tally.lost.update(lost)
        return result

    def _compile(self, name: str) -> CompiledType[Write] | None:
        resource = self._policy.resources.get(name)
        return None if resource is None else compile_type(resource, self._kinds, self._marks)

    def _write(self, lines: list[bytes], kind: CompiledType[Write], out: list[bytes]) -> Sequence[int]:
        """De-identify resources of one type. Gives the numbers of the lines refused."""
        decode, write, element = kind.decoder.decode, kind.handle, kind.subject
        passage, lost = self._passage, self._passage.lost
        refused: list[int] = []
        axes: dict[object, Axis | None] = {}
        for number, line in enumerate(lines):
            mark = len(lost)
            try:
                value = decode(line)
                if value.id:  # type: ignore[attr-defined]
                    axis = None
                    if element is not None:
                        subject = getattr(value, element)
                        if subject is not None:
                            try:
                                axis = axes[subject if element == "id" else subject.reference]
                            except KeyError:
                                axis = self._axis(subject, axes)
                    if axis is not passage.axis:
                        passage.enter(axis)
                    out.append(write(value))
                    continue
            except _BAD_INPUT:
                pass
            del lost[mark:]
            refused.append(number)
        return refused

    def _marks(self) -> list[bytes]:
        axis = self._passage.axis
        return [self._over_89, self._follow_up] if axis is not None and axis.over_89 else [self._follow_up]

    def _axis(self, subject: str | Reference, axes: dict[object, Axis | None]) -> Axis | None:
        if isinstance(subject, str):
            return self._axes.get(subject)
        found = self._kinds.references.subject(subject)
        axis = None if found is None else self._axes.get(found)
        text = subject.reference
        if text is not None and not text.startswith("urn:"):  # else the declared type decides as well
            axes[text] = axis
        return axis


__all__ = ["Axes", "ChunkResult", "Engine"]
