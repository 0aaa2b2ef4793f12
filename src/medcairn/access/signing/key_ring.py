"""Signing keys over time: whose a key is, from when, until when, and why it ended.

A key that was revoked still checks what was signed before; it checks nothing that came later. "Before" is
the time at which the trail recorded the signature, never only the time that the signature tells of itself:
who holds a stolen key can write any time into a signature, but not into the trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from medcairn.access.signing.signatures import ESignature, verify_signature
from medcairn.core.canonical import JSON
from medcairn.core.clock import instant
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label

CLOCKS_DIFFER = timedelta(minutes=5)
"""So much later than the trail's clock a signature's own time may be."""


class Revoked(StrEnum):
    """Why a signing key ended. Only a compromised one may be in other hands."""

    REPLACED = "replaced"
    LOST = "lost"
    LEFT = "left"
    COMPROMISED = "compromised"


@dataclass(frozen=True)
class SigningKey:
    """A public key (hex) of one person. ``made_at`` is None when an earlier version did not keep it."""

    owner: Label
    public_key: str
    made_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_for: Revoked | None = None

    def as_json(self) -> dict[str, JSON]:
        return {
            "owner": self.owner,
            "public_key": self.public_key,
            "made_at": instant(self.made_at) if self.made_at else None,
            "revoked_at": instant(self.revoked_at) if self.revoked_at else None,
            "revoked_for": self.revoked_for.value if self.revoked_for else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> SigningKey:
        """What :meth:`as_json` wrote. Raises :class:`IntegrityError`."""
        key: SigningKey | None = None
        with suppress(KeyError, ValueError, TypeError):
            reason = value["revoked_for"]
            key = cls(
                Label(str(value["owner"])),
                bytes.fromhex(str(value["public_key"])).hex(),
                _moment(value["made_at"]),
                _moment(value["revoked_at"]),
                Revoked(str(reason)) if reason is not None else None,
            )
        if key is None:
            raise IntegrityError("A record of a signing key cannot be read")
        return key


def _moment(value: JSON) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value)).astimezone(UTC)


@dataclass(frozen=True)
class KeyRing:
    """The keys that are trusted, from the people store or, better, from the ledger's events about keys."""

    keys: tuple[SigningKey, ...]

    @classmethod
    def of(cls, keys: Iterable[SigningKey]) -> KeyRing:
        return cls(tuple(keys))

    def verify(
        self, signature: ESignature, *, recorded_at: datetime, record: Digest | None = None
    ) -> SigningKey:
        """The key that ``signature`` was made with, when it was its signer's and good at ``recorded_at``.

        ``recorded_at`` is the ledger's time of the signature's entry. Raises :class:`IntegrityError` that
        names the check: ``record``, ``public_key``, ``seal``, ``signed_at``, ``revoked`` or ``too_early``.
        """
        owned = [key for key in self.keys if key.owner.casefold() == signature.signer.casefold()]
        found = next((key for key in owned if key.public_key == signature.public_key), None)
        if found is None:
            raise IntegrityError("An e-signature was made with another key", check=Label("public_key"))
        verify_signature(signature, public_key=found.public_key, record=record)
        if signature.signed_at > recorded_at + CLOCKS_DIFFER:
            raise IntegrityError("An e-signature is dated after its entry", check=Label("signed_at"))
        for moment in (recorded_at, signature.signed_at):
            if found.revoked_at is not None and moment >= found.revoked_at:
                raise IntegrityError(
                    "An e-signature was made after its key was revoked", check=Label("revoked")
                )
            if found.made_at is not None and moment < found.made_at - CLOCKS_DIFFER:
                raise IntegrityError("An e-signature is older than its key", check=Label("too_early"))
        return found


__all__ = ["KeyRing", "Revoked", "SigningKey"]
