"""Argon2id (RFC 9106): to keep and check passwords, and to derive keys from them."""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import hash_secret_raw

SALT_BYTES = 16
KEY_BYTES = 32


@dataclass(frozen=True)
class Argon2Cost:
    """What one try costs: passes, memory in KiB, lanes. The default is RFC 9106's second choice."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


class Passwords:
    """Hashes and checks passwords, and derives keys from them, at one cost.

    A password is taken in Unicode's form NFC, so that it does not depend on how a keyboard composes é.
    """

    def __init__(self, cost: Argon2Cost | None = None) -> None:
        self.cost = cost or Argon2Cost()
        self._hasher = PasswordHasher(
            time_cost=self.cost.passes, memory_cost=self.cost.memory_kib, parallelism=self.cost.lanes
        )
        self._nobody = self._hasher.hash(secrets.token_urlsafe(24))

    def hash(self, password: str) -> str:
        """The encoded Argon2id hash, with its own salt and cost."""
        return self._hasher.hash(_composed(password))

    def matches(self, password: str, encoded: str | None) -> bool:
        """Whether ``password`` gave the hash ``encoded``.

        With None (there is no such person) the same work is done on a hash that nothing matches, so that
        the time of the answer does not tell whether a name exists.
        """
        try:
            found: bool = self._hasher.verify(encoded or self._nobody, _composed(password))
        except (Argon2Error, InvalidHashError):
            found = False
        return found and bool(encoded)

    def derive_key(self, password: str, salt: bytes, cost: Argon2Cost | None = None) -> bytes:
        """A 256-bit key from ``password``, independent of the stored hash by its own ``salt``."""
        cost = cost or self.cost
        return hash_secret_raw(
            secret=_composed(password).encode("utf-8"),
            salt=salt,
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )


def _composed(password: str) -> str:
    return unicodedata.normalize("NFC", password)


__all__ = ["SALT_BYTES", "Argon2Cost", "Passwords"]
