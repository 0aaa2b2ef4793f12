"""OperationOutcomes: the error files of an export, and the bodies of answers that say no.

Their text may quote patients. It stays in the PHI zone and is shown to the person who runs the export; no
log, error or ledger entry holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from medcairn.export.ndjson import blocks_of, lines_of

_SEVERITIES: Final = ("fatal", "error", "warning", "information")
UNREADABLE: Final = "unreadable"
_FAILURES: Final = ("fatal", "error", UNREADABLE)
_PASSING: Final = frozenset({"transient", "lock-error", "no-store", "timeout", "incomplete", "throttled"})
_MOST_REMARKS: Final = 20
_LONGEST_REMARK: Final = 300


class _Details(msgspec.Struct):
    text: str | None = None


class _Issue(msgspec.Struct):
    severity: str | None = None
    code: str | None = None
    details: _Details | None = None
    diagnostics: str | None = None


class _Outcome(msgspec.Struct, rename="camel"):
    resource_type: str | None = None
    issue: list[_Issue] | None = None


_decode = msgspec.json.Decoder(_Outcome).decode


@dataclass
class Outcomes:
    """Issues by severity (``fatal``, ``error``, ``warning``, ``information``), and what they say.

    A line or severity that cannot be read counts as ``unreadable``: an error that we cannot understand is no
    less an error. ``remarks`` are the first distinct texts, each of one line and bounded length.
    """

    counts: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list, repr=False)

    def add(self, line: bytes) -> None:
        """One OperationOutcome."""
        for issue in _issues(line) or [_Issue()]:
            severity = issue.severity if issue.severity in _SEVERITIES else UNREADABLE
            self.counts[severity] += 1
            text = _remark(severity, issue)
            if text and text not in self.remarks and len(self.remarks) < _MOST_REMARKS:
                self.remarks.append(text)


def read_outcomes(files: Iterable[Path]) -> Outcomes:
    """What the error files of an export say."""
    found = Outcomes()
    for file in files:
        with file.open("rb") as stream:
            for line in lines_of(blocks_of(stream)):
                if line.strip():
                    found.add(line)
    return found


def remarks_of(body: bytes) -> list[str]:
    """What an answer's body says, nothing when it is no OperationOutcome."""
    found = Outcomes()
    if _issues(body):
        found.add(body)
    return found.remarks


def failures(counts: Mapping[str, int]) -> int:
    """How many of the counted issues mean that something was not exported."""
    return sum(counts.get(severity, 0) for severity in _FAILURES)


def passing(body: bytes) -> bool | None:
    """Whether an OperationOutcome says that its error will pass; None when ``body`` is none.

    The IG: a failure that is not that of the export itself has the issue code ``transient``, under which FHIR
    has ``throttled``, ``timeout`` and more.
    """
    codes = {issue.code for issue in _issues(body)}
    return bool(codes & _PASSING) if codes else None


def cleaned(text: str) -> str:
    """Text of a server as one line for a terminal: nothing that controls it, and not without end."""
    seen = "".join(char if char.isprintable() else " " for char in text[: 4 * _LONGEST_REMARK])
    line = " ".join(seen.split())
    return line if len(line) <= _LONGEST_REMARK else line[: _LONGEST_REMARK - 1] + "…"


def _issues(body: bytes) -> list[_Issue]:
    try:
        outcome = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return outcome.issue or [] if outcome.resource_type in (None, "OperationOutcome") else []


def _remark(severity: str, issue: _Issue) -> str:
    texts = list(dict.fromkeys(cleaned(text) for text in _texts(issue)))
    said = "; ".join(text for text in texts if text)
    return cleaned(f"{severity}: {said}") if said else ""


def _texts(issue: _Issue) -> Iterator[str]:
    if issue.details is not None and issue.details.text:
        yield issue.details.text
    if issue.diagnostics:
        yield issue.diagnostics


__all__ = ["UNREADABLE", "Outcomes", "cleaned", "failures", "passing", "read_outcomes", "remarks_of"]
