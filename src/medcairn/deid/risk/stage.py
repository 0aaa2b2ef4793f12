"""Assessing the risk of de-identified output: a folder in, ``risk.json`` and ``risk.html`` out."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from medcairn.core.artifacts import MANIFEST, read_manifest
from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors, write_file, write_json
from medcairn.core.progress import NoProgress, Progress
from medcairn.deid.risk.attributes import (
    DEFAULT_QUASI_IDENTIFIERS,
    DEFAULT_SENSITIVE,
    QuasiIdentifier,
    SensitiveAttribute,
    quasi_identifier,
    sensitive_attribute,
)
from medcairn.deid.risk.measures import measure
from medcairn.deid.risk.page import risk_page
from medcairn.deid.risk.people import People, read_people
from medcairn.deid.risk.report import RiskReport

RISK_JSON = "risk.json"
RISK_PAGE = "risk.html"


def assess_risk(
    deid_dir: Path,
    out_dir: Path,
    *,
    quasi_identifiers: Sequence[str] = DEFAULT_QUASI_IDENTIFIERS,
    sensitive: Sequence[str] = DEFAULT_SENSITIVE,
    as_of: date | None = None,
    name: str = "De-identified data",
    progress: Progress | None = None,
) -> RiskReport:
    """Measure how well the subjects of the de-identified NDJSON in ``deid_dir`` hide among each other.

    Writes ``risk.json`` and the self-contained page ``risk.html`` to ``out_dir``; both hold counts and no
    values. ``as_of`` is the day on the page, by default that of the folder's manifest; ``name`` heads it.

    Raises :class:`UsageError` for a name that is not known or given twice, no quasi-identifier, a folder
    without patients, or no day; :class:`DataError` when a file cannot be read; :class:`StorageError` when the
    disk is full.
    """
    progress = progress or NoProgress()
    if not quasi_identifiers or len(set(quasi_identifiers)) < len(quasi_identifiers):
        raise UsageError("Name at least one quasi-identifier, and each once")
    chosen = [quasi_identifier(one) for one in quasi_identifiers]
    guarded = [sensitive_attribute(one) for one in dict.fromkeys(sensitive)]
    day = as_of or _day_of(deid_dir)
    if out_dir.resolve() == deid_dir.resolve():
        raise UsageError("The report has a folder of its own", folder=out_dir)
    with storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True)
    report = measure_folder(deid_dir, chosen, guarded, spill=out_dir / "spill.partial", progress=progress)
    write_json(out_dir / RISK_JSON, report.facts())
    write_file(out_dir / RISK_PAGE, risk_page(report, name=name, as_of=day))
    return report


def measure_folder(
    deid_dir: Path,
    quasi_identifiers: Sequence[QuasiIdentifier],
    sensitive: Sequence[SensitiveAttribute],
    *,
    spill: Path,
    progress: Progress,
) -> RiskReport:
    """The numbers alone. ``spill`` is the folder for what exceeds the engine's memory; it is gone at the end.

    Raises :class:`UsageError` for a folder without patients, :class:`DataError` when a file cannot be read.
    """
    people = People(spill)
    try:
        read_people(people, deid_dir, quasi_identifiers, sensitive, progress)
        return measure(people, quasi_identifiers, sensitive, progress)
    finally:
        people.close()
        shutil.rmtree(spill, ignore_errors=True)


def _day_of(folder: Path) -> date:
    """The ``as_of`` in the facts of a de-identified folder's manifest."""
    found: date | None = None
    if (folder / MANIFEST).is_file():
        with contextlib.suppress(ValueError):
            found = date.fromisoformat(str(read_manifest(folder).facts.get("as_of")))
    if found is None:
        raise UsageError(
            "The day of the data is not known", hint="Give it: the folder has no manifest with one"
        )
    return found


__all__ = ["RISK_JSON", "RISK_PAGE", "assess_risk", "measure_folder"]
