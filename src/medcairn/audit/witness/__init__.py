"""Witnesses: where checkpoints are copied to, out of reach of who can change the ledger."""

from medcairn.audit.witness.folder import FolderWitness
from medcairn.audit.witness.objects import ObjectWitness
from medcairn.audit.witness.timestamp import TimestampWitness
from medcairn.audit.witness.witness import Attestation, LeafHashes, Witness

__all__ = ["FolderWitness", "LeafHashes", "ObjectWitness", "Attestation", "TimestampWitness", "Witness"]
