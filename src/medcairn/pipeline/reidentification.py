"""Whom pseudonyms stand for: an act that is recorded before its answer is given."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from medcairn.audit import EventType
from medcairn.core.errors import UsageError
from medcairn.deid import Source, lookup
from medcairn.pipeline.study import Study, acting_person


class Purpose(StrEnum):
    """Why somebody may ask. A closed set, so that no patient's data end up in the ledger."""

    CARE = "care"
    INCIDENT = "incident"
    CORRECTION = "correction"
    SUBJECT_REQUEST = "subject-request"
    AUDIT = "audit"


def reidentify(study_folder: Path, pseudonyms: Sequence[str], *, reason: str) -> list[Source | None]:
    """Whom each of ``pseudonyms`` stands for in the study's crosswalk; None for nobody.

    The ledger learns who asked, why, and how many were asked for and found; never for whom.

    Raises :class:`UsageError` for a reason that does not exist or a study whose pseudonyms are derived from
    a key: those lead back to nobody.
    """
    if reason not in set(Purpose):
        raise UsageError("There is no such reason", hint="Reasons: " + ", ".join(Purpose))
    study = Study.open(study_folder)
    crosswalk = study.crosswalk_file
    if study.settings.deid.pseudonyms != "random" or not crosswalk.is_file():
        raise UsageError(
            "This study has no crosswalk, so nothing leads back from its pseudonyms",
            hint="Only deid.pseudonyms: random in study.yaml keeps one",
        )
    found = [lookup(crosswalk, pseudonym) for pseudonym in pseudonyms]
    with study.ledger() as ledger:
        ledger.append(
            EventType.SUBJECT_REIDENTIFIED,
            actor=acting_person(),
            record={
                "reason": Purpose(reason).value,
                "asked": len(found),
                "found": sum(one is not None for one in found),
            },
        )
        ledger.checkpoint()
    return found


__all__ = ["Purpose", "reidentify"]
