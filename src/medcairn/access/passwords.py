"""Passwords: the policy for new ones, and Argon2id (RFC 9106) for keeping and checking them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import hash_secret_raw

from medcairn.core.errors import PolicyError

MINIMUM_LENGTH = 12
MAXIMUM_LENGTH = 1024
SALT_BYTES = 16
KEY_BYTES = 32


@dataclass(frozen=True)
class Argon2Cost:
    """What one try costs: passes, memory in KiB, lanes. The default is RFC 9106's second choice."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


class Passwords:
    """Hashes and checks passwords, and derives keys from them, at one cost."""

    def __init__(self, cost: Argon2Cost | None = None) -> None:
        self._cost = cost or Argon2Cost()
        self._hasher = PasswordHasher(
            time_cost=self._cost.passes, memory_cost=self._cost.memory_kib, parallelism=self._cost.lanes
        )
        self._nobody = self._hasher.hash(secrets.token_urlsafe(24))

    def hash(self, password: str) -> str:
        """The encoded Argon2id hash, with its own salt and cost."""
        return self._hasher.hash(password)

    def matches(self, password: str, encoded: str | None) -> bool:
        """Whether ``password`` gave the hash ``encoded``.

        With None (there is no such person) the same work is done on a hash that nothing matches, so that
        the time of the answer does not tell whether a name exists.
        """
        try:
            found: bool = self._hasher.verify(encoded if encoded is not None else self._nobody, password)
        except (Argon2Error, InvalidHashError):
            found = False
        return found and encoded is not None

    def derive_key(self, password: str, salt: bytes) -> bytes:
        """A 256-bit key from ``password``, independent of the stored hash by its own ``salt``."""
        return hash_secret_raw(
            secret=password.encode("utf-8"),
            salt=salt,
            time_cost=self._cost.passes,
            memory_cost=self._cost.memory_kib,
            parallelism=self._cost.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )


def check_new_password(password: str, *, name: str) -> None:
    """Pass when ``password`` may become the password of ``name``; raise :class:`PolicyError` otherwise.

    Length counts, composition does not (NIST SP 800-63B-4, 3.1.1.2).
    """
    if len(password) < MINIMUM_LENGTH:
        raise PolicyError("The password is too short", minimum_length=MINIMUM_LENGTH)
    if len(password) > MAXIMUM_LENGTH:
        raise PolicyError("The password is too long", maximum_length=MAXIMUM_LENGTH)
    if name.casefold() in password.casefold() and len(name) * 2 > len(password):
        raise PolicyError("The password is little more than the person's name")
    if len(set(password)) < 5:
        raise PolicyError("The password repeats too few different characters", minimum_different=5)


__all__ = [
    "MAXIMUM_LENGTH",
    "MINIMUM_LENGTH",
    "SALT_BYTES",
    "Argon2Cost",
    "Passwords",
    "check_new_password",
]
