"""What lies on the desk of somebody who signs: the record, and the artifacts that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medcairn.access import ESignature, Meaning
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.pipeline.approval import approval_record
from medcairn.pipeline.protocol import protocol
from medcairn.pipeline.release import change_control_plan
from medcairn.pipeline.signing import sign_record
from medcairn.pipeline.study import Study


@dataclass(frozen=True)
class ToSign:
    """A record, and the artifacts that its signers look at."""

    signed: Mapping[str, JSON]
    looked_at: tuple[ArtifactRef, ...] = ()


def record_to_sign(study: Study, what: str) -> ToSign:
    """The record that ``what`` (a key of :data:`DESK`) stands for, as it is now.

    Raises :class:`~medcairn.core.errors.UsageError` when there is nothing to sign yet.
    """
    return DESK[what](study)


def sign(
    study: Study, what: str, name: str, password: str, *, meaning: Meaning, code: str | None = None
) -> ESignature:
    """Sign what :func:`record_to_sign` gives as ``name``.

    Raises what :func:`~medcairn.pipeline.signing.sign_record` raises.
    """
    record = record_to_sign(study, what)
    return sign_record(
        study,
        name,
        password,
        signed=record.signed,
        meaning=meaning,
        code=code,
        looked_at=record.looked_at,
    )


def _candidate(study: Study) -> ToSign:
    record, artifacts = approval_record(study), study.artifacts()
    return ToSign(record.as_json(), tuple(artifacts[key] for key in ("model", "gold", "validation")))


def _protocol(study: Study) -> ToSign:
    return ToSign(protocol(study))


def _change_control(study: Study) -> ToSign:
    plan = change_control_plan(study)
    if plan is None:
        raise UsageError(
            "The study has no change control plan",
            hint="Name its file in study.yaml: approval.change_control",
        )
    return ToSign(plan.as_json())


DESK: Mapping[str, Callable[[Study], ToSign]] = {
    "candidate": _candidate,
    "protocol": _protocol,
    "change-control": _change_control,
}

__all__ = ["DESK", "ToSign", "record_to_sign", "sign"]
