"""A healthcare context as MLflow keeps it: parameters and tags, in MLflow's limits.

Names are those of HealthChain's RFC 001; tags under ``medcairn.`` are ours and hold digests. Lists are one
row of comma-separated values: elements are divided by a comma and a space, and one that itself holds a comma
or a quotation mark is quoted as RFC 4180 has it, so that the row can be taken apart again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest, digest_json
from medcairn.tracking.failures import ContextError
from medcairn.tracking.fields import problem

if TYPE_CHECKING:
    from medcairn.tracking.context import HealthcareRunContext

ARTIFACT = "fhir_provenance.json"
CONTEXT_DIGEST = "medcairn.context_digest"
PROVENANCE_DIGEST = "medcairn.provenance_digest"
HAS_PROVENANCE = "healthchain.has_provenance"
CUSTOM = "healthcare.custom."


def context_digest(context: HealthcareRunContext) -> Digest:
    """The digest of the context's canonical JSON."""
    return digest_json(context.to_dict())


def parameters(context: HealthcareRunContext) -> dict[str, str | int]:
    """The ``healthcare.`` parameters; a field that was not given has none, and a count of 0 has one."""
    patients = context.patient_context
    found: dict[str, str | int | None] = {
        "model_id": context.model_id,
        "model_version": context.version,
        "organization": context.organization,
        "purpose": context.purpose,
        "data_sources": _row(context.data_sources),
        "regulatory_tags": _row(context.regulatory_tags),
    }
    if patients is not None:
        found |= {
            "patient_cohort": patients.cohort,
            "patient_age_range": patients.age_range,
            "patient_sample_size": patients.sample_size,
            "patient_inclusion_criteria": _row(patients.inclusion_criteria),
            "patient_exclusion_criteria": _row(patients.exclusion_criteria),
        }
    return {f"healthcare.{name}": value for name, value in found.items() if value is not None}


def context_tags(context: HealthcareRunContext) -> dict[str, str]:
    """The tags that say which context something has: of a run, and of a registered model version."""
    return {
        "healthchain.model_id": context.model_id,
        "healthchain.version": context.version,
        CONTEXT_DIGEST: str(context_digest(context)),
    }


def custom_tags(context: HealthcareRunContext) -> dict[str, str]:
    """``custom_metadata`` as tags: text as it is, anything else as its JSON."""
    return {f"{CUSTOM}{name}": _shown(value) for name, value in context.custom_metadata.items()}


def check_limits(params: dict[str, str | int], tags: dict[str, str]) -> None:
    """Raises :class:`ContextError` for what MLflow would refuse or, as is its default, cut in silence."""
    from mlflow.utils import validation

    for named, longest in ((params, validation.MAX_PARAM_VAL_LENGTH), (tags, validation.MAX_TAG_VAL_LENGTH)):
        for name, value in named.items():
            if len(str(value)) > longest:
                raise _too_long(name, longest)
    if len(tags) > validation.MAX_PARAMS_TAGS_PER_BATCH:
        raise problem("custom_metadata", "too_many_entries")


def _too_long(name: str, longest: int) -> ContextError:
    error = problem("custom_metadata" if name.startswith(CUSTOM) else name, "longer_than_MLflow_takes")
    error.fields["longest"] = longest
    error.hint = "Shorten it, or log the whole as an artifact and name that here"
    return error


def _row(values: Sequence[str]) -> str | None:
    return ", ".join(_cell(value) for value in values) or None


def _cell(value: str) -> str:
    if any(mark in value for mark in ',"\n') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _shown(value: JSON) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()


__all__ = [
    "ARTIFACT",
    "CONTEXT_DIGEST",
    "CUSTOM",
    "HAS_PROVENANCE",
    "PROVENANCE_DIGEST",
    "check_limits",
    "context_digest",
    "context_tags",
    "custom_tags",
    "parameters",
]
