"""The validation protocol: everything that says how a candidate is assessed, fixed before it is."""

from __future__ import annotations

from pathlib import Path

from medcairn import validation
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_file, digest_json
from medcairn.core.errors import GateRefused
from medcairn.core.lifecycle import LifecycleState
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.study import Study
from medcairn.registry import HINTS, Check, is_signed

FORM = "medcairn-protocol-1"


def protocol(study: Study) -> dict[str, JSON]:
    """The protocol as the study's settings have it now; what its approvers sign.

    Raises :class:`~medcairn.core.errors.SettingsError` when the criteria or gates cannot be used.
    """
    settings = study.settings
    criteria = validation.load_criteria(settings.validation.criteria, study.root / "criteria")
    return {
        "form": FORM,
        "model": study.model_name,
        "purpose": settings.study.purpose,
        "task": _named(study, settings.features.task),
        "feature_set": _named(study, settings.features.set),
        "split": settings.split.model_dump(mode="json"),
        "criteria": criteria.as_json(),
        "criteria_digest": criteria.digest,
        "bootstrap_samples": settings.validation.bootstrap_samples,
        "seed": settings.training.seed,
        "auroc_ceiling": settings.validation.auroc_ceiling,
        "gates_digest": study.gates().digest,
    }


def protocol_digest(study: Study) -> Digest:
    """Names the protocol exactly."""
    return digest_json(protocol(study))


def check_protocol_signed(study: Study) -> None:
    """Pass when the protocol needs no signature before it is executed, or has those that it needs.

    Raises :class:`GateRefused`.
    """
    gates = study.gates()
    if Check.PROTOCOL_SIGNED not in gates.before.get(LifecycleState.VALIDATED, ()):
        return
    found = approvals_of(study, protocol_digest(study))
    if not is_signed(gates.protocol, found):
        raise GateRefused(
            "The validation protocol is not approved yet, so it is not executed",
            hint=HINTS[Check.PROTOCOL_SIGNED],
            gate=LifecycleState.VALIDATED,
            check=Check.PROTOCOL_SIGNED,
            approvals=sum(approval.holds for approval in found),
            required=sum(rule.signatures for rule in gates.protocol),
        )


def _named(study: Study, rules: str) -> dict[str, JSON]:
    """Rules by name; those of a file by their digest too."""
    path = study.rules(rules)
    return {"name": rules, "digest": digest_file(path) if isinstance(path, Path) and path.is_file() else None}


__all__ = ["FORM", "check_protocol_signed", "protocol", "protocol_digest"]
