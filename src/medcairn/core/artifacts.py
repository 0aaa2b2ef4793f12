"""Artifacts: what a stage leaves behind, named by its content.

An artifact is a folder with a ``manifest.json`` that lists its parts. It has two digests:

- ``digest`` is its identity: kind, zone, facts and the content of its data. The same inputs, settings and
  code give the same identity, whenever and wherever they run.
- ``seal`` is the digest of the manifest's bytes, and so of every byte of every part. It is what the ledger
  records so that a changed byte shows.

They differ because a Delta table's log carries the time of writing and random file names, and an export's
event log (``log.ndjson``) the time of each event: those bytes are sealed, and are no part of the identity.

An artifact that keeps its history (the lake's tables) holds more bytes than its current content. Its maker
states the digest of the ``content``, and that is its identity: loaded in one run or in ten, it is the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest, digest_bytes, digest_file, digest_json
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import link_files, replace_folder, storage_errors, write_file
from medcairn.core.labels import Label

MANIFEST = "manifest.json"
_DELTA_LOG = "_delta_log"
_EVENT_LOG = "log.ndjson"


class Zone(StrEnum):
    """How identifying an artifact is, and so where it may lie and who may read it."""

    PHI = "phi"
    DEIDENTIFIED = "deidentified"
    AGGREGATE = "aggregate"


@dataclass(frozen=True)
class Part:
    """One file of an artifact: its path below the folder (POSIX), digest and size in bytes."""

    path: str
    digest: Digest
    size: int

    @property
    def of_table_log(self) -> bool:
        """Whether the file belongs to the log of a Delta table."""
        return _DELTA_LOG in PurePosixPath(self.path).parts

    @property
    def counts(self) -> bool:
        """Whether the content counts for identity; a log's does not."""
        return not self.of_table_log and self.path != _EVENT_LOG

    def as_json(self) -> dict[str, JSON]:
        return {"path": self.path, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Manifest:
    """What an artifact is: kind, zone, facts (aggregate, deterministic) and its parts.

    ``content`` is the digest of what it holds, where that is not simply the bytes of its parts.
    """

    kind: Label
    zone: Zone
    facts: Mapping[str, JSON]
    parts: tuple[Part, ...]
    content: Digest | None = None

    @property
    def digest(self) -> Digest:
        """The identity; see the module's docstring."""
        if self.content is not None:
            return digest_json({"kind": self.kind, "zone": self.zone.value, "content": self.content})
        tables = {str(PurePosixPath(part.path).parent.parent) for part in self.parts if part.of_table_log}
        data = sorted([_stable(part, tables), part.digest] for part in self.parts if part.counts)
        return digest_json({"kind": self.kind, "zone": self.zone.value, "facts": self.facts, "data": data})

    @property
    def seal(self) -> Digest:
        """Digest of the manifest's bytes."""
        return digest_bytes(self.as_bytes())

    def as_bytes(self) -> bytes:
        """The bytes of ``manifest.json``: canonical JSON."""
        content: dict[str, JSON] = {} if self.content is None else {"content": self.content}
        return canonical_json(
            {
                "kind": self.kind,
                "zone": self.zone.value,
                "facts": self.facts,
                "parts": [part.as_json() for part in self.parts],
                **content,
            }
        )


def _stable(part: Part, tables: set[str]) -> str:
    """A data file of a Delta table has a random name; the table's path and its content say enough."""
    inside = [table for table in tables if part.path.startswith(f"{table}/")]
    return f"{max(inside, key=len)}/*" if inside else part.path


@dataclass(frozen=True)
class ArtifactRef:
    """A pointer to an artifact, as events record it. ``path`` is relative to the study."""

    name: Label
    kind: Label
    zone: Zone
    digest: Digest
    seal: Digest
    path: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "kind": self.kind,
            "zone": self.zone.value,
            "digest": self.digest,
            "seal": self.seal,
            "path": self.path,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> ArtifactRef:
        """The reference that :meth:`as_json` wrote."""
        return cls(
            name=Label(str(value["name"])),
            kind=Label(str(value["kind"])),
            zone=Zone(str(value["zone"])),
            digest=Digest(str(value["digest"])),
            seal=Digest(str(value["seal"])),
            path=str(value["path"]),
        )


@dataclass
class Draft:
    """An artifact in the making. Write files below ``folder``; set ``facts`` before the block ends, and
    ``content`` where that is its identity."""

    folder: Path
    facts: dict[str, JSON] = field(default_factory=dict)
    content: Digest | None = None
    manifest: Manifest | None = None


@contextmanager
def draft_artifact(
    final: Path, *, kind: str, zone: Zone, resume: bool = False, base: Path | None = None
) -> Iterator[Draft]:
    """Write an artifact so that ``final`` is as before or complete, also after ``kill -9``.

    The block writes into ``draft.folder`` (``<final>.partial``). When it ends without an error the folder
    is sealed with a manifest, flushed and renamed. When it fails, or the process dies, the partial folder
    stays and ``final`` is untouched. With ``resume`` the next draft finds the partial files; without it,
    an empty folder, or the files of the artifact ``base``, linked: add, replace and remove, but never write
    into one.
    """
    staging = final.with_name(final.name + ".partial")
    with storage_errors():
        if not resume:
            shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True, exist_ok=True, mode=0o700 if zone is Zone.PHI else 0o755)
        if base is not None:
            link_files(base, staging)
            (staging / MANIFEST).unlink(missing_ok=True)
    draft = Draft(staging)
    with storage_errors():
        yield draft
    draft.manifest = seal_folder(staging, kind=kind, zone=zone, facts=draft.facts, content=draft.content)
    replace_folder(staging, final)


def seal_folder(
    folder: Path, *, kind: str, zone: Zone, facts: Mapping[str, JSON], content: Digest | None = None
) -> Manifest:
    """List every file below ``folder`` in a ``manifest.json`` there, and return the manifest."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    parts = tuple(Part(p.relative_to(folder).as_posix(), digest_file(p), p.stat().st_size) for p in files)
    manifest = Manifest(Label(kind), zone, dict(facts), parts, content)
    write_file(folder / MANIFEST, manifest.as_bytes())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact.

    Raises :class:`UsageError` when the folder is no artifact, :class:`IntegrityError` when its manifest
    cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError("This folder holds no artifact: it has no manifest.json", folder=folder)
    manifest: Manifest | None = None
    try:
        value = json.loads(path.read_bytes())
        parts = tuple(Part(str(p["path"]), Digest(p["digest"]), int(p["size"])) for p in value["parts"])
        content = Digest(value["content"]) if "content" in value else None
        manifest = Manifest(Label(value["kind"]), Zone(value["zone"]), value["facts"], parts, content)
    except (ValueError, KeyError, TypeError):
        pass
    if manifest is None:
        raise IntegrityError("An artifact's manifest cannot be read", folder=folder)
    return manifest


def changed_parts(folder: Path, manifest: Manifest) -> list[tuple[str, str]]:
    """What is no longer as the manifest says, as (path, "missing" | "changed" | "added"), sorted."""
    found: list[tuple[str, str]] = []
    listed = {part.path: part for part in manifest.parts}
    for path, part in listed.items():
        file = folder / path
        if not file.is_file():
            found.append((path, "missing"))
        elif file.stat().st_size != part.size or digest_file(file) != part.digest:
            found.append((path, "changed"))
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name != MANIFEST and name not in listed:
            found.append((name, "added"))
    return sorted(found)


__all__ = [
    "MANIFEST",
    "ArtifactRef",
    "Draft",
    "Manifest",
    "Part",
    "Zone",
    "changed_parts",
    "draft_artifact",
    "read_manifest",
    "seal_folder",
]
