"""The first pass: when each subject's records begin, when they were born and when they died."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import TypeAlias

from medcairn.deid.axis import Span
from medcairn.deid.calendar import Calendar
from medcairn.deid.compiler import CompiledType, compile_timeline
from medcairn.deid.policy import Policy
from medcairn.deid.references import PATIENT, Reference, parse_reference
from medcairn.deid.refusals import UNREADABLE
from medcairn.deid.straight import Collect
from medcairn.deid.tally import Loss

_Spans: TypeAlias = defaultdict[str, Span]


class Timeline:
    """Reads dates and subjects, and nothing else, under one policy."""

    def __init__(self, policy: Policy, as_of: date) -> None:
        self._policy = policy
        self._as_of = as_of
        self._calendar = Calendar()
        self._compiled = cache(self._compile)

    def spans(self, lines: Iterable[bytes], file_type: str) -> dict[str, Span]:
        """The span of each subject's records in the ``lines`` of a file, by the subject's source id.

        Lines that cannot be read are left to the second pass to count.
        """
        kind = self._compiled(file_type)
        spans: _Spans = defaultdict(lambda: Span(self._as_of))
        if kind is not None:
            (_patients if kind.subject == "id" else _records)(lines, kind, spans)
        return dict(spans)

    def _compile(self, name: str) -> CompiledType[Collect] | None:
        resource = self._policy.resources.get(name)
        if resource is None or resource.subject is None:
            return None
        return compile_timeline(resource, self._calendar)


def _patients(lines: Iterable[bytes], kind: CompiledType[Collect], spans: _Spans) -> None:
    for line in lines:
        try:
            value = kind.decoder.decode(line)
        except UNREADABLE:
            continue
        source_id: str | None = getattr(value, "id", None)
        if source_id:
            kind.handle(value, spans[source_id])


def _records(lines: Iterable[bytes], kind: CompiledType[Collect], spans: _Spans) -> None:
    by_text: dict[str | None, Span] = {}
    decode, collect, element = kind.decoder.decode, kind.handle, str(kind.subject)
    for line in lines:
        try:
            value = decode(line)
        except UNREADABLE:
            continue
        reference: Reference | None = getattr(value, element, None)
        if reference is None:
            continue
        span = by_text.get(reference.reference)
        if span is None:
            found = parse_reference(reference.reference or "", reference.type, PATIENT)
            if isinstance(found, Loss) or found[0] not in PATIENT:
                continue
            span = spans[found[1]]
            if not str(reference.reference).startswith("urn:"):  # else the declared type decides as well
                by_text[reference.reference] = span
        collect(value, span)


__all__ = ["Timeline"]
