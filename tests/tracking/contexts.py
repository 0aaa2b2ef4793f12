"""Contexts that the tests log, and an MLflow store to log them to."""

from __future__ import annotations

from datetime import UTC, datetime

from medcairn.core.clock import FixedClock
from medcairn.tracking import HealthcareRunContext, PatientContext

NOON = FixedClock(datetime(2026, 3, 4, 12, 0, tzinfo=UTC))
DIGEST = "sha256:" + "5f" * 32


def full_context() -> HealthcareRunContext:
    """A context with every field."""
    return HealthcareRunContext(
        model_id="sepsis-predictor",
        version="2.1.0",
        patient_context=PatientContext(
            cohort="ICU patients",
            age_range="18-65",
            sample_size=500,
            inclusion_criteria=["admitted to the ICU", "adults, ventilated"],
            exclusion_criteria=["palliative care"],
        ),
        organization="Example Hospital",
        purpose="Early detection of sepsis",
        data_sources=["icu warehouse", f"icu-gold@{DIGEST}"],
        regulatory_tags=["HIPAA", "IRB 12/3"],
        custom_metadata={"validated": True, "threshold": 0.7, "site": "north"},
        recorded=datetime(2026, 1, 22, 10, 30, tzinfo=UTC),
    )


__all__ = ["DIGEST", "NOON", "full_context"]
