"""The audit trail: an append-only ledger of events in a Merkle tree (RFC 9162), verified and traced."""

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.ledger import Appended, Ledger, read_events, witness_file
from medcairn.audit.seals import Checkpoint, SealKey
from medcairn.audit.trace import Trace, trace
from medcairn.audit.verify import Finding, LedgerCheck, verify_ledger

__all__ = [
    "Appended",
    "Checkpoint",
    "Event",
    "EventType",
    "Finding",
    "Ledger",
    "LedgerCheck",
    "SealKey",
    "StoredEvent",
    "Trace",
    "read_events",
    "trace",
    "verify_ledger",
    "witness_file",
]
