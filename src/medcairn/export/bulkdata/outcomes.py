"""The error files of an export: OperationOutcomes, counted by severity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from medcairn.export.ndjson import blocks_of, lines_of

_SEVERITIES: Final = ("fatal", "error", "warning", "information")
UNREADABLE: Final = "unreadable"
_FAILURES: Final = ("fatal", "error", UNREADABLE)


class _Issue(msgspec.Struct):
    severity: str | None = None


class _Outcome(msgspec.Struct):
    issue: list[_Issue] | None = None


_decode = msgspec.json.Decoder(_Outcome).decode


def count_severities(files: Iterable[Path]) -> dict[str, int]:
    """Issues by severity (``fatal``, ``error``, ``warning``, ``information``).

    A line or severity that cannot be read counts as ``unreadable``: an error that we cannot understand is
    no less an error.
    """
    counts: Counter[str] = Counter()
    for file in files:
        with file.open("rb") as stream:
            for line in lines_of(blocks_of(stream)):
                if line.strip():
                    counts.update(_severities(line))
    return dict(sorted(counts.items()))


def failures(counts: Mapping[str, int]) -> int:
    """How many of the counted issues mean that something was not exported."""
    return sum(counts.get(severity, 0) for severity in _FAILURES)


def _severities(line: bytes) -> list[str]:
    try:
        issues = _decode(line).issue
    except (msgspec.DecodeError, UnicodeDecodeError):
        issues = None
    if not issues:
        return [UNREADABLE]
    return [issue.severity if issue.severity in _SEVERITIES else UNREADABLE for issue in issues]


__all__ = ["UNREADABLE", "count_severities", "failures"]
