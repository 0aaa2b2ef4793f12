"""Logging a healthcare context to the MLflow run that is active."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import Clock
from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.labels import Label
from medcairn.tracking import logged_context as kept
from medcairn.tracking.client import store_call
from medcairn.tracking.context import HealthcareRunContext
from medcairn.tracking.failures import ContextError, MlflowMissing, NoActiveRun, phi_refused
from medcairn.tracking.guard.mode import GuardMode, guard_mode

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from medcairn.audit import Ledger

Logged = dict[str, str | int]


class ContextChanged(ContextError):
    """The run has a context already, with other values."""

    code = "context_changed"


def is_mlflow_available() -> bool:
    """Whether MLflow is installed. Does not import it."""
    try:
        found = importlib.util.find_spec("mlflow")
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None


def log_healthcare_context(
    context: HealthcareRunContext,
    log_provenance: bool = True,
    *,
    run_id: str | None = None,
    client: MlflowClient | None = None,
    fhir_version: Literal["R4", "R5"] = "R4",
    target: str | Sequence[str] | None = None,
    urn_namespace: str = "healthchain",
    ledger: Ledger | None = None,
    actor: str = "pipeline",
    clock: Clock | None = None,
) -> Logged:
    """Log ``context`` to the active MLflow run, or to ``run_id`` of ``client``, and return what was logged.

    Parameters ``healthcare.…``, tags ``healthchain.…``, ``custom_metadata`` as tags ``healthcare.custom.…``,
    and the FHIR Provenance as the artifact ``fhir_provenance.json``, whose digest comes back under that name.
    ``fhir_version``, ``target`` and ``urn_namespace`` are those of
    :meth:`HealthcareRunContext.to_fhir_provenance`. With a ``ledger`` the digests are recorded in it, as an
    act of ``actor``.

    The same context again is a no-op. Where the PHI guard is on (``MEDCAIRN_PHI_GUARD``), the values are
    checked before anything is written.

    Raises :class:`MlflowMissing` (an ``ImportError``), :class:`NoActiveRun` (a ``RuntimeError``),
    :class:`ContextChanged` when the run has other values, :class:`ContextError` for a value that is longer
    than MLflow takes, :class:`PhiRefused` when the guard finds an identifier, and
    :class:`~medcairn.core.errors.ExternalError` when the store refuses.
    """
    client = client or _client()
    run_id = run_id or _active_run()
    params = kept.parameters(context)
    tags = kept.context_tags(context) | kept.custom_tags(context)
    kept.check_limits(params, tags)
    _refuse_identifiers(context)
    found = store_call("read-run", client.get_run, run_id).data
    _refuse_change(found.params, found.tags, params, tags)
    provenance = found.tags.get(kept.PROVENANCE_DIGEST)
    if log_provenance and provenance is None:
        resource = context.to_fhir_provenance(
            fhir_version, target=target, urn_namespace=urn_namespace, clock=clock
        )
        provenance = _log_provenance(client, run_id, resource)
    if provenance is not None:
        tags |= {kept.HAS_PROVENANCE: "true", kept.PROVENANCE_DIGEST: provenance}
    if any(found.tags.get(name) != value for name, value in tags.items()):
        _log_values(client, run_id, params, tags)
    if ledger is not None:
        _record(ledger, actor, run_id, tags)
    return {**params, **tags, **({kept.ARTIFACT: provenance} if provenance is not None else {})}


def tag_model_version(context: HealthcareRunContext, name: str, version: int | str) -> dict[str, str]:
    """Let version ``version`` of the registered model ``name`` carry the context, as tags; they come back.

    Raises :class:`MlflowMissing`, and :class:`~medcairn.core.errors.ExternalError` when there is no such
    version.
    """
    client = _client()
    tags = kept.context_tags(context)
    for key, value in tags.items():
        store_call("set-tag", client.set_model_version_tag, name, str(version), key, value)
    return tags


def _client() -> MlflowClient:
    if not is_mlflow_available():
        raise MlflowMissing
    from mlflow import MlflowClient

    return MlflowClient()


def _active_run() -> str:
    import mlflow

    run = mlflow.active_run()
    if run is None:
        raise NoActiveRun
    return str(run.info.run_id)


def _refuse_identifiers(context: HealthcareRunContext) -> None:
    """Search the context by its own fields, before anything is written; without the guard, nothing."""
    if guard_mode() is GuardMode.OFF:
        return
    from medcairn.tracking.guard.judgement import against, in_fields

    fields = context.to_dict()
    if context.patient_context is not None:
        fields |= context.patient_context.to_dict()
        del fields["patient_context"]
    objections = against("log_healthcare_context", lambda detector: in_fields(detector, "context", fields))
    if objections:
        raise phi_refused(objections)


def _refuse_change(
    old_params: Mapping[str, str],
    old_tags: Mapping[str, str],
    params: Mapping[str, str | int],
    tags: Mapping[str, str],
) -> None:
    """A run has one context: what it holds of one must be the same, and nothing is added or taken away."""
    whole = kept.CONTEXT_DIGEST in old_tags
    pairs = (
        (_ours(old_params), {name: str(value) for name, value in params.items()}),
        (_ours(old_tags), {name: value for name, value in tags.items() if name != kept.CONTEXT_DIGEST}),
    )
    changed = [
        name
        for old, new in pairs
        for name in (*new, *(old.keys() - new.keys() if whole else ()))
        if (name in old or whole) and old.get(name) != new.get(name)
    ]
    if changed or old_tags.get(kept.CONTEXT_DIGEST, tags[kept.CONTEXT_DIGEST]) != tags[kept.CONTEXT_DIGEST]:
        first = changed[0] if changed else "recorded"
        raise ContextChanged(
            "The run has a healthcare context with other values",
            hint="Start another run for another context",
            field=Label("custom_metadata" if first.startswith(kept.CUSTOM) else first),
            changed=max(1, len(changed)),
        )


def _ours(given: Mapping[str, str]) -> dict[str, str]:
    """Of a run's parameters or tags, those that a context is made of."""
    prefixes = ("healthcare.", "healthchain.")
    return {
        name: value
        for name, value in given.items()
        if name.startswith(prefixes) and name != kept.HAS_PROVENANCE
    }


def _log_provenance(client: MlflowClient, run_id: str, resource: Mapping[str, JSON]) -> str:
    """Keep the resource as canonical JSON, so that the digest of the file is that of its content."""
    data = canonical_json(resource)
    store_call("log-provenance", client.log_text, run_id, data.decode(), kept.ARTIFACT)
    return str(digest_bytes(data))


def _log_values(
    client: MlflowClient, run_id: str, params: Mapping[str, str | int], tags: Mapping[str, str]
) -> None:
    """All of them in one batch: stored whole or not at all."""
    from mlflow.entities import Param, RunTag

    rows = [Param(name, str(value)) for name, value in params.items()]
    marks = [RunTag(name, value) for name, value in tags.items()]
    store_call("log-context", client.log_batch, run_id, params=rows, tags=marks)


def _record(ledger: Ledger, actor: str, run_id: str, tags: Mapping[str, str]) -> None:
    """One entry for each context of a run, with digests only."""
    from medcairn.audit import EventType

    provenance = tags.get(kept.PROVENANCE_DIGEST)
    record: dict[str, JSON] = {
        "mlflow_run_id": Label(run_id),
        "context_digest": Digest(tags[kept.CONTEXT_DIGEST]),
        "provenance_digest": Digest(provenance) if provenance is not None else None,
    }
    if all(dict(stored.event.record) != record for stored in ledger.events(EventType.CONTEXT_LOGGED)):
        ledger.append(EventType.CONTEXT_LOGGED, actor=actor, record=record)


__all__ = [
    "ContextChanged",
    "Logged",
    "is_mlflow_available",
    "log_healthcare_context",
    "tag_model_version",
]
