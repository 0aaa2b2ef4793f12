"""What the release of a candidate rests on: people's approvals of it, or a change control plan."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn import registry
from medcairn.core.lifecycle import LifecycleState
from medcairn.packaging import ApprovalRecord, Authority, TrustedKeys
from medcairn.pipeline.approval import authority_over, release_case, trusted_keys
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.study import Study
from medcairn.pipeline.versions import BY_APPROVAL, present_version


@dataclass(frozen=True)
class Release:
    """Who or what stands for the release, and the keys that are trusted for it."""

    rests_on: str
    authority: Authority
    trusted: TrustedKeys


def release_of(study: Study, record: ApprovalRecord) -> Release:
    """What the release of the candidate behind ``record`` rests on, after the gate before packaging.

    Raises :class:`~medcairn.core.errors.GateRefused` that names the check.
    """
    approvals = approvals_of(study, record.digest)
    case = release_case(study, present_version(study), approvals)
    registry.pass_gate(study.gates(), LifecycleState.APPROVED, case)
    return Release(BY_APPROVAL, authority_over(record.digest, approvals), trusted_keys(approvals))


__all__ = ["Release", "release_of"]
