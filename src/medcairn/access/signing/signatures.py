"""E-signatures: a person's name, the time and the meaning, bound to one record (21 CFR 11.50, 11.70).

The binding is an Ed25519 seal (RFC 8032) over the RFC 8785 bytes of everything else in the signature.
Moving a signature to another record, or changing the name, the time or the meaning, breaks the seal.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant
from medcairn.core.digests import Digest
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label

FORM = "medcairn-esignature-1"
_FIELDS = frozenset(
    {"form", "signer", "printed_name", "signed_at", "meaning", "record", "public_key", "seal"}
)


class Meaning(StrEnum):
    """What the signer says by signing (21 CFR 11.50(a)(3))."""

    AUTHORED = "authored"
    REVIEWED = "reviewed"
    APPROVED = "approved"
    RESPONSIBILITY = "responsibility"


@dataclass(frozen=True)
class ESignature:
    """One person's signature of one record.

    ``record`` is the digest of what was signed; ``public_key`` and ``seal`` are lower-case hex.
    """

    signer: Label
    printed_name: str
    signed_at: datetime
    meaning: Meaning
    record: Digest
    public_key: str
    seal: str

    def sealed_bytes(self) -> bytes:
        """The bytes under the seal."""
        return canonical_json(self._body())

    def as_json(self) -> dict[str, JSON]:
        """The signature as it is kept and shown."""
        return {**self._body(), "seal": self.seal}

    def _body(self) -> dict[str, JSON]:
        return {
            "form": FORM,
            "signer": self.signer,
            "printed_name": self.printed_name,
            "signed_at": instant(self.signed_at),
            "meaning": self.meaning.value,
            "record": self.record,
            "public_key": self.public_key,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> ESignature:
        """The signature that :meth:`as_json` wrote; its seal is not checked here.

        Raises :class:`IntegrityError` when the value has not the form of a signature.
        """
        signature: ESignature | None = None
        with suppress(KeyError, ValueError, TypeError):
            signature = _parsed(value)
        if signature is None:
            raise IntegrityError("An e-signature cannot be read")
        return signature


def _parsed(value: Mapping[str, JSON]) -> ESignature:
    texts = {key: item for key, item in value.items() if isinstance(item, str)}
    if frozenset(value) != _FIELDS or len(texts) != len(_FIELDS) or texts["form"] != FORM:
        raise ValueError("not a signature")
    return ESignature(
        signer=Label(texts["signer"]),
        printed_name=texts["printed_name"],
        signed_at=datetime.fromisoformat(texts["signed_at"]).astimezone(UTC),
        meaning=Meaning(texts["meaning"]),
        record=Digest(texts["record"]),
        public_key=texts["public_key"],
        seal=texts["seal"],
    )


def seal_signature(
    key: Ed25519PrivateKey,
    *,
    signer: Label,
    printed_name: str,
    signed_at: datetime,
    meaning: Meaning,
    record: Digest,
) -> ESignature:
    """Seal a signature with the signer's private key."""
    public_key = key.public_key().public_bytes_raw().hex()
    unsealed = ESignature(signer, printed_name, signed_at, meaning, record, public_key, seal="")
    seal = key.sign(unsealed.sealed_bytes()).hex()
    return ESignature(signer, printed_name, signed_at, meaning, record, public_key, seal)


def verify_signature(signature: ESignature, *, public_key: str, record: Digest | None = None) -> None:
    """Pass when ``signature`` was made with the key whose public half (hex) is ``public_key``.

    ``public_key`` must come from a place that is trusted (the people store, the ledger) and not from the
    signature itself. With ``record`` the signature must also be of that record.

    Raises :class:`IntegrityError` that names the check.
    """
    if record is not None and signature.record != record:
        raise IntegrityError("An e-signature belongs to another record", check=Label("record"))
    if signature.public_key != public_key:
        raise IntegrityError("An e-signature was made with another key", check=Label("public_key"))
    if not _seal_holds(signature, public_key):
        raise IntegrityError("An e-signature's seal is broken", check=Label("seal"))


def _seal_holds(signature: ESignature, public_key: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature.seal), signature.sealed_bytes())
    except (ValueError, InvalidSignature):
        return False
    return True


__all__ = ["FORM", "ESignature", "Meaning", "seal_signature", "verify_signature"]
