"""What a report is about: the study, the model and the digests that tie it to the trail."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import UsageError


@dataclass(frozen=True)
class ReportAbout:
    """The head of every report.

    ``created_at`` is an ISO 8601 instant with an offset, given by the caller so that the same report has
    the same bytes. A digest that does not apply to a report is None and is left out of it; a report about
    data names no model.

    Raises :class:`UsageError` when ``created_at`` is no such instant.
    """

    study: str
    purpose: str
    model_name: str | None
    model_version: str | None
    algorithm: str | None
    created_at: str
    model_digest: Digest | None = None
    dataset_digest: Digest | None = None
    feature_spec_digest: Digest | None = None
    criteria_digest: Digest | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.instant

    @property
    def instant(self) -> datetime:
        """``created_at`` as an aware instant in UTC, to the second."""
        moment: datetime | None = None
        with suppress(ValueError):
            moment = datetime.fromisoformat(self.created_at)
        if moment is None or moment.tzinfo is None:
            raise UsageError("A report needs its time of creation as an ISO 8601 instant with an offset")
        return moment.astimezone(UTC).replace(microsecond=0)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What the report is about, with the words that name it."""
        day = ("Data as of", self.instant.strftime("%Y-%m-%d"))
        if self.model_name is None:
            return ("Data", self.study), day
        model = f"{self.model_name}, version {self.model_version}"
        return ("Study", self.study), ("Model", model), ("Algorithm", str(self.algorithm)), day

    @property
    def digests(self) -> tuple[tuple[str, Digest], ...]:
        """The digests that apply, with the words that name them."""
        named = (
            ("Model digest", self.model_digest),
            ("Data set digest", self.dataset_digest),
            ("Feature specification", self.feature_spec_digest),
            ("Acceptance criteria", self.criteria_digest),
        )
        return tuple((name, digest) for name, digest in named if digest is not None)

    def as_json(self) -> dict[str, JSON]:
        """The record as it stands in a ``report.json``."""
        return {
            "study": self.study,
            "purpose": self.purpose,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "algorithm": self.algorithm,
            "created_at": self.created_at,
            "model_digest": self.model_digest,
            "dataset_digest": self.dataset_digest,
            "feature_spec_digest": self.feature_spec_digest,
            "criteria_digest": self.criteria_digest,
            "notes": list(self.notes),
        }


__all__ = ["ReportAbout"]
