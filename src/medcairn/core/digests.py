"""SHA-256 digests in the form ``sha256:<64 hex digits>``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Self

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.labels import Label

_FORM = re.compile(r"sha256:[0-9a-f]{64}\Z")
_BLOCK_BYTES = 1 << 20


class Digest(Label):
    """A SHA-256 digest, ``sha256:`` and 64 lower-case hex digits. Safe to show and record."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not _FORM.match(text):
            raise ValueError("not a digest of the form sha256:<64 hex digits>")
        return super().__new__(cls, text)

    @property
    def hex(self) -> str:
        """The 64 hex digits."""
        return self[len("sha256:") :]

    @property
    def short(self) -> str:
        """The first 12 hex digits, for people."""
        return self.hex[:12]


def digest_bytes(data: bytes) -> Digest:
    """Digest of ``data``."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def digest_json(value: JSON) -> Digest:
    """Digest of the RFC 8785 canonical form of ``value``."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> Digest:
    """Digest of a file's bytes, read in blocks of 1 MiB."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            state.update(block)
    return Digest("sha256:" + state.hexdigest())


__all__ = ["Digest", "digest_bytes", "digest_file", "digest_json"]
