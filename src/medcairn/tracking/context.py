"""What a run is about, in the words of healthcare: the model, the cohort in aggregate, data, rules.

Names, parameters and tags follow HealthChain's RFC 001 (MLflow integration for healthcare experiment
tracking, draft of January 2026). Nothing here needs MLflow.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, SystemClock, instant
from medcairn.tracking import ages, fields

SMALL_CELL = 11
"""The least number of people that a cell may show, other than none.

The cell size suppression policy of the US Centers for Medicare & Medicaid Services: no cell of 1 to 10.
"""


class SmallCellWarning(UserWarning):
    """A cohort is so small that its size may tell who is in it."""


@dataclass(frozen=True)
class PatientContext(metaclass=fields.Checked):
    """A cohort in aggregate: never a person.

    ``cohort`` says in words who it is; ``age_range`` in years (``18-65``, ``65+``; over 89 is told as
    ``90+``); ``sample_size`` how many people, from 0. The criteria are sentences, one to a rule.

    Raises :class:`~medcairn.tracking.failures.ContextError` that names the field. Warns with
    :class:`SmallCellWarning` when ``sample_size`` is 1 to 10.
    """

    cohort: str = "unspecified"
    age_range: str | None = None
    sample_size: int | None = None
    inclusion_criteria: list[str] = field(default_factory=list)
    exclusion_criteria: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        _keep(self, "cohort", fields.text("cohort", self.cohort))
        _keep(self, "age_range", ages.age_range("age_range", self.age_range))
        _keep(self, "sample_size", fields.count("sample_size", self.sample_size))
        for name in ("inclusion_criteria", "exclusion_criteria"):
            _keep(self, name, fields.texts(name, getattr(self, name)))
        if self.sample_size is not None and 0 < self.sample_size < SMALL_CELL:
            text = (
                f"sample_size is below the small-cell floor of {SMALL_CELL}: it may tell who is in the cohort"
            )
            warnings.warn(text, SmallCellWarning, stacklevel=4)

    def to_dict(self) -> dict[str, JSON]:
        """All fields as JSON."""
        return {
            "cohort": self.cohort,
            "age_range": self.age_range,
            "sample_size": self.sample_size,
            "inclusion_criteria": list(self.inclusion_criteria),
            "exclusion_criteria": list(self.exclusion_criteria),
        }


@dataclass(frozen=True)
class HealthcareRunContext(metaclass=fields.Checked):
    """What an MLflow run is about.

    ``data_sources`` are names; a name may carry the digest of its data, ``NAME@sha256:<64 hex digits>``,
    which then identifies it in the Provenance. ``regulatory_tags`` say what is claimed (``IRB-approved``);
    nothing checks them. ``custom_metadata`` maps names to JSON. ``recorded`` is when it happened, with a
    time zone; without it, the time of logging counts.

    Raises :class:`~medcairn.tracking.failures.ContextError` that names the field, also for one that is
    unknown or missing.
    """

    model_id: str
    version: str
    patient_context: PatientContext | None = None
    organization: str | None = None
    purpose: str | None = None
    data_sources: list[str] = field(default_factory=list)
    regulatory_tags: list[str] = field(default_factory=list)
    custom_metadata: Mapping[str, Any] = field(default_factory=dict)
    recorded: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("model_id", "version"):
            fields.text(name, getattr(self, name))
        for name in ("organization", "purpose"):
            fields.optional_text(name, getattr(self, name))
        for name in ("data_sources", "regulatory_tags"):
            _keep(self, name, fields.texts(name, getattr(self, name)))
        if not isinstance(self.patient_context, (PatientContext, type(None))):
            raise fields.problem("patient_context", "not_a_patient_context")
        _keep(self, "custom_metadata", fields.metadata("custom_metadata", self.custom_metadata))
        fields.aware("recorded", self.recorded)

    @classmethod
    def from_study(
        cls, study_folder: Path, *, organization: str | None = None, regulatory_tags: tuple[str, ...] = ()
    ) -> HealthcareRunContext:
        """The context of the latest model of a medcairn study, from its ledger and settings.

        Data sources are the artifacts that the training read, with their digests; ``recorded`` is when the
        training ended.

        Raises :class:`~medcairn.core.errors.UsageError` when there is no study or no model yet.
        """
        from medcairn.tracking.study_facts import facts_of

        facts = facts_of(study_folder)
        return cls(
            model_id=facts.model_id,
            version=facts.version,
            patient_context=PatientContext(cohort=facts.cohort, sample_size=facts.subjects),
            organization=organization,
            purpose=facts.purpose,
            data_sources=[f"{name}@{digest}" for name, digest in facts.sources],
            regulatory_tags=list(regulatory_tags),
            custom_metadata=dict(facts.metadata),
            recorded=facts.recorded,
        )

    def to_dict(self) -> dict[str, JSON]:
        """The fields as JSON; ``patient_context``, ``custom_metadata`` and ``recorded`` only when given."""
        given: dict[str, JSON] = {
            "model_id": self.model_id,
            "version": self.version,
            "organization": self.organization,
            "purpose": self.purpose,
            "data_sources": list(self.data_sources),
            "regulatory_tags": list(self.regulatory_tags),
        }
        if self.patient_context is not None:
            given["patient_context"] = self.patient_context.to_dict()
        if self.custom_metadata:
            given["custom_metadata"] = fields.metadata("custom_metadata", self.custom_metadata)
        if self.recorded is not None:
            given["recorded"] = instant(self.recorded)
        return given

    def to_fhir_provenance(
        self,
        fhir_version: Literal["R4", "R5"] = "R4",
        *,
        target: str | Sequence[str] | None = None,
        urn_namespace: str = "healthchain",
        clock: Clock | None = None,
    ) -> dict[str, JSON]:
        """A FHIR Provenance of the model's output, as JSON. See :mod:`medcairn.tracking.provenance`.

        Raises :class:`~medcairn.tracking.failures.ContextError` for a version, target or namespace that
        cannot be used.
        """
        from medcairn.tracking.provenance import provenance

        recorded = self.recorded or (clock or SystemClock()).now()
        return provenance(self, fhir_version, recorded=recorded, target=target, urn_namespace=urn_namespace)


def _keep(record: object, name: str, value: object) -> None:
    """Give a frozen record the checked form of a field while it is built."""
    object.__setattr__(record, name, value)


__all__ = ["SMALL_CELL", "HealthcareRunContext", "PatientContext", "SmallCellWarning"]
