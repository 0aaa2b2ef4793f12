"""The audit trail: an append-only ledger of events in a Merkle tree (RFC 9162), verified and traced."""

from medcairn.audit.events import Event, EventType, StoredEvent
from medcairn.audit.exchange import export_ledger
from medcairn.audit.findings import Attack, Finding, LedgerCheck
from medcairn.audit.ledger import Ledger, WitnessFailed
from medcairn.audit.proposals import Appended, Overtaken, Proposal
from medcairn.audit.reading import read_consistency, read_events, read_receipt, witness_file
from medcairn.audit.receipts import ConsistencyProof, Receipt, read_receipts
from medcairn.audit.seals import Checkpoint, SealKey
from medcairn.audit.stores import LedgerAddress, PostgresAddress
from medcairn.audit.trace import Trace, trace
from medcairn.audit.verify import Evidence, verify_ledger

__all__ = [
    "Appended",
    "Attack",
    "Checkpoint",
    "ConsistencyProof",
    "Event",
    "EventType",
    "Evidence",
    "Finding",
    "Ledger",
    "LedgerAddress",
    "LedgerCheck",
    "Overtaken",
    "PostgresAddress",
    "Proposal",
    "Receipt",
    "SealKey",
    "StoredEvent",
    "Trace",
    "WitnessFailed",
    "export_ledger",
    "read_consistency",
    "read_events",
    "read_receipt",
    "read_receipts",
    "trace",
    "verify_ledger",
    "witness_file",
]
