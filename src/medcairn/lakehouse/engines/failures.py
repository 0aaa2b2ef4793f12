"""Failures that every engine reports with the same error of ours."""

from __future__ import annotations

from medcairn.core.errors import DataError, ExternalError, MedcairnError, StorageError
from medcairn.lakehouse.views.dialects.dialect import MORE_THAN_ONE, NOT_JSON

_FULL = ("No space left", "max_temp_directory_size")


def known_failure(text: str) -> MedcairnError | None:
    """Ours for an engine's error ``text``: a marker in our SQL, a full disk, too little memory; else None.

    The text quotes values: it is looked at and dropped.
    """
    if MORE_THAN_ONE in text:
        return DataError(
            "A view asks for one value where the data hold several",
            hint="Set `collection: true` on the column, or take one with first() or where()",
        )
    if NOT_JSON in text or "Malformed JSON" in text:
        return DataError("A resource is not JSON")
    if any(sign in text for sign in _FULL):
        return StorageError("The disk is full", hint="Free some space and run the same command again")
    if "OutOfMemoryError" in text:
        return ExternalError("The engine ran out of the memory that it may use")
    return None


def refused() -> MedcairnError:
    """What an engine refuses for a reason of its own: our SQL is wrong."""
    return ExternalError("The engine refused a statement of ours; please report this as a defect")


__all__ = ["known_failure", "refused"]
