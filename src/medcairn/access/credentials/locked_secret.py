"""A secret that only its owner's password opens: the signing key and the secret of the one-time codes.

The key for the encryption is derived with Argon2id (RFC 9106); the encryption is ChaCha20-Poly1305
(RFC 8439). What the secret belongs to is associated data, so it does not open in another place.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medcairn.access.credentials.passwords import SALT_BYTES, Argon2Cost, Passwords
from medcairn.core.errors import IntegrityError

_NONCE_BYTES = 12
_MOST_PASSES, _MOST_MEMORY_KIB, _MOST_LANES = 64, 1 << 20, 64


@dataclass(frozen=True)
class LockedSecret:
    """The encrypted secret with all that is needed to open it, but for the password."""

    cost: Argon2Cost
    salt: bytes
    nonce: bytes
    ciphertext: bytes

    def as_text(self) -> str:
        """The form in which it is kept."""
        fields = {
            "passes": self.cost.passes,
            "memory_kib": self.cost.memory_kib,
            "lanes": self.cost.lanes,
            "salt": self.salt.hex(),
            "nonce": self.nonce.hex(),
            "ciphertext": self.ciphertext.hex(),
        }
        return json.dumps(fields)

    @classmethod
    def from_text(cls, text: str) -> LockedSecret:
        """What :meth:`as_text` wrote. Raises :class:`IntegrityError`, also for a cost beyond all reason."""
        locked: LockedSecret | None = None
        with suppress(ValueError, TypeError, KeyError):
            locked = _parsed(json.loads(text))
        if locked is None:
            raise IntegrityError("An encrypted secret in the people store cannot be read")
        return locked


def _parsed(fields: dict[str, str | int]) -> LockedSecret:
    cost = Argon2Cost(int(fields["passes"]), int(fields["memory_kib"]), int(fields["lanes"]))
    limits = ((cost.passes, _MOST_PASSES), (cost.memory_kib, _MOST_MEMORY_KIB), (cost.lanes, _MOST_LANES))
    salt, nonce, ciphertext = (bytes.fromhex(str(fields[key])) for key in ("salt", "nonce", "ciphertext"))
    if not all(0 < value <= most for value, most in limits) or (len(salt), len(nonce)) != (
        SALT_BYTES,
        _NONCE_BYTES,
    ):
        raise ValueError("out of bounds")
    return LockedSecret(cost, salt, nonce, ciphertext)


def lock(secret: bytes, password: str, passwords: Passwords, *, bound_to: bytes) -> LockedSecret:
    """``secret`` encrypted under ``password``; it opens only with the same ``bound_to``."""
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    box = ChaCha20Poly1305(passwords.derive_key(password, salt))
    return LockedSecret(passwords.cost, salt, nonce, box.encrypt(nonce, secret, bound_to))


def unlock(locked: LockedSecret, password: str, passwords: Passwords, *, bound_to: bytes) -> bytes:
    """The secret.

    Raises :class:`IntegrityError` when what is stored was not locked with this password for ``bound_to``.
    The password itself was checked before, so that this means that the store was changed.
    """
    box = ChaCha20Poly1305(passwords.derive_key(password, locked.salt, locked.cost))
    secret: bytes | None = None
    with suppress(InvalidTag, ValueError):
        secret = box.decrypt(locked.nonce, locked.ciphertext, bound_to)
    if secret is None:
        raise IntegrityError(
            "A person's signing key or one-time secret in the people store was changed",
            hint="Compare the store with the ledger's events about this person; then reset the person",
        )
    return secret


__all__ = ["LockedSecret", "lock", "unlock"]
