"""Scrubbing the notes of a source folder into one side file. Not Safe Harbor."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import msgspec

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors, write_json
from medcairn.core.identifiers import IdentifierClass
from medcairn.core.labels import Label
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.scrub.harvest import (
    SubjectIndex,
    lines_of,
    source_files,
    subject_identifiers,
    subject_of,
    type_of,
)
from medcairn.deid.scrub.notes import Note, NoteKind, Passed, notes_in, subject_reference
from medcairn.deid.scrub.recall import RecallTally
from medcairn.deid.scrub.scrubber import Known, Scrubber
from medcairn.deid.scrub.subject import SubjectIdentifiers

SCRUBBED_NOTES = "notes.scrubbed.ndjson"
SCRUB_REPORT = "scrub.json"
STATEMENT = (
    "Scrubbed text is not de-identified by Safe Harbor (45 CFR 164.514(b)(2)): a scrub removes what it knows "
    "and what looks like an identifier, and leaves the rest. Treat it as protected health information."
)
ALL_KINDS = frozenset(NoteKind)
_REMEMBERED_SUBJECTS = 64


class Pseudonyms(Protocol):
    """Gives pseudonyms; see :mod:`medcairn.deid.keys` and :mod:`medcairn.deid.crosswalk`."""

    def of(self, resource_type: str, source_id: str) -> str:
        """The pseudonym of ``source_id`` of a resource type."""
        ...


@dataclass(frozen=True)
class ScrubReport:
    """What a scrub did: counts alone.

    ``replaced`` counts placeholders by class; ``passed_over`` texts that were not written, by reason;
    ``known`` says of the identifiers in the records how many stood in the texts and how many are gone,
    counted independently of the scrub. ``safe_harbor`` is always False.
    """

    notes: int
    subjects: int
    by_type: Mapping[str, int]
    replaced: Mapping[IdentifierClass, int]
    passed_over: Mapping[Passed, int]
    known: Mapping[str, JSON]
    safe_harbor: bool = False

    def __post_init__(self) -> None:
        if self.safe_harbor:
            raise UsageError("Scrubbed text is never Safe Harbor")

    def facts(self) -> dict[str, JSON]:
        """The report as JSON, the same for the same inputs."""
        return {
            "safe_harbor": False,
            "statement": STATEMENT,
            "notes": self.notes,
            "subjects": self.subjects,
            "by_type": dict(sorted(self.by_type.items())),
            "replaced": {kind.value: count for kind, count in sorted(self.replaced.items())},
            "passed_over": {reason.value: count for reason, count in sorted(self.passed_over.items())},
            "known_identifiers": dict(self.known),
        }


def scrub_notes(
    source_dir: Path,
    out_dir: Path,
    *,
    pseudonyms: Pseudonyms,
    kinds: frozenset[NoteKind] = ALL_KINDS,
    progress: Progress | None = None,
) -> ScrubReport:
    """Scrub the free texts of the NDJSON files in ``source_dir`` into ``out_dir/notes.scrubbed.ndjson``.

    Each line holds the pseudonyms of the document and the subject, the element's path and the scrubbed
    text, and says that it is not Safe Harbor; ``scrub.json`` is the report. A text whose subject is not known
    in the source is passed over, since nobody's identifiers could be removed from it. Keep ``out_dir`` in the
    PHI zone: what the scrub did not recognise is in it.

    Raises :class:`UsageError` when a folder is missing, the source has no patients, the folders are one, or
    no kind of text is asked for; :class:`DataError` when a file cannot be read; :class:`StorageError` when
    the disk is full.
    """
    progress = progress or NoProgress()
    files = source_files(source_dir)
    if not kinds:
        raise UsageError("No kind of text to scrub was named")
    if out_dir.resolve() == source_dir.resolve():
        raise UsageError("The output folder is the source folder", folder=out_dir)
    with storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with subject_identifiers(source_dir, out_dir, progress=progress) as index:
            run = _Run(index, pseudonyms, kinds)
            progress.begin("Scrub: notes", sum(path.stat().st_size for path in files), "bytes")
            with open(out_dir / SCRUBBED_NOTES, "wb", opener=_private) as stream:
                for path in files:
                    stream.writelines(run.file(path))
                    progress.advance(path.stat().st_size)
    report = run.report()
    write_json(out_dir / SCRUB_REPORT, report.facts())
    return report


class _Run:
    """The state of one run: what is known, and counts."""

    def __init__(self, index: SubjectIndex, pseudonyms: Pseudonyms, kinds: frozenset[NoteKind]) -> None:
        self._pseudonyms = pseudonyms
        self._kinds = kinds
        shared = Known(index.shared())

        @lru_cache(maxsize=_REMEMBERED_SUBJECTS)
        def subject(subject_id: str) -> tuple[SubjectIdentifiers, Scrubber]:
            found = index.of(subject_id)
            return found, Scrubber(found, also=shared)

        self._subject = subject
        self._subjects: set[str] = set()
        self._by_type: Counter[str] = Counter()
        self._replaced: Counter[IdentifierClass] = Counter()
        self._passed: Counter[Passed] = Counter()
        self._recall = RecallTally()

    def file(self, path: Path) -> Iterator[bytes]:
        """The lines of the side file that one source file gives."""
        name = Label(type_of(path))
        marks = (b'"contentType"', b'"note"', b'"conclusion"')
        for _, line in lines_of(path):
            if any(mark in line for mark in marks):
                resource = _resource(line)
                if resource is not None and resource.get("resourceType") == name:
                    yield from self._texts(name, resource)

    def _texts(self, name: Label, resource: dict[str, object]) -> Iterator[bytes]:
        source_id = resource.get("id")
        subject_id = subject_of(subject_reference(resource))
        for note in notes_in(resource, self._kinds):
            if isinstance(note, Passed):
                self._passed[note] += 1
            elif not isinstance(source_id, str) or not source_id:
                self._passed[Passed.NO_ID] += 1
            elif subject_id is None:
                self._passed[Passed.NO_SUBJECT] += 1
            elif not self._subject(subject_id)[0].names:
                self._passed[Passed.SUBJECT_UNKNOWN] += 1
            else:
                yield self._line(name, source_id, subject_id, note)

    def _line(self, name: Label, source_id: str, subject_id: str, note: Note) -> bytes:
        identifiers, scrubber = self._subject(subject_id)
        scrubbed = scrubber.scrub(note.text)
        subject = self._pseudonyms.of("Patient", subject_id)
        self._subjects.add(subject)
        self._by_type[name] += 1
        self._replaced.update(scrubbed.counts)
        self._recall.count(identifiers, note.text, scrubbed.text)
        entry = {
            "document": f"{name}/{self._pseudonyms.of(name, source_id)}",
            "element": note.element,
            "safe_harbor": False,
            "subject": f"Patient/{subject}",
            "text": scrubbed.text,
        }
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"

    def report(self) -> ScrubReport:
        """The counts."""
        return ScrubReport(
            notes=sum(self._by_type.values()),
            subjects=len(self._subjects),
            by_type=dict(self._by_type),
            replaced=dict(self._replaced),
            passed_over=dict(self._passed),
            known=self._recall.facts(),
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _resource(line: bytes) -> dict[str, object] | None:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


__all__ = ["ALL_KINDS", "SCRUBBED_NOTES", "SCRUB_REPORT", "STATEMENT", "ScrubReport", "scrub_notes"]
