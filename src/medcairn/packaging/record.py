"""What the people who approve a model sign, and what a package refuses to be made without."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from medcairn.access import ESignature, verify_signature
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import GateRefused, IntegrityError
from medcairn.core.labels import Label

FORM = "medcairn-approval-1"

TrustedKeys = Mapping[str, Collection[str]]
"""For each person's name the public keys (hex) that are trusted for it; from a place of trust, such as a
study's ledger, and never from the signatures themselves."""


@dataclass(frozen=True)
class ApprovalRecord:
    """What the signers sign: one model version, its author, and the digests of what was looked at.

    ``model`` is the digest of the model's files, ``feature_spec`` of the bytes of ``feature_spec.json``,
    ``validation_report`` of the bytes of the validation's ``report.json``.
    """

    name: Label
    version: Label
    author: Label
    model: Digest
    feature_spec: Digest
    validation_report: Digest

    def as_json(self) -> dict[str, JSON]:
        return {
            "form": FORM,
            "name": self.name,
            "version": self.version,
            "author": self.author,
            "model": self.model,
            "feature_spec": self.feature_spec,
            "validation_report": self.validation_report,
        }

    @property
    def digest(self) -> Digest:
        """The digest that an e-signature carries as its ``record``."""
        return digest_json(self.as_json())


@dataclass(frozen=True)
class Authority:
    """What the release of a model rests on: e-signatures over the record whose digest is ``signed``.

    That is the :class:`ApprovalRecord`, or the ``plan`` of changes that was approved beforehand, which
    then stands here with the assessment that found this model within it.
    """

    signed: Digest
    signatures: tuple[ESignature, ...]
    plan: Mapping[str, JSON] | None = None
    assessment: Mapping[str, JSON] | None = None


class Missing(StrEnum):
    """Why no package is made."""

    VALIDATION_PASSED = "validation_passed"
    SIGNATURE = "signature"
    SIGNED_RECORD = "signed_record"
    TRUSTED_KEY = "trusted_key"


def check_releasable(
    record: ApprovalRecord, authority: Authority, *, trusted: TrustedKeys, validation_passed: bool
) -> None:
    """Pass when validation passed and at least one trusted signature, and no other, covers this model.

    How many people must sign, and who, is for the gate of the registry to say; no package is made without
    this much, whoever asks.

    Raises :class:`GateRefused` that names what is missing.
    """
    if not validation_passed:
        raise _refused(Missing.VALIDATION_PASSED, "A criterion of the validation is not met")
    if not authority.signatures:
        raise _refused(Missing.SIGNATURE, "People must approve it first: `medcairn approve`")
    if not covers(record, authority):
        raise _refused(Missing.SIGNED_RECORD, "What was signed is another model, feature spec or report")
    for signature in authority.signatures:
        if not is_by_trusted_key(signature, trusted, record=authority.signed):
            raise _refused(Missing.TRUSTED_KEY, "A signature was changed, or made with a key not trusted")


def is_by_trusted_key(signature: ESignature, trusted: TrustedKeys, *, record: Digest) -> bool:
    """Whether ``signature`` is over ``record`` and its seal holds under a key trusted for its signer."""
    if signature.public_key not in trusted.get(signature.signer, ()):
        return False
    try:
        verify_signature(signature, public_key=signature.public_key, record=record)
    except IntegrityError:
        return False
    return True


def covers(record: ApprovalRecord, authority: Authority) -> bool:
    """Whether what was signed is this record, or a plan of changes with an assessment of this very model."""
    if authority.plan is None or authority.assessment is None:
        return authority.signed == record.digest
    return (
        authority.signed == digest_json(dict(authority.plan))
        and authority.assessment.get("inside") is True
        and authority.assessment.get("record") == record.digest
    )


def _refused(missing: Missing, hint: str) -> GateRefused:
    return GateRefused("The model is not approved for packaging", hint=hint, check=missing)


__all__ = ["ApprovalRecord", "Authority", "TrustedKeys", "check_releasable", "covers", "is_by_trusted_key"]
