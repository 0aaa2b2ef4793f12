"""How well the version performed on held-out data, and how that was found: protocol, criteria, executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.audit.record import Told
from medcairn.audit.record.stages import looked_up
from medcairn.audit.signed import signature_of
from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.pipeline.fda_audit.evidence import Evidence
from medcairn.pipeline.fda_audit.telling import Asked, mapping, told, told_all
from medcairn.pipeline.model_facts import model_digests
from medcairn.reports.fda_audit_record import AuditSection, Listing, Row
from medcairn.validation.checks import CEILING_CHECK
from medcairn.validation.criteria import Metric

_NOT_VALIDATED = "this version was not validated"
_PERFORMANCE: tuple[Asked, ...] = (
    ("held_out_rows", ("validation", "rows")),
    ("held_out_subjects", ("validation", "subjects")),
    ("held_out_positives", ("validation", "positives")),
    ("threshold", ("validation", "operating_point", "threshold")),
    ("threshold_fixed_before", ("validation", "operating_point", "fixed_before")),
    ("specificity_aimed_at", ("validation", "operating_point", "specificity")),
    ("bootstrap_samples", ("validation", "bootstrap_samples")),
)
_NO_GROUPS = (
    "this version was validated before the ledger recorded subgroups; its validation report has them, where "
    "it was kept"
)


def performance(evidence: Evidence) -> AuditSection:
    """What was measured on held-out subjects, with 95% intervals, and in subgroups."""
    done = evidence.validation
    counts = ("rows", "positives")
    metrics = tuple(
        Row((done.index,), {"metric": name, "estimate": value, "method": mapping_of(value).get("method")})
        for name, value in mapping(done, "validation", "metrics").items()
        if done is not None and name not in counts
    )
    groups = looked_up(dict(done.event.record), ("validation", "subgroups")) if done else None
    listed = groups if isinstance(groups, Sequence) and not isinstance(groups, str) else ()
    rows = tuple(
        Row((done.index,), dict(group)) for group in listed if isinstance(group, Mapping) and done is not None
    )
    return AuditSection(
        "performance",
        told_all(done, _PERFORMANCE, of="held_out_data", absent=_NOT_VALIDATED),
        (
            Listing("metrics", metrics, _NOT_VALIDATED),
            Listing("subgroups", rows, _NO_GROUPS if done else _NOT_VALIDATED),
        ),
    )


def validation_method(evidence: Evidence) -> AuditSection:
    """The criteria, when they were pinned, whether a protocol was signed before, and every execution."""
    done = evidence.validation
    pin = evidence.pins.get(done.index) if done else None
    absent = _NOT_VALIDATED if done is None else "no entry of the run pins these criteria before it"
    pinned = (
        Told("criteria_pinned_at", pin.event.recorded_at, pin.index)
        if pin
        else Told("criteria_pinned_at", None, unknown=absent)
    )
    facts = (
        told(done, ("verdict", ("validation", "verdict")), unknown=_NOT_VALIDATED),
        told(done, ("criteria", ("validation", "criteria")), unknown=_NOT_VALIDATED),
        told(pin, ("criteria_version", ("criteria", "version")), unknown=absent),
        told(done, ("criteria_digest", ("validation", "criteria_digest")), unknown=_NOT_VALIDATED),
        pinned,
        told(
            pin, ("protocol_digest", ("protocol_digest",)), unknown="no protocol was pinned with the criteria"
        ),
        _signed_before(evidence, pin, done),
        _executions_told(evidence),
    )
    return AuditSection("validation_method", facts, (_criteria(done, pin), _executions(evidence)))


def _signed_before(evidence: Evidence, pin: StoredEvent | None, done: StoredEvent | None) -> Told:
    """The first signature over the pinned protocol before the validation ended."""
    name = "protocol_signed_before_execution"
    protocol = pin.event.record.get("protocol_digest") if pin else None
    if pin is None or done is None or protocol is None:
        return Told(name, False, pin.index) if pin else Told(name, None, unknown=_NOT_VALIDATED)
    for stored in evidence.signatures:
        signed = signature_of(stored.event)
        if signed is not None and signed.record == protocol and stored.index < pin.index:
            return Told(name, True, stored.index)
    return Told(name, False, pin.index)


def _criteria(done: StoredEvent | None, pin: StoredEvent | None) -> Listing:
    """Each criterion with its rule, what was observed, and whether it was met."""
    asked = looked_up(dict(pin.event.record), ("criteria", "criteria")) if pin else None
    listed = asked if isinstance(asked, Sequence) and not isinstance(asked, str) else ()
    metric_of = {str(one.get("id")): str(one.get("metric")) for one in listed if isinstance(one, Mapping)}
    metric_of[CEILING_CHECK] = Metric.AUROC.value  # no criterion of the file, but asked all the same
    rules, metrics = mapping(done, "validation", "rules"), mapping(done, "validation", "metrics")
    rows = tuple(
        Row(
            (done.index, *([pin.index] if pin else [])),
            {
                "criterion": name,
                "rule": rules.get(name),
                "observed": metrics.get(metric_of.get(name, "")),
                "met": met,
            },
        )
        for name, met in mapping(done, "validation", "checks").items()
        if done is not None
    )
    return Listing("criteria", rows, _NOT_VALIDATED)


def _executions_told(evidence: Evidence) -> Told:
    validations = evidence.history.validations
    if not validations:
        return Told("executions_on_this_version", None, unknown=_NOT_VALIDATED)
    return Told("executions_on_this_version", len(validations), validations[-1].index)


def _executions(evidence: Evidence) -> Listing:
    """Every validation up to the last entry about this version: held-out data wear out by being used."""
    finished = evidence.until_last.of(EventType.STAGE_FINISHED)
    number = {digest: str(n) for n, digest in enumerate(model_digests(finished), start=1)}
    rows = []
    for stored in finished:
        if stored.event.stage != "validate":
            continue
        inputs: dict[str, Digest] = {ref.name: ref.digest for ref in stored.event.inputs}
        values: dict[str, JSON] = {
            "validated_at": stored.event.recorded_at,
            "version": number.get(inputs["model"]) if "model" in inputs else None,
            "dataset_digest": inputs.get("gold"),
            "criteria_digest": mapping(stored, "validation").get("criteria_digest"),
            "verdict": mapping(stored, "validation").get("verdict"),
        }
        rows.append(Row((stored.index,), values))
    return Listing("executions", tuple(rows), "no version was validated")


def mapping_of(value: JSON) -> Mapping[str, JSON]:
    """``value`` where it is a mapping; else nothing."""
    return value if isinstance(value, Mapping) else {}


__all__ = ["performance", "validation_method"]
