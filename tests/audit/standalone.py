"""The stand-alone verifier, run as its reader runs it: by itself, on exported files, in another process."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from medcairn.audit import Evidence, LedgerAddress, Receipt, export_ledger
from medcairn.audit.standalone import VERIFIER

_MODULE = runpy.run_path(str(VERIFIER), run_name="verify_audit")
_VERIFY, DIFFERENCE = _MODULE["verify"], _MODULE["difference"]

Named = list[tuple[str | None, int | None]]


def export(
    address: LedgerAddress, folder: Path, evidence: Evidence, seals: Mapping[str, str | None] | None = None
) -> None:
    receipts: list[Receipt] = [receipt for _, receipt in evidence.receipts if receipt is not None]
    export_ledger(
        address, folder, witnesses=evidence.witnesses, receipts=receipts, people=evidence.people, seals=seals
    )


def findings_in_process(folder: Path, public_key: bytes | None = None) -> Named:
    """The same without the start of a process, for many."""
    _, _, found = _VERIFY(folder, public_key)
    return [(attack, entry) for attack, entry, _ in found]


def standalone_findings(folder: Path, *arguments: str) -> Named:
    """(attack, entry) of each finding."""
    # -I: neither this package nor anything of the environment can be imported.
    command: Sequence[str] = [sys.executable, "-I", str(VERIFIER), str(folder), "--json", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == (5 if found else 0)
    return [(one["attack"], one["entry"]) for one in found]


__all__ = ["DIFFERENCE", "Named", "export", "findings_in_process", "standalone_findings"]
