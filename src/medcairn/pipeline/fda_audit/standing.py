"""Where the version stands, in a word and a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.audit import Finding
from medcairn.pipeline.fda_audit.evidence import Evidence, moves_in
from medcairn.pipeline.fda_audit.telling import mapping
from medcairn.registry import LifecycleState
from medcairn.reports.document import Tone
from medcairn.reports.fda_audit_record import Standing

_RELEASED = {
    LifecycleState.APPROVED.value: "approved",
    LifecycleState.SHADOW.value: "in shadow",
    LifecycleState.CANARY.value: "in canary",
    LifecycleState.PRODUCTION.value: "in production",
}


def standing_of(evidence: Evidence, findings: Sequence[Finding]) -> Standing:
    """The state that the ledger records last, how validation ended, and whether the trail is whole."""
    done = evidence.validation
    verdict = mapping(done, "validation").get("verdict")
    checks = mapping(done, "validation", "checks")
    met = sum(value is True for value in checks.values())
    state = (
        moves_in(evidence.transitions[-1])[evidence.version].get("state") if evidence.transitions else None
    )
    if done is None:
        said = "It was not validated."
    else:
        said = f"Validation {verdict}: {met} of {len(checks)} criteria were met on held-out subjects."
    if evidence.transitions:
        day = evidence.transitions[-1].event.recorded_at[:10]
        said += f" State since {day}: {state}."
    said += f" Signatures: {len(evidence.signatures)}; refused attempts: {len(evidence.refusals)}."
    if findings:
        return Standing(
            "the trail was changed", Tone.BAD, f"Findings, listed at the end: {len(findings)}. {said}"
        )
    if verdict == "failed":
        return Standing("validation failed", Tone.BAD, said)
    if state == LifecycleState.RETIRED:
        return Standing("retired", Tone.NEUTRAL, said)
    if state in _RELEASED:
        return Standing(_RELEASED[str(state)], Tone.GOOD, said)
    return Standing(f"{state or 'trained'}, not approved", Tone.CAUTION, said)


__all__ = ["standing_of"]
