"""The e-signature that an event records, as the trail and its exports read it (21 CFR 11.50)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcairn.audit.events import Event, EventType
from medcairn.core.canonical import JSON


@dataclass(frozen=True)
class Signed:
    """Who signed (the printed name), when, what it meant, and the digest of the record that was signed.

    ``whole`` is the signature with its seal, as it stands in the ledger; nothing is checked here.
    """

    printed_name: str
    signed_at: str
    meaning: str
    record: str
    whole: Mapping[str, JSON]

    def as_json(self) -> dict[str, JSON]:
        """Without key and seal."""
        return {
            "printed_name": self.printed_name,
            "signed_at": self.signed_at,
            "meaning": self.meaning,
            "record": self.record,
        }


def signature_of(event: Event) -> Signed | None:
    """The signature of a ``record.signed`` event; None for any other event, or when its form is another."""
    whole = event.record.get("signature")
    if event.type is not EventType.RECORD_SIGNED or not isinstance(whole, Mapping):
        return None
    name, when, meaning, record = (whole.get(k) for k in ("printed_name", "signed_at", "meaning", "record"))
    if not all(isinstance(text, str) for text in (name, when, meaning, record)):
        return None
    return Signed(str(name), str(when), str(meaning), str(record), whole)


__all__ = ["Signed", "signature_of"]
