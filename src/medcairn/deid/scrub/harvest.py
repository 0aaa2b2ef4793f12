"""The identifiers of each subject, read out of the source when a note about them is at hand.

A first pass notes in which line of which file something stands about whom; the note is a SQLite file that
holds ids and positions, in the folder for work that the caller names, and is deleted at the end. Memory stays
bounded with any number of subjects.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path

import msgspec

from medcairn.core.errors import DataError, MedcairnError, StorageError, UsageError, raise_alone
from medcairn.core.files import storage_errors
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.scrub.subject import PersonName, SubjectIdentifiers

ABOUT: Mapping[str, str] = {
    "Patient": "id",
    "RelatedPerson": "patient",
    "Coverage": "beneficiary",
    "Encounter": "subject",
}
"""The resource types that identify a subject, and the element that says whom."""

_FILE = re.compile(r"(?P<type>[A-Z][A-Za-z]+)(?:\.[0-9]{1,9})?\.ndjson\Z")
_INDEX = "subjects.partial.db"


class _Pointer(msgspec.Struct):
    reference: str | None = None


class _About(msgspec.Struct):
    id: str | None = None
    patient: _Pointer | None = None
    beneficiary: _Pointer | None = None
    subject: _Pointer | None = None


@dataclass
class _Found:
    """Identifiers in the making."""

    names: dict[PersonName, None] = field(default_factory=dict)
    streets: dict[str, None] = field(default_factory=dict)
    cities: dict[str, None] = field(default_factory=dict)
    postal_codes: dict[str, None] = field(default_factory=dict)
    phones: dict[str, None] = field(default_factory=dict)
    emails: dict[str, None] = field(default_factory=dict)
    numbers: dict[str, None] = field(default_factory=dict)
    dates: dict[date, None] = field(default_factory=dict)
    facilities: dict[str, None] = field(default_factory=dict)
    clinicians: dict[PersonName, None] = field(default_factory=dict)

    def frozen(self) -> SubjectIdentifiers:
        return SubjectIdentifiers(**{one.name: tuple(getattr(self, one.name)) for one in fields(self)})


class SubjectIndex:
    """Finds the identifiers of a subject. See :func:`subject_identifiers`."""

    def __init__(self, files: Sequence[Path], database: sqlite3.Connection) -> None:
        self._files = files
        self._database = database
        self._practitioners = {
            identity: _found(resource).names for identity, resource in _all(files, ("Practitioner",))
        }

    def of(self, subject_id: str) -> SubjectIdentifiers:
        """All that the source holds on one subject; nothing when it does not know them.

        Raises :class:`DataError` when a file of the source cannot be read any more.
        """
        rows = self._database.execute(
            "SELECT file, start FROM place WHERE subject = ? ORDER BY file, start", (_stored(subject_id),)
        )
        found = _Found()
        for file, start in rows.fetchall():
            resource = _decoded(_line_at(self._files[file], start))
            if resource is not None:
                _walk(resource, found)
                self._clinicians(resource, found)
        return found.frozen()

    def shared(self) -> SubjectIdentifiers:
        """Names of every practitioner and facility of the source: they may stand in any note."""
        found = _Found()
        for _, resource in _all(self._files, ("Organization", "Location")):
            name = resource.get("name")
            for text in [name, *_strings(resource.get("alias"))]:
                if isinstance(text, str):
                    found.facilities[text] = None
        found.clinicians = {name: None for names in self._practitioners.values() for name in names}
        return found.frozen()

    def _clinicians(self, resource: object, found: _Found) -> None:
        """The names of the practitioners whom a resource refers to."""
        for item in _dicts(resource):
            reference = item.get("reference")
            if isinstance(reference, str) and "Practitioner" in reference:
                for name in self._practitioners.get(reference.rsplit("/", 1)[-1], ()):
                    found.names[name] = None
                display = item.get("display")
                if isinstance(display, str):
                    _spoken_name(display, found)


@contextmanager
def subject_identifiers(
    source_dir: Path, work_dir: Path, *, progress: Progress | None = None
) -> Iterator[SubjectIndex]:
    """The identifiers of the subjects of the NDJSON files in ``source_dir``.

    Read from Patient, RelatedPerson, Coverage and Encounter and from the practitioners whom they name.
    ``work_dir`` belongs in the PHI zone: a file of subject ids and positions is there until the block ends.

    Raises :class:`UsageError` when a folder is missing or holds no patients; :class:`DataError` when a file
    cannot be read; :class:`StorageError` when the disk is full.
    """
    files = source_files(source_dir)
    if not any(type_of(file) == "Patient" for file in files):
        raise UsageError(
            "The source holds no Patient file, so nobody's identifiers are known", folder=source_dir
        )
    path = work_dir / _INDEX
    database: sqlite3.Connection | None = None
    try:
        with storage_errors(), _translated():
            path.unlink(missing_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            database = sqlite3.connect(path, isolation_level=None)
            _fill(database, files, progress or NoProgress())
        yield SubjectIndex(files, database)
    finally:
        if database is not None:
            database.close()
        path.unlink(missing_ok=True)


def source_files(folder: Path) -> list[Path]:
    """The NDJSON files of a folder that are named for a resource type.

    Raises :class:`UsageError` when there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError("There is no such folder to read notes from", folder=folder)
    return sorted(path for path in folder.iterdir() if path.is_file() and type_of(path))


def type_of(path: Path) -> str:
    """The resource type for which a file is named, or an empty text."""
    match = _FILE.match(path.name)
    return "" if match is None else match["type"]


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """(position, line) of each line. Raises :class:`DataError` when the file cannot be read."""
    refused = False
    try:
        with path.open("rb") as stream:
            start = 0
            for line in stream:
                yield start, line
                start += len(line)
    except OSError:
        refused = True
    if refused:
        raise DataError("A source file cannot be read", file=path)


def _line_at(path: Path, start: int) -> bytes:
    line: bytes | None = None
    with contextlib.suppress(OSError), path.open("rb") as stream:
        stream.seek(start)
        line = stream.readline()
    if line is None:
        raise DataError("A source file cannot be read", file=path)
    return line


def _fill(database: sqlite3.Connection, files: Sequence[Path], progress: Progress) -> None:
    read = [path for path in files if type_of(path) in ABOUT]
    progress.begin("Scrub: finding who is who", sum(path.stat().st_size for path in read), "bytes")
    for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", "cache_size = -16384"):
        database.execute(f"PRAGMA {setting}")
    database.execute("CREATE TABLE place (subject BLOB, file INTEGER, start INTEGER)")
    database.execute("BEGIN")
    for number, path in enumerate(files):
        if path in read:
            database.executemany("INSERT INTO place VALUES (?, ?, ?)", _places(path, number))
            progress.advance(path.stat().st_size)
    database.execute("COMMIT")
    database.execute("CREATE INDEX place_subject ON place (subject)")


def _places(path: Path, number: int) -> Iterator[tuple[bytes, int, int]]:
    element = ABOUT[type_of(path)]
    decode = msgspec.json.Decoder(_About).decode
    for start, line in lines_of(path):
        about: _About | None = None
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            about = decode(line)
        if about is not None:
            pointer: _Pointer | None = None if element == "id" else getattr(about, element)
            subject = about.id if element == "id" else subject_of(pointer.reference if pointer else None)
            if subject:
                yield _stored(subject), number, start


def subject_of(reference: str | None) -> str | None:
    """The patient's id that a literal reference names: relative, absolute, versioned or a URN."""
    if not reference or reference.startswith("#") or "?" in reference:
        return None
    return reference.split("/_history/")[0].rsplit("/", 1)[-1].rsplit(":", 1)[-1] or None


def _all(files: Sequence[Path], types: Sequence[str]) -> Iterator[tuple[str, dict[str, object]]]:
    for path in files:
        if type_of(path) in types:
            for _, line in lines_of(path):
                resource = _decoded(line)
                if resource is not None:
                    yield str(resource.get("id")), resource


def _decoded(line: bytes) -> dict[str, object] | None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        value = msgspec.json.decode(line)
        return value if isinstance(value, dict) else None
    return None


def _found(resource: object) -> _Found:
    found = _Found()
    _walk(resource, found)
    return found


def _dicts(value: object) -> Iterator[dict[str, object]]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            yield item
            waiting.extend(reversed(list(item.values())))


def _walk(resource: object, found: _Found) -> None:
    """Everything that identifies, wherever it is nested in a resource."""
    for item in _dicts(resource):
        _name(item, found)
        _place(item, found)
        _contact(item, found)
        for key in ("birthDate", "deceasedDateTime"):
            for text in _strings(item.get(key)):
                with contextlib.suppress(ValueError):
                    found.dates[date.fromisoformat(text[:10])] = None
        for key in ("identifier", "subscriberId"):
            for one in _listed(item.get(key)):
                value = one.get("value") if isinstance(one, dict) else one
                if isinstance(value, str):
                    found.numbers[value] = None


def _name(item: dict[str, object], found: _Found) -> None:
    given, family = tuple(_strings(item.get("given"))), _strings(item.get("family"))
    for last in family or ([""] if given else []):
        found.names[PersonName(given, last)] = None
    for name in _listed(item.get("name")):
        text = name.get("text") if isinstance(name, dict) else None
        if isinstance(text, str):
            _spoken_name(text, found)
    if str(item.get("url")).endswith("mothersMaidenName"):
        for text in _strings(item.get("valueString")):
            found.names[PersonName((), text)] = None


def _spoken_name(text: str, found: _Found) -> None:
    """A name in one text: titles and degrees are left out, and what stands before a comma is the family."""
    bare = re.sub(r"(?<!\w)(?:Mrs?|Ms|Miss|Dr|Prof|MD|DO|RN|NP|PA|PhD|Jr|Sr|II+|IV)(?!\w)\.?", " ", text)
    last, comma, first = (part.strip() for part in bare.partition(","))
    parts = [*first.split(), last] if comma and first else bare.replace(",", " ").split()
    if parts and len(parts) <= 6:
        found.names[PersonName(tuple(parts[:-1]), parts[-1])] = None


def _place(item: dict[str, object], found: _Found) -> None:
    for line in _strings(item.get("line")):
        found.streets[line] = None
    for key in ("city", "district"):
        for city in _strings(item.get(key)):
            found.cities[city] = None
    for code in _strings(item.get("postalCode")):
        found.postal_codes[code] = None
    for key in ("serviceProvider", "location", "managingOrganization"):
        for one in _listed(item.get(key)):
            display = one.get("display") if isinstance(one, dict) else None
            if isinstance(display, str):
                found.facilities[display] = None


def _contact(item: dict[str, object], found: _Found) -> None:
    for value in _strings(item.get("value")):
        if item.get("system") in ("phone", "fax", "sms", "pager"):
            found.phones[value] = None
        elif item.get("system") == "email":
            found.emails[value] = None


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _strings(value: object) -> list[str]:
    return [item for item in _listed(value) if isinstance(item, str)]


def _stored(subject_id: str) -> bytes:
    return subject_id.encode("utf-8", "surrogatepass")


@contextmanager
def _translated() -> Iterator[None]:
    error: MedcairnError | None = None
    try:
        yield
    except sqlite3.Error:
        error = StorageError(
            "The index of subjects cannot be written", hint="Free some space and run it again"
        )
    if error is not None:
        raise_alone(error)


__all__ = [
    "ABOUT",
    "SubjectIndex",
    "lines_of",
    "source_files",
    "subject_identifiers",
    "subject_of",
    "type_of",
]
