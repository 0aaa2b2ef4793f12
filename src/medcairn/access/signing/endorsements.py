"""That somebody made sure whose a signing key is, under a seal of their own.

Without it, a trail would have to believe the people store about new keys; and who can write the store could
write there that Ada has a new key, which is the writer's. An endorsement is sealed (Ed25519, RFC 8032) by a
person whose key is trusted already, over the RFC 8785 bytes of the rest of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label

FORM = "medcairn-key-endorsement-1"
_FIELDS = frozenset(
    {"form", "name", "printed_name", "public_key", "method", "endorser", "endorser_key", "at", "seal"}
)


class ProofMethod(StrEnum):
    """How somebody made sure who a person is."""

    DOCUMENT_IN_PERSON = "document_in_person"
    DOCUMENT_BY_VIDEO = "document_by_video"
    EMPLOYER_RECORD = "employer_record"


@dataclass(frozen=True)
class Endorsement:
    """``endorser`` made sure that the key ``public_key`` is of the person ``name``; keys and seal are hex."""

    name: Label
    printed_name: str
    public_key: str
    method: ProofMethod
    endorser: Label
    endorser_key: str
    at: datetime
    seal: str = ""

    def as_json(self) -> dict[str, JSON]:
        return {**self._body(), "seal": self.seal}

    def sealed_with(self, key: Ed25519PrivateKey) -> Endorsement:
        """The same under the endorser's seal."""
        return replace(self, seal=key.sign(canonical_json(self._body())).hex())

    def holds(self) -> bool:
        """Whether the seal is of ``endorser_key``; whose that is, is for the caller to know."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.endorser_key))
            key.verify(bytes.fromhex(self.seal), canonical_json(self._body()))
        except (ValueError, InvalidSignature):
            return False
        return True

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> Endorsement:
        """What :meth:`as_json` wrote; its seal is not checked here. Raises :class:`IntegrityError`."""
        endorsement: Endorsement | None = None
        with suppress(KeyError, ValueError, TypeError):
            endorsement = _parsed(value)
        if endorsement is None:
            raise IntegrityError("An endorsement of a signing key cannot be read")
        return endorsement

    def _body(self) -> dict[str, JSON]:
        return {
            "form": FORM,
            "name": self.name,
            "printed_name": self.printed_name,
            "public_key": self.public_key,
            "method": self.method.value,
            "endorser": self.endorser,
            "endorser_key": self.endorser_key,
            "at": instant(self.at),
        }


def _parsed(value: Mapping[str, JSON]) -> Endorsement:
    texts = {key: item for key, item in value.items() if isinstance(item, str)}
    if frozenset(value) != _FIELDS or len(texts) != len(_FIELDS) or texts["form"] != FORM:
        raise ValueError("not an endorsement")
    return Endorsement(
        name=Label(texts["name"]),
        printed_name=texts["printed_name"],
        public_key=texts["public_key"],
        method=ProofMethod(texts["method"]),
        endorser=Label(texts["endorser"]),
        endorser_key=texts["endorser_key"],
        at=datetime.fromisoformat(texts["at"]).astimezone(UTC),
        seal=texts["seal"],
    )


__all__ = ["Endorsement", "ProofMethod"]
