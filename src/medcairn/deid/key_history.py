"""Which key was used since when: fingerprints and instants, so that a rotation shows and no key does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import storage_errors, write_file
from medcairn.core.labels import Label

_KEY_ID = re.compile(r"[0-9a-f]{8}\Z")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z")


@dataclass(frozen=True)
class KeyUse:
    """A key, by its fingerprint, and the instant (UTC) from which it was used."""

    key_id: Label
    since: str

    def __post_init__(self) -> None:
        if _KEY_ID.match(self.key_id) is None or _INSTANT.match(self.since) is None:
            raise UsageError("A record of a key holds its 8-digit fingerprint and an instant in UTC")


@dataclass(frozen=True)
class KeyHistory:
    """The keys of one set of releases, oldest first. A key that returns is a use of its own.

    Raises :class:`UsageError` when two neighbouring uses are of the same key, or the order is not of time.
    """

    uses: tuple[KeyUse, ...] = ()

    def __post_init__(self) -> None:
        for earlier, later in zip(self.uses, self.uses[1:], strict=False):
            if earlier.key_id == later.key_id or earlier.since > later.since:
                raise UsageError("A record of keys lists changes, in order of time")

    @property
    def current(self) -> Label | None:
        """The key in use."""
        return self.uses[-1].key_id if self.uses else None

    @property
    def rotated_from(self) -> Label | None:
        """The key before it: pseudonyms made with that one do not match those made now."""
        return self.uses[-2].key_id if len(self.uses) > 1 else None

    def used(self, key_id: str, at: datetime) -> KeyHistory:
        """The history after a use of ``key_id``; the same one when that key is in use already.

        Raises :class:`UsageError` for an instant without zone, or before the last change.
        """
        if at.tzinfo is None:
            raise UsageError("The instant of a key's use needs a zone")
        if key_id == self.current:
            return self
        since = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return KeyHistory((*self.uses, KeyUse(Label(key_id), since)))

    def facts(self) -> dict[str, JSON]:
        """For a report: the key, the one before it, and how often the key changed. No instants."""
        return {
            "key_id": self.current,
            "rotated_from": self.rotated_from,
            "rotations": max(len(self.uses) - 1, 0),
        }

    def as_json(self) -> dict[str, JSON]:
        """The content of the history's file."""
        return {"version": 1, "uses": [{"key_id": use.key_id, "since": use.since} for use in self.uses]}


def read_key_history(path: Path) -> KeyHistory:
    """The history in ``path``; an empty one when there is no file.

    Raises :class:`IntegrityError` when the file is not what :func:`write_key_history` writes.
    """
    if not path.exists():
        return KeyHistory()
    history: KeyHistory | None = None
    with storage_errors():
        data = path.read_bytes()
    try:
        value = json.loads(data)
        if value["version"] == 1:
            history = KeyHistory(
                tuple(KeyUse(Label(use["key_id"]), str(use["since"])) for use in value["uses"])
            )
    except (ValueError, KeyError, TypeError, UsageError):
        pass
    if history is None:
        raise IntegrityError(
            "The record of pseudonym keys cannot be read",
            hint="Restore it from a backup, or move it away to begin a new one",
            path=path,
        )
    return history


def write_key_history(path: Path, history: KeyHistory) -> None:
    """Write the history, whole or not at all, for its owner alone."""
    write_file(path, canonical_json(history.as_json()) + b"\n", private=True)


__all__ = ["KeyHistory", "KeyUse", "read_key_history", "write_key_history"]
