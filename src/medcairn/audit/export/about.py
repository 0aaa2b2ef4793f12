"""What a ledger says of itself in its first entry: its origin, and the key that seals it."""

from __future__ import annotations

from medcairn.audit import LedgerAddress, read_events
from medcairn.audit.events import EventType
from medcairn.core.errors import IntegrityError


def ledger_origin(ledger: LedgerAddress) -> str:
    """The name that the ledger has in its checkpoints. Raises :class:`IntegrityError` when it says none."""
    return _stated(ledger)[0]


def ledger_key(ledger: LedgerAddress) -> str:
    """The first seal key, as hex. Raises :class:`IntegrityError` when the ledger states none."""
    return _stated(ledger)[1]


def _stated(ledger: LedgerAddress) -> tuple[str, str]:
    for stored in read_events(ledger, EventType.LEDGER_CREATED):
        record = stored.event.record
        return str(record.get("origin", "")), str(record.get("public_key", ""))
    raise IntegrityError("The ledger does not say when it was made and by which key it is sealed")


__all__ = ["ledger_key", "ledger_origin"]
