"""Bundles as they come to the bedside: one subject's long record each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import orjson

_OBSERVATION, _PATIENT = "Observation", "Patient"


@dataclass(frozen=True)
class Record:
    """A Bundle, the instant of its last observation, and how many resources and observations it holds."""

    bundle: bytes
    at: datetime
    resources: int
    observations: int


def long_records(files: Sequence[Path], observations: int, subjects: int) -> list[Record]:
    """The records of the subjects whose number of Observations is nearest to so many, brought to so many.

    A longer record is thinned evenly; in a shorter one some resources come twice, the second time
    under an id of their own. A subject's other resources are in the proportion that they had.
    """
    counts = _observations(files)
    nearest = sorted(counts, key=lambda subject: (abs(counts[subject] - observations), subject))[:subjects]
    own = _lines_of(files, nearest)
    return [_record(own[subject], observations / counts[subject]) for subject in nearest]


def longest_record(files: Sequence[Path]) -> Record:
    """The whole record of the subject with the most Observations."""
    counts = _observations(files)
    whose = max(counts, key=lambda subject: (counts[subject], subject))
    return _record(_lines_of(files, [whose])[whose], 1.0)


def _record(lines: dict[str, list[bytes]], factor: float) -> Record:
    """A record ``factor`` times as long."""
    kept = {
        name: own if name == _PATIENT else _evenly(own, max(1, round(len(own) * factor)))
        for name, own in lines.items()
    }
    instants = [orjson.loads(line).get("effectiveDateTime", "") for line in kept[_OBSERVATION]]
    entries = [b'{"resource":%b}' % line for own in kept.values() for line in own]
    return Record(
        b'{"resourceType":"Bundle","type":"collection","entry":[%b]}' % b",".join(entries),
        datetime.fromisoformat(max(instant for instant in instants if "T" in instant)),
        len(entries),
        len(kept[_OBSERVATION]),
    )


def _evenly(lines: Sequence[bytes], many: int) -> list[bytes]:
    """So many of ``lines``, evenly spaced; one that comes again has an id of its own."""
    found, before = [], -1
    for place in (place * len(lines) // many for place in range(many)):
        again = place == before
        found.append(_renamed(lines[place], f"again-{place}") if again else lines[place])
        before = place
    return found


def _renamed(line: bytes, id: str) -> bytes:
    return orjson.dumps({**orjson.loads(line), "id": id})


class _Reference(msgspec.Struct, gc=False):
    reference: str = ""


class _About(msgspec.Struct, gc=False):
    resource_type: str = msgspec.field(name="resourceType")
    id: str
    subject: _Reference | None = None
    patient: _Reference | None = None


def _observations(files: Sequence[Path]) -> Counter[str]:
    """How many Observations each subject has."""
    return Counter(subject for name, subject, _ in _lines(files) if name == _OBSERVATION and subject)


def _lines_of(files: Sequence[Path], subjects: Collection[str]) -> dict[str, dict[str, list[bytes]]]:
    """The lines of each of the subjects, by resource type. No others are kept in memory."""
    found: dict[str, dict[str, list[bytes]]] = {subject: {} for subject in subjects}
    for name, subject, line in _lines(files):
        if subject in found:
            found[subject].setdefault(name, []).append(line)
    return found


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, str, bytes]]:
    """The resources' types, whose they are (or ""), and their texts."""
    decode = msgspec.json.Decoder(_About).decode
    for path in files:
        with path.open("rb") as lines:
            for line in lines:
                about = decode(line)
                of = about.subject or about.patient or _Reference()
                whose = about.id if about.resource_type == _PATIENT else of.reference.removeprefix("Patient/")
                yield about.resource_type, whose, line.rstrip()


__all__ = ["Record", "long_records", "longest_record"]
