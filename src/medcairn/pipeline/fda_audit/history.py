"""What happened to the version: its moves, who signed, what was refused, and how it is used."""

from __future__ import annotations

from datetime import datetime

from medcairn.access import ESignature, KeyRing, manifestation_json
from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.audit.record import Told
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.core.errors import IntegrityError
from medcairn.pipeline.fda_audit.evidence import Evidence, moves_in
from medcairn.pipeline.fda_audit.telling import Asked, mapping, of_settings, told_all
from medcairn.pipeline.study import Study
from medcairn.reports.fda_audit_record import AuditSection, Listing, Row

_PACKAGED: tuple[Asked, ...] = (
    ("released_package", ("package", "package_digest")),
    ("approval_record", ("approval_digest",)),
    ("signatures_in_the_package", ("package", "signatures")),
)
_DEPLOYED: tuple[Asked, ...] = (
    ("environment", ("deployment", "environment")),
    ("package_digest", ("deployment", "package_digest")),
    ("smoke_test_passed", ("smoke_test", "passed")),
    ("smoke_test_vectors", ("smoke_test", "vectors")),
)
_WATCHED: tuple[Asked, ...] = (
    ("monitoring_status", ("monitoring", "status")),
    ("features_watched", ("monitoring", "features")),
    ("reference_rows", ("monitoring", "reference_rows")),
    ("current_rows", ("monitoring", "current_rows")),
)
_FORMS = {
    "medcairn-approval-1": "model version",
    "medcairn-protocol-1": "validation protocol",
    "medcairn-transition-1": "transition",
    "medcairn-change-control-1": "change control plan",
}
_WHY = ("check", "clause", "code")


def version_history_section(evidence: Evidence) -> AuditSection:
    """Every move of the version, at the time of the ledger's clock."""
    rows = tuple(_move(evidence, stored) for stored in evidence.transitions)
    return AuditSection(
        "version_history", (), (Listing("transitions", rows, "no entry records a move of this version"),)
    )


def _move(evidence: Evidence, stored: StoredEvent) -> Row:
    record, move = stored.event.record, moves_in(stored)[evidence.version]
    values: dict[str, JSON] = {
        "at": stored.event.recorded_at,
        "previous": move.get("previous"),
        "state": move.get("state"),
        "who": stored.event.actor,
        "authority": record.get("authority"),
        "reason": record.get("reason") or None,
        "beside_version": None if move is record else record.get("version"),
        "signed": record.get("signed"),
        "package": record.get("package"),
    }
    return Row((stored.index,), values)


def approvals(evidence: Evidence, study: Study, ring: KeyRing) -> AuditSection:
    """What was released on which signatures, who signed what, whether the seals hold, what was refused."""
    package = evidence.packages[-1] if evidence.packages else None
    required = sum(rule.signatures for rule in study.gates().approval)
    facts = (
        *told_all(package, _PACKAGED, of="package", absent="this version was not packaged"),
        *([of_settings(study, package, "package", "signatures_required", required)] if package else []),
    )
    signed = tuple(_signature(stored, ring) for stored in evidence.signatures)
    refused = tuple(_refusal(stored) for stored in evidence.refusals)
    return AuditSection(
        "approvals",
        facts,
        (
            Listing("signatures", signed, "nobody signed anything about this version"),
            Listing("refusals", refused, "nothing about this version was refused"),
        ),
    )


def _signature(stored: StoredEvent, ring: KeyRing) -> Row:
    signature: ESignature | None = None
    seal, signed = "cannot be read", digest_json(mapping(stored, "signed"))
    try:
        signature = ESignature.from_json(mapping(stored, "signature"))
        recorded_at = datetime.fromisoformat(stored.event.recorded_at)
        ring.verify(signature, recorded_at=recorded_at, record=signed)
        seal = "holds"
    except IntegrityError as failure:
        check = failure.fields.get("check")
        seal = f"does not hold: {check}" if check is not None else seal
    if signature is None:
        return Row((stored.index,), {"seal": seal})
    form = str(mapping(stored, "signed").get("form"))
    values: dict[str, JSON] = {
        **manifestation_json(signature),
        "of": _FORMS.get(form, form),
        "public_key": signature.public_key,
        "seal": seal,
    }
    return Row((stored.index,), values)


def _refusal(stored: StoredEvent) -> Row:
    record = stored.event.record
    signing = stored.event.type is EventType.SIGNING_REFUSED
    values: dict[str, JSON] = {
        "at": stored.event.recorded_at,
        "who": stored.event.actor,
        "refused": "e-signature" if signing else f"gate {record.get('gate')}",
        "why": next((record[key] for key in _WHY if record.get(key)), None),
    }
    return Row((stored.index,), values)


def use(evidence: Evidence, study: Study) -> AuditSection:
    """Where the version was deployed, and how it is watched."""
    deployed = evidence.deployments[-1] if evidence.deployments else None
    watched = evidence.monitorings[-1] if evidence.monitorings else None
    facts = (
        *told_all(deployed, _DEPLOYED, of="deployment", absent="this version was not deployed"),
        *told_all(watched, _WATCHED, of="monitoring", absent="this version was not monitored"),
        *(_limits_of_monitoring(study, watched) if watched else ()),
    )
    rows = tuple(
        Row(
            (stored.index,),
            {
                "at": stored.event.recorded_at,
                "what": "deployed" if stored.event.stage == "deploy" else "monitored",
                "outcome": mapping(stored, "deployment").get("state")
                or mapping(stored, "monitoring").get("status"),
            },
        )
        for stored in sorted((*evidence.deployments, *evidence.monitorings), key=lambda one: one.index)
    )
    return AuditSection("use", facts, (Listing("uses", rows, "no entry records a use"),))


def _limits_of_monitoring(study: Study, watched: StoredEvent) -> tuple[Told, ...]:
    settings = study.settings.monitoring
    return (
        of_settings(study, watched, "monitor", "false_discovery_rate", settings.false_discovery_rate),
        of_settings(study, watched, "monitor", "fewest_rows_judged", settings.minimum_rows),
    )


__all__ = ["approvals", "use", "version_history_section"]
