"""What a study's ledger and settings tell of its latest model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError

_NO_MODEL = "medcairn run --until train"


@dataclass(frozen=True)
class StudyFacts:
    """Aggregates, names and digests only. ``subjects`` is how many people the model was trained on."""

    model_id: str
    version: str
    cohort: str
    subjects: int | None
    purpose: str | None
    sources: tuple[tuple[str, Digest], ...]
    metadata: Mapping[str, JSON]
    recorded: datetime


def facts_of(study_folder: Path) -> StudyFacts:
    """The facts of the model that the study's last training made.

    Raises :class:`~medcairn.core.errors.SettingsError` when there is no study, and :class:`UsageError` when
    it has no model yet.
    """
    from medcairn.audit import EventType, read_events
    from medcairn.audit.study_address import ledger_address
    from medcairn.core.settings import read_settings

    folder = Path(study_folder)
    settings = read_settings(folder)
    address = ledger_address(folder, settings)
    ends = [stored.event for stored in read_events(address, EventType.STAGE_FINISHED)]
    models = [(event, ref) for event in ends for ref in event.outputs if ref.name == "model"]
    if not models:
        raise UsageError("There is no model yet", hint=_NO_MODEL)
    trained, model = models[-1]
    versions = list(dict.fromkeys(ref.digest for _, ref in models))
    task = Path(settings.features.task).name.removesuffix(".yaml").removesuffix(".yml")
    about = trained.record.get("model")
    subjects = about.get("subjects") if isinstance(about, Mapping) else None
    return StudyFacts(
        model_id=f"{settings.study.name}.{task}",
        version=str(versions.index(model.digest) + 1),
        cohort=task,
        subjects=subjects if isinstance(subjects, int) else None,
        purpose=settings.study.purpose or None,
        sources=tuple((f"{settings.study.name}.{ref.name}", ref.digest) for ref in trained.inputs),
        metadata={
            "model_digest": model.digest,
            "deid_mode": settings.deid.mode,
            "feature_set": Path(settings.features.set).name,
            "synthetic": settings.study.synthetic,
        },
        recorded=datetime.fromisoformat(trained.recorded_at),
    )


__all__ = ["StudyFacts", "facts_of"]
