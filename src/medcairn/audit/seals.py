"""Seals: Ed25519 signatures (RFC 8032) over checkpoints in the C2SP checkpoint text form.

A checkpoint says "a tree of this size had this root". It is a signed note: three lines (origin, size,
base64 root), a blank line, and a signature line `— <name> <base64(key hash ‖ signature)>`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import private_folder, write_file

_ED25519_TYPE = b"\x01"


@dataclass(frozen=True)
class SealKey:
    """The private key that seals a study's checkpoints. Lives in a file with mode 0600."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes_raw()

    @classmethod
    def open(cls, path: Path) -> SealKey:
        """The key in ``path`` (64 hex digits).

        Raises :class:`UsageError` when it is missing, no key, or readable by others.
        """
        if not path.is_file():
            raise UsageError(
                "The ledger's seal key is missing", hint="Restore it from your backup", file=path
            )
        if path.stat().st_mode & 0o077:
            raise UsageError("The ledger's seal key is readable by others", hint="chmod 600 it", file=path)
        text = path.read_text(encoding="ascii", errors="replace").strip()
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise UsageError("The ledger's seal key is not 64 hex digits", file=path)
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    @classmethod
    def create(cls, path: Path) -> SealKey:
        """Make a new key and keep it in ``path``. Raises :class:`UsageError` when the file exists."""
        if path.exists():
            raise UsageError("A seal key is there already", file=path)
        private_folder(path.parent)
        raw = os.urandom(32)
        write_file(path, raw.hex().encode() + b"\n", private=True)
        return cls(Ed25519PrivateKey.from_private_bytes(raw))


@dataclass(frozen=True)
class Checkpoint:
    """A statement about a tree: its origin, its size in leaves, and its root hash."""

    origin: str
    tree_size: int
    root_hash: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.tree_size}\n{base64.b64encode(self.root_hash).decode()}\n"

    def sealed(self, key: SealKey) -> str:
        """The signed note."""
        signature = _key_hash(self.origin, key.public) + key.private.sign(self.body.encode())
        return f"{self.body}\n— {self.origin} {base64.b64encode(signature).decode()}\n"

    @classmethod
    def opened(cls, note: str, public_key: bytes) -> Checkpoint:
        """The checkpoint of a signed note, its signature checked against ``public_key``.

        Raises :class:`IntegrityError` when the note has another form or the signature is not the key's.
        """
        checkpoint: Checkpoint | None = None
        try:
            body, signatures = note.split("\n\n", 1)
            origin, size, root = body.split("\n")
            dash, name, encoded = signatures.rstrip("\n").split(" ")
            raw = base64.b64decode(encoded, validate=True)
            if dash == "—" and name == origin and raw[:4] == _key_hash(origin, public_key):
                Ed25519PublicKey.from_public_bytes(public_key).verify(raw[4:], f"{body}\n".encode())
                checkpoint = cls(origin, int(size), base64.b64decode(root, validate=True))
        except (ValueError, binascii.Error, InvalidSignature):
            checkpoint = None
        if checkpoint is None:
            raise IntegrityError("A checkpoint is not sealed by this ledger's key")
        return checkpoint


def _key_hash(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519_TYPE + public_key).digest()[:4]


__all__ = ["Checkpoint", "SealKey"]
