"""Seals: Ed25519 signatures (RFC 8032) over checkpoints in the C2SP checkpoint text form.

A checkpoint says "a tree of this size had this root". It is a signed note: three lines (origin, size,
base64 root), a blank line, and a signature line `— <name> <base64(key hash ‖ signature)>`.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from enum import Enum
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

    def sealed(self, key: SealKey, *extensions: str) -> str:
        """The signed note; ``extensions`` are lines after the root, of which C2SP allows any."""
        text = self.body + "".join(f"{line}\n" for line in extensions)
        signature = _key_hash(self.origin, key.public) + key.private.sign(text.encode())
        return f"{text}\n— {self.origin} {base64.b64encode(signature).decode()}\n"

    @classmethod
    def opened(cls, note: str, public_key: bytes) -> Checkpoint:
        """The checkpoint of a signed note, its signature checked against ``public_key``.

        Raises :class:`IntegrityError` when the note has another form or the signature is not the key's.
        """
        signed = SignedNote.parsed(note)
        if signed.seal_of(public_key) is not Seal.HOLDS:
            raise IntegrityError("A checkpoint is not sealed by this ledger's key")
        return signed.checkpoint


class Seal(Enum):
    """What a note's signature lines say about one key."""

    HOLDS = "holds"
    BROKEN = "broken"  # a line names the key, and its signature is not over this text
    ABSENT = "absent"


@dataclass(frozen=True)
class SignedNote:
    """A checkpoint with its signature lines, of which others than the ledger may have added some.

    The text under the signatures may go on after the root: C2SP allows extension lines.
    """

    checkpoint: Checkpoint
    text: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parsed(cls, note: str) -> SignedNote:
        """Read a note without checking a signature. Raises :class:`IntegrityError` when it is none."""
        signed: SignedNote | None = None
        try:
            body, lines = note.split("\n\n", 1)
            origin, size, root, *_ = body.split("\n")
            signatures = tuple(_signature(line) for line in lines.rstrip("\n").split("\n"))
            checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
            if len(checkpoint.root_hash) == 32 and size == str(checkpoint.tree_size) and size.isascii():
                signed = cls(checkpoint, f"{body}\n", signatures)
        except ValueError:  # also base64's and Unicode's
            signed = None
        if signed is None or signed.checkpoint.tree_size < 0:
            raise IntegrityError("A checkpoint cannot be read")
        return signed

    def seal_of(self, public_key: bytes) -> Seal:
        """Whether the holder of ``public_key`` sealed this text, under the name of the ledger's origin."""
        origin = self.checkpoint.origin
        named = [
            raw[4:]
            for name, raw in self.signatures
            if name == origin and raw[:4] == _key_hash(origin, public_key)
        ]
        if not named:
            return Seal.ABSENT
        message = self.text.encode()
        return Seal.HOLDS if any(is_signed(public_key, raw, message) for raw in named) else Seal.BROKEN


def _signature(line: str) -> tuple[str, bytes]:
    dash, name, encoded = line.split(" ")
    if dash != "—":
        raise ValueError("not a signature line")
    return name, base64.b64decode(encoded, validate=True)


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is one of ``message`` by the Ed25519 key (RFC 8032, 5.1.7)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def split_notes(text: str) -> list[str]:
    """Signed notes that follow each other: each ends with its last signature line."""
    notes: list[str] = []
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        signed = bool(lines) and lines[-1].startswith("— ")
        if signed and not line.startswith("— "):
            notes.append("\n".join(lines) + "\n")
            lines = []
        if line or lines:
            lines.append(line)
    rest = "\n".join(lines).rstrip("\n")
    return [*notes, rest + "\n"] if rest else notes


def _key_hash(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519_TYPE + public_key).digest()[:4]


__all__ = ["Checkpoint", "Seal", "SealKey", "SignedNote", "is_signed", "split_notes"]
