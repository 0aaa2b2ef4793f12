"""A person's signing key, kept encrypted under that person's password.

Who can read the database cannot sign: the private key leaves it only with the password. The encryption is
bound to the person's name, printed name and public key, so that a key cannot be put in another's row and a
signature cannot be made under a printed name that its owner never typed a password for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medcairn.access.credentials.locked_secret import LockedSecret, lock, unlock
from medcairn.access.credentials.passwords import Passwords
from medcairn.access.person import Person
from medcairn.core.canonical import canonical_json


class Binding(IntEnum):
    """What a locked key is bound to. Keys of the first stores did not hold the printed name."""

    NAME_AND_KEY = 0
    PRINTED_NAME_TOO = 1


@dataclass(frozen=True)
class LockedKey:
    """An encrypted Ed25519 private key. ``public_key`` is the public half as lower-case hex."""

    public_key: str
    secret: LockedSecret
    binding: Binding = Binding.PRINTED_NAME_TOO


def new_private_key() -> Ed25519PrivateKey:
    """A fresh signing key."""
    return Ed25519PrivateKey.generate()


def public_half(key: Ed25519PrivateKey) -> str:
    """The public half as lower-case hex."""
    return key.public_key().public_bytes_raw().hex()


def lock_key(key: Ed25519PrivateKey, person: Person, password: str, passwords: Passwords) -> LockedKey:
    """``key`` encrypted under ``password``, as the key of ``person``."""
    public_key = public_half(key)
    bound_to = _bound_to(person, public_key, Binding.PRINTED_NAME_TOO)
    return LockedKey(public_key, lock(key.private_bytes_raw(), password, passwords, bound_to=bound_to))


def unlock_key(locked: LockedKey, person: Person, password: str, passwords: Passwords) -> Ed25519PrivateKey:
    """The private key.

    Raises :class:`~medcairn.core.errors.IntegrityError` when the stored key is not the one that was locked
    for ``person`` with this password (the password itself was checked before).
    """
    bound_to = _bound_to(person, locked.public_key, locked.binding)
    return Ed25519PrivateKey.from_private_bytes(unlock(locked.secret, password, passwords, bound_to=bound_to))


def _bound_to(person: Person, public_key: str, binding: Binding) -> bytes:
    if binding is Binding.NAME_AND_KEY:
        return canonical_json({"name": person.name, "public_key": public_key})
    return canonical_json(
        {
            "use": "signing-key",
            "name": person.name,
            "printed_name": person.printed_name,
            "public_key": public_key,
        }
    )


__all__ = ["Binding", "LockedKey", "lock_key", "new_private_key", "public_half", "unlock_key"]
