"""The audit package of a study: the ledger's files, the verifier, and a summary as PDF and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medcairn.audit import LedgerAddress, read_events
from medcairn.audit.exchange import export_ledger
from medcairn.audit.export import STAMPS, PackageReport, ledger_key, ledger_origin, summarise, write_package
from medcairn.audit.export.summary import AuditSummary
from medcairn.audit.graph import MOST_BOXES, trail_picture
from medcairn.audit.standalone import VERIFIER
from medcairn.audit.trace import follow
from medcairn.audit.witness import Attestation
from medcairn.core.artifacts import MANIFEST
from medcairn.core.canonical import canonical_json
from medcairn.core.digests import Digest, digest_file
from medcairn.reports.audit_summary import Checked, audit_document
from medcairn.reports.pdf import render_pdf


def write_audit_package(
    folder: Path,
    study: Path,
    *,
    ledger: LedgerAddress,
    checked: Checked,
    people: Mapping[str, Sequence[str]],
    witnesses: Sequence[Attestation] = (),
    stamps: Mapping[str, bytes] | None = None,
) -> PackageReport:
    """Write the package of ``ledger`` as the new folder ``folder``.

    ``study`` is the folder that artifacts' paths are relative to, ``checked`` how the trail was verified, and
    ``people`` every public key (hex) that was ever a person's, ``witnesses`` what they hold, and ``stamps``
    the files of time-stamping services (RFC 3161) by name. The same study gives the same bytes.

    Raises :class:`~medcairn.core.errors.UsageError` when the folder is there already.
    """
    summary = summarise(
        read_events(ledger),
        origin=ledger_origin(ledger),
        public_key=ledger_key(ledger),
        root_hash=checked.root_hash,
    )
    document = audit_document(summary, checked, trail_svg=_picture(ledger, summary))
    seals = {noted.ref.path: _seal(study / noted.ref.path) for noted in summary.artifacts}
    return write_package(
        folder,
        ledger_files=lambda into: export_ledger(
            ledger, into, people=people, seals=seals, witnesses=witnesses
        ),
        verifier=VERIFIER,
        documents={
            "summary.json": canonical_json(summary.as_json()) + b"\n",
            "summary.pdf": render_pdf(document),
            **{f"{STAMPS}/{name}": data for name, data in (stamps or {}).items()},
        },
    )


def _picture(ledger: LedgerAddress, summary: AuditSummary) -> str | None:
    """The trail of the latest package; none where there is no package or more than a picture can show."""
    if summary.latest_package is None:
        return None
    trail = follow(read_events(ledger), summary.latest_package)
    if len(trail.entries) + len(trail.folds) > MOST_BOXES:
        return None
    return trail_picture(trail)


def _seal(folder: Path) -> Digest | None:
    manifest = folder / MANIFEST
    return digest_file(manifest) if manifest.is_file() else None


__all__ = ["write_audit_package"]
