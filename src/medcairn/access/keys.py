"""A person's signing key, kept encrypted under that person's password.

Who can read the database cannot sign: the private key leaves it only with the password. The key for the
encryption is derived with Argon2id; the encryption is ChaCha20-Poly1305 (RFC 8439), with the person's name
and public key as associated data, so that one person's key cannot be put in another's row.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medcairn.access.passwords import SALT_BYTES, Passwords
from medcairn.core.canonical import canonical_json
from medcairn.core.errors import IntegrityError

_NONCE_BYTES = 12


@dataclass(frozen=True)
class LockedKey:
    """An encrypted Ed25519 private key. ``public_key`` is the public half as lower-case hex."""

    public_key: str
    salt: bytes
    nonce: bytes
    ciphertext: bytes


def new_locked_key(name: str, password: str, passwords: Passwords) -> LockedKey:
    """A fresh signing key for ``name``, encrypted under ``password``."""
    key = Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw().hex()
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    box = ChaCha20Poly1305(passwords.derive_key(password, salt))
    ciphertext = box.encrypt(nonce, key.private_bytes_raw(), _bound_to(name, public_key))
    return LockedKey(public_key, salt, nonce, ciphertext)


def unlock_key(name: str, locked: LockedKey, password: str, passwords: Passwords) -> Ed25519PrivateKey:
    """The private key.

    Raises :class:`IntegrityError` when the stored key is not the one that was locked for ``name`` with
    this password (the password itself was checked before).
    """
    box = ChaCha20Poly1305(passwords.derive_key(password, locked.salt))
    secret: bytes | None = None
    with suppress(InvalidTag, ValueError):
        secret = box.decrypt(locked.nonce, locked.ciphertext, _bound_to(name, locked.public_key))
    if secret is None:
        raise IntegrityError("A signing key in the people store was changed")
    return Ed25519PrivateKey.from_private_bytes(secret)


def _bound_to(name: str, public_key: str) -> bytes:
    return canonical_json({"name": name, "public_key": public_key})


__all__ = ["LockedKey", "new_locked_key", "unlock_key"]
