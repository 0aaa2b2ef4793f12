"""Random pseudonyms, and the crosswalk that remembers whose they are.

The crosswalk is a SQLite file of mode 0600 in the PHI zone: (resource type, source id, pseudonym). A run
looks known ids up. For each new id it derives a pseudonym from a secret that was drawn for this run
(HMAC-SHA256 as a pseudorandom function), so that every process gets the same one without asking another;
the pair is noted in a file beside the crosswalk, all notes are taken in at the end in one transaction, and
the secret is forgotten. From then on a pseudonym is a random number: nothing but the crosswalk leads back.

A run that dies leaves the crosswalk as it was. Its notes are deleted by the next one, and its secret died
with it, so what it may have written beside the final folder belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.deid.crosswalk_file import CrosswalkFile, make_crosswalk_file
from medcairn.deid.crosswalk_notes import NoteWriter, read_notes
from medcairn.deid.keys import KEY_BYTES, Pseudonyms, checked_key, key_id

_PSEUDONYM = re.compile(r"[0-9A-Fa-f]{32}\Z")

REMEMBERED = 10_000
"""Pseudonyms of one type that a process keeps in memory before it forgets them all."""


class PseudonymFamilies(Protocol):
    """What de-identification asks for pseudonyms: :class:`Pseudonyms` or :class:`RandomPseudonyms`."""

    def of(self, resource_type: str, source_id: str) -> str:
        """The pseudonym of ``source_id`` of a resource type."""
        ...

    def family(self, resource_type: str) -> Callable[[str], str]:
        """What gives the pseudonyms of one resource type."""
        ...


class PseudonymPlan(Protocol):
    """How each process of a run comes by its pseudonyms. Can be pickled."""

    def open(self) -> PseudonymFamilies:
        """The pseudonyms, in the process that uses them."""
        ...

    def facts(self) -> dict[str, JSON]:
        """How the pseudonyms are made, for the report."""
        ...


@dataclass(frozen=True)
class HmacPlan:
    """Pseudonyms derived from a key that is kept: the default."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        checked_key(self.key)

    def open(self) -> Pseudonyms:
        """The pseudonyms under the key."""
        return Pseudonyms(self.key)

    def facts(self) -> dict[str, JSON]:
        """The method, and the key's fingerprint."""
        return {"pseudonyms": "hmac", "key_id": key_id(self.key)}


@dataclass(frozen=True)
class KeyRun:
    """A run under a key that is kept: nothing has to be remembered. Stands where a crosswalk's run may."""

    plan: HmacPlan

    def keep(self) -> None:
        """Nothing to do: the key is what remembers."""


@dataclass(frozen=True)
class RandomPlan:
    """Pseudonyms from a crosswalk, and new ones from this run's secret."""

    file: Path
    notes: Path
    crosswalk_id: Label
    secret: bytes = field(repr=False)

    def open(self) -> RandomPseudonyms:
        """The pseudonyms, with a file of notes for this process."""
        return RandomPseudonyms(self)

    def facts(self) -> dict[str, JSON]:
        """The method, and a number that tells one crosswalk from another."""
        return {"pseudonyms": "random", "crosswalk_id": self.crosswalk_id}


class RandomPseudonyms:
    """One process's part: looks known ids up, derives pseudonyms for new ones and notes them."""

    def __init__(self, plan: RandomPlan) -> None:
        self._file = CrosswalkFile(plan.file, unchanging=True)
        self._fresh = Pseudonyms(plan.secret)
        self._notes = NoteWriter(plan.notes)
        self._families: dict[str, Callable[[str], str]] = {}

    def of(self, resource_type: str, source_id: str) -> str:
        """The pseudonym of ``source_id`` of a resource type."""
        return self.family(resource_type)(source_id)

    def family(self, resource_type: str) -> Callable[[str], str]:
        """What gives the pseudonyms of one resource type."""
        if resource_type not in self._families:
            self._families[resource_type] = self._family(resource_type)
        return self._families[resource_type]

    def _family(self, resource_type: str) -> Callable[[str], str]:
        remembered: dict[str, str] = {}
        fresh = self._fresh.family(resource_type)
        known = self._file.finder(resource_type) if self._file.holds(resource_type) else None
        note = self._notes.writer(resource_type)

        def pseudonym(source_id: str) -> str:
            found = remembered.get(source_id)
            if found is None:
                stored = source_id.encode("utf-8", "surrogatepass")
                found = None if known is None else known(stored)
                if found is None:
                    found = fresh(source_id)
                    note(stored, found)
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
                remembered[source_id] = found
            return found

        return pseudonym


@dataclass(frozen=True)
class CrosswalkReport:
    """How many ids the crosswalk knew before a run, and how many the run added."""

    crosswalk_id: Label
    known: int
    added: int

    def facts(self) -> dict[str, JSON]:
        """The report as JSON."""
        return {"crosswalk_id": self.crosswalk_id, "known": self.known, "added": self.added}


class CrosswalkRun:
    """A crosswalk that one run holds. See :func:`hold_crosswalk`."""

    def __init__(self, path: Path, file: CrosswalkFile) -> None:
        self._path, self._file = path, file
        self._notes = _notes_of(path)
        self.plan = RandomPlan(path, self._notes, file.crosswalk_id, secrets.token_bytes(KEY_BYTES))

    def keep(self) -> CrosswalkReport:
        """Take the run's new pairs in, in one transaction. To be done before its output is released.

        Raises :class:`IntegrityError` when a new pseudonym is another source's already, which chance gives
        less often than once in 10²⁰ runs.
        """
        before = self._file.count()
        self._file.add(read_notes(self._notes))
        return CrosswalkReport(self._file.crosswalk_id, before, self._file.count() - before)


@contextmanager
def hold_crosswalk(path: Path, *, out_dir: Path, source_dir: Path) -> Iterator[CrosswalkRun]:
    """The crosswalk in the file ``path``, made when absent, held for one run.

    Give the run ``plan``; when all is written, and before it is released, call ``keep``. Without ``keep``
    nothing of the run is remembered.

    Raises :class:`UsageError` when the file may be used by others than its owner, lies in the folder of the
    source or of the output, is no crosswalk, or is held by another run; :class:`IntegrityError` when it is
    damaged; :class:`StorageError` when the disk refuses.
    """
    _check_place(path, out_dir, source_dir)
    with _lock(path):
        with storage_errors():
            shutil.rmtree(_notes_of(path), ignore_errors=True)
            if not path.exists():
                make_crosswalk_file(path, secrets.token_hex(4))
            check_private(path)
            _notes_of(path).mkdir(mode=0o700)
        file = CrosswalkFile(path)
        try:
            yield CrosswalkRun(path, file)
        finally:
            file.close()
            shutil.rmtree(_notes_of(path), ignore_errors=True)


@dataclass(frozen=True)
class Source:
    """Whom a pseudonym stands for. Identifying: for the person who asked, never for a log."""

    resource_type: str
    source_id: str


def lookup(path: Path, pseudonym: str) -> Source | None:
    """Whom ``pseudonym`` (alone, or as ``Type/pseudonym``) stands for in a crosswalk; None: nobody it knows.

    Re-identification is an act of an authorised person, which the caller records before it shows the answer.

    Raises :class:`UsageError` when there is no such crosswalk or others may read it.
    """
    check_private(path)
    resource_type, _, bare = pseudonym.strip().rpartition("/")
    if _PSEUDONYM.match(bare) is None:
        return None
    file = CrosswalkFile(path)
    try:
        found = file.source(bytes.fromhex(bare))
    finally:
        file.close()
    if found is None or (resource_type and resource_type != found[0]):
        return None
    return Source(found[0], found[1].decode("utf-8", "surrogatepass"))


def check_private(path: Path) -> None:
    """Raise :class:`UsageError` unless ``path`` is a file that its owner alone can use."""
    if not path.is_file():
        raise UsageError("There is no crosswalk here", file=path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError("The crosswalk may be used by others", hint="chmod 600 the file", file=path)


def _check_place(path: Path, out_dir: Path, source_dir: Path) -> None:
    for folder in (out_dir, source_dir):
        if path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                "The crosswalk lies in the folder of the source or of the output",
                hint="Keep it in the PHI zone, in a folder of its own",
                file=path,
            )
    if path.exists():
        check_private(path)
    elif not path.parent.is_dir():
        raise UsageError("The folder for the crosswalk is missing", folder=path.parent)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One run at a time: two secrets at work on one crosswalk would give an id two pseudonyms."""
    with storage_errors():
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        held = False
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        if not held:
            raise UsageError("Another run holds the crosswalk", hint="Wait until it has ended", file=path)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back, also when the process is killed


def _notes_of(path: Path) -> Path:
    return path.with_name(path.name + ".notes")


__all__ = [
    "CrosswalkReport",
    "CrosswalkRun",
    "HmacPlan",
    "KeyRun",
    "PseudonymFamilies",
    "PseudonymPlan",
    "RandomPlan",
    "RandomPseudonyms",
    "Source",
    "hold_crosswalk",
    "lookup",
]
