"""The gate before packaging: what is signed, and the checks that must all hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from medcairn.access import ESignature, Meaning, verify_signature
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import GateRefused, IntegrityError
from medcairn.core.labels import Label

FORM = "medcairn-approval-1"


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
class Approvals:
    """The signatures that were collected and how many are needed.

    ``public_keys`` gives for each person's name the key (hex) that is trusted for it; it comes from a place
    of trust, such as a study's ledger, and not from the signatures.
    """

    signatures: tuple[ESignature, ...]
    required: int
    public_keys: Mapping[str, str]


class Check(StrEnum):
    """A condition of the gate, by name."""

    VALIDATION_PASSED = "validation_passed"
    RECORD_IS_THIS_MODEL = "record_is_this_model"
    SEALS_HOLD = "seals_hold"
    SIGNERS_DISTINCT = "signers_distinct"
    SIGNER_IS_NOT_AUTHOR = "signer_is_not_author"
    ENOUGH_APPROVALS = "enough_approvals"


RELEASE_GATE: tuple[Check, ...] = tuple(Check)
"""What must hold before a package is built. An empty list denies."""


@dataclass(frozen=True)
class _Case:
    record: ApprovalRecord
    approvals: Approvals
    validation_passed: bool

    def approving(self) -> list[ESignature]:
        return [s for s in self.approvals.signatures if s.meaning is Meaning.APPROVED]


def _names(signatures: Sequence[ESignature]) -> list[str]:
    return [signature.signer.casefold() for signature in signatures]


def _seal_holds(signature: ESignature, case: _Case) -> bool:
    try:
        verify_signature(signature, public_key=case.approvals.public_keys.get(signature.signer, ""))
    except IntegrityError:
        return False
    return True


_RULES: Mapping[Check, Callable[[_Case], bool]] = {
    Check.VALIDATION_PASSED: lambda case: case.validation_passed,
    Check.RECORD_IS_THIS_MODEL: lambda case: all(
        s.record == case.record.digest for s in case.approvals.signatures
    ),
    Check.SEALS_HOLD: lambda case: all(_seal_holds(s, case) for s in case.approvals.signatures),
    Check.SIGNERS_DISTINCT: lambda case: (
        len(set(_names(case.approving()))) == len(case.approving())
        and len({s.public_key for s in case.approving()}) == len(case.approving())
    ),
    Check.SIGNER_IS_NOT_AUTHOR: lambda case: case.record.author.casefold() not in _names(case.approving()),
    Check.ENOUGH_APPROVALS: lambda case: len(case.approving()) >= max(1, case.approvals.required),
}


def refused_checks(
    record: ApprovalRecord,
    approvals: Approvals,
    *,
    validation_passed: bool,
    gate: Sequence[Check] = RELEASE_GATE,
) -> tuple[Check, ...]:
    """The checks of ``gate`` that do not hold, in its order."""
    case = _Case(record, approvals, validation_passed)
    return tuple(check for check in gate if not _RULES[check](case))


def pass_gate(
    record: ApprovalRecord,
    approvals: Approvals,
    *,
    validation_passed: bool,
    gate: Sequence[Check] = RELEASE_GATE,
) -> None:
    """Pass when every check of ``gate`` holds.

    Raises :class:`GateRefused` that names the first check that does not hold.
    """
    if not gate:
        raise GateRefused("A gate without checks lets nothing through")
    refused = refused_checks(record, approvals, validation_passed=validation_passed, gate=gate)
    if refused:
        raise GateRefused(
            "The model is not approved for packaging",
            hint=_HINTS[refused[0]],
            check=refused[0],
            checks_refused=len(refused),
            approvals=sum(s.meaning is Meaning.APPROVED for s in approvals.signatures),
            required=approvals.required,
        )


_HINTS = {
    Check.VALIDATION_PASSED: "A criterion of the validation is not met; a new candidate is needed",
    Check.RECORD_IS_THIS_MODEL: "A signature belongs to another model, feature spec or report; sign again",
    Check.SEALS_HOLD: "A signature was changed, or was not made with the key of the person it names",
    Check.SIGNERS_DISTINCT: "Each approval must come from a different person",
    Check.SIGNER_IS_NOT_AUTHOR: "The author of a model cannot approve it",
    Check.ENOUGH_APPROVALS: "More people must approve: `medcairn approve`",
}

__all__ = [
    "RELEASE_GATE",
    "ApprovalRecord",
    "Approvals",
    "Check",
    "pass_gate",
    "refused_checks",
]
