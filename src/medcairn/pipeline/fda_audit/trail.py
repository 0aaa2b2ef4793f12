"""The trail behind the report: the tree that it rests on, and what verification found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

from medcairn.audit import EventType, Finding, LedgerAddress, merkle, read_events, verify_ledger
from medcairn.audit import Evidence as Known
from medcairn.audit.events import StoredEvent
from medcairn.audit.export import ledger_key, ledger_origin
from medcairn.audit.record import Told
from medcairn.audit.stores import open_store
from medcairn.core.canonical import JSON
from medcairn.core.errors import IntegrityError
from medcairn.pipeline.fda_audit.evidence import Evidence
from medcairn.pipeline.people import ABOUT_PEOPLE, signing_keys
from medcairn.pipeline.study import Study
from medcairn.reports.fda_audit_record import AuditSection, Listing, Row

_NEVER = "no verification was recorded up to the last entry that this report rests on"
_HOW = (
    "Every statement above names the ledger entry that it rests on, counted from 0. To read one: medcairn "
    "audit show. To check all: medcairn audit verify, or the stand-alone verifier of an audit package."
)
_CLEAN = "The whole ledger was checked when this report was made: no change was found."


def root_hash(ledger: LedgerAddress, size: int) -> str:
    """The root hash (hex) of the ledger's first ``size`` entries, RFC 9162, from the stored tree."""
    with closing(open_store(ledger, read_only=True)) as store, suppress(KeyError):
        return merkle.root_hash(store, size).hex()
    raise IntegrityError("The stored tree of the ledger is incomplete", hint="medcairn audit verify")


def found_now(study: Study) -> tuple[Finding, ...]:
    """What checking the whole ledger finds now: its entries, tree, checkpoints and signatures."""
    keys = signing_keys(read_events(study.ledger_address, *ABOUT_PEOPLE))
    return verify_ledger(study.ledger_address, evidence=Known(people=keys)).findings


def trail(evidence: Evidence, study: Study, root: str, findings: Sequence[Finding]) -> AuditSection:
    """Origin, key, size and root of the tree, and the findings."""
    recorded = evidence.until_last.of(EventType.TRAIL_VERIFIED)
    facts = (
        Told("ledger", ledger_origin(study.ledger_address), 0),
        Told("first_seal_key", ledger_key(study.ledger_address), 0),
        Told("last_entry", evidence.last, evidence.last),
        Told("tree_size", evidence.last + 1, evidence.last),
        Told("root_hash", root, evidence.last),
        _recorded(recorded[-1]) if recorded else Told("recorded_verification", None, unknown=_NEVER),
    )
    rows = tuple(
        Row(() if finding.entry is None else (finding.entry,), finding.as_json()) for finding in findings
    )
    return AuditSection("trail", facts, (Listing("findings", rows, _CLEAN),), (_HOW,))


def _recorded(verified: StoredEvent) -> Told:
    record = verified.event.record
    found: dict[str, JSON] = {"entries": record.get("tree_size"), "findings": record.get("findings")}
    return Told("recorded_verification", found, verified.index)


__all__ = ["found_now", "root_hash", "trail"]
