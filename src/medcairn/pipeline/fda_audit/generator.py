"""The report of one version: gathered, put together, written."""

from __future__ import annotations

import shutil
from pathlib import Path

from medcairn.core.canonical import canonical_json
from medcairn.core.errors import UsageError
from medcairn.core.files import replace_folder, storage_errors, write_file
from medcairn.pipeline.fda_audit.changes import change_control
from medcairn.pipeline.fda_audit.evidence import READ, gather
from medcairn.pipeline.fda_audit.history import approvals, use, version_history_section
from medcairn.pipeline.fda_audit.making import algorithm, identification, training_data
from medcairn.pipeline.fda_audit.standing import standing_of
from medcairn.pipeline.fda_audit.trail import found_now, root_hash, trail
from medcairn.pipeline.fda_audit.validating import performance, validation_method
from medcairn.pipeline.people import key_ring
from medcairn.pipeline.study import Study
from medcairn.reports import render_pdf
from medcairn.reports.fda_audit import fda_audit_document
from medcairn.reports.fda_audit_record import AuditSection, FdaAudit

JSON_FILE, PDF_FILE = "fda-audit.json", "fda-audit.pdf"
LIMITS = (
    "The ledger says what was recorded, not that it was right. Clinical judgement is the reader's.",
    "Held-out subjects come from the same source as those trained on; other sites and later years are not "
    "assessed here.",
    "Counts of 1 to 10 in subgroups are withheld, and groups with fewer than 11 rows of an outcome class "
    "show no AUROC.",
    "A tail of entries cut off after the last checkpoint that anybody holds cannot be seen. Keep copies of "
    "checkpoints and receipts elsewhere.",
    "A seal shows that a signing key was used. That it was its owner who used it rests on how the "
    "organisation proves identities and guards passwords.",
)


class ComplianceReportGenerator:
    """Makes the reports that auditors ask for, from the records of the study in ``study_folder``.

    >>> generator = ComplianceReportGenerator(Path("readmission"))      # doctest: +SKIP
    >>> record = generator.fda_audit("readmission.readmission_30d", "1")  # doctest: +SKIP
    >>> record.standing.word                                            # doctest: +SKIP
    'production'
    >>> generator.write(record)                                         # doctest: +SKIP
    PosixPath('readmission/reports/fda-audit/readmission.readmission_30d-1')

    Nothing is computed from patients' data: everything stands in the ledger, and the report is dated by the
    last entry that it rests on. The same ledger gives the same bytes.
    """

    def __init__(self, study_folder: Path | str) -> None:
        """Raises :class:`~medcairn.core.errors.SettingsError` when there is no study in the folder."""
        self._study = Study.open(Path(study_folder))

    def fda_audit(self, model: str, version: str) -> FdaAudit:
        """The audit report of ``version`` of the registered ``model`` as a record.

        Raises :class:`~medcairn.core.errors.UsageError` that lists what there is when there is no such
        version, :class:`IntegrityError` when the ledger cannot be read.
        """
        study = self._study
        evidence = gather(study.events(*READ), model, version)
        root = root_hash(study.ledger_address, evidence.last + 1)
        dated = next(one for one in evidence.events if one.index == evidence.last).event.recorded_at
        findings = found_now(study)
        what = identification(evidence, study)
        sections = (
            what,
            algorithm(evidence),
            training_data(evidence),
            performance(evidence),
            validation_method(evidence),
            version_history_section(evidence),
            change_control(evidence),
            approvals(evidence, study, key_ring(study)),
            use(evidence, study),
            trail(evidence, study, root, findings),
        )
        return FdaAudit(
            study=study.settings.study.name,
            model=evidence.model,
            version=evidence.version,
            purpose=_purpose(what),
            dated=dated,
            tree_size=evidence.last + 1,
            root_hash=root,
            standing=standing_of(evidence, findings),
            sections=sections,
            limits=LIMITS,
            synthetic=study.settings.study.synthetic,
        )

    def write(self, record: FdaAudit, folder: Path | None = None) -> Path:
        """Write ``fda-audit.json`` and ``fda-audit.pdf`` as the folder ``folder``, whole or not at all.

        By default that is ``reports/fda-audit/MODEL-VERSION`` in the study. Returns the folder. An earlier
        report there is replaced; any other folder that is not empty is refused.
        """
        own = self._study.root / "reports" / "fda-audit" / f"{record.model}-{record.version}"
        final = (folder or own).absolute()
        _check_replaceable(final)
        pdf = render_pdf(fda_audit_document(record))
        staging = final.with_name(final.name + ".partial")
        with storage_errors():
            shutil.rmtree(staging, ignore_errors=True)
        write_file(staging / JSON_FILE, canonical_json(record.as_json()) + b"\n")
        write_file(staging / PDF_FILE, pdf)
        replace_folder(staging, final)
        return final


def _purpose(identification: AuditSection) -> str:
    """The intended use, for the head of the report; never one that was written after the fact."""
    stated = next(one for one in identification.facts if one.name == "intended_use")
    return f"Intended use unknown: {stated.unknown}." if stated.unknown else str(stated.value)


def _check_replaceable(folder: Path) -> None:
    """Pass when ``folder`` is absent, empty, or an earlier report."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("A file stands where the report's folder should be", folder=folder)
    if folder.is_dir() and {file.name for file in folder.iterdir()} - {JSON_FILE, PDF_FILE}:
        raise UsageError("The folder holds other files", hint="Give a new folder with --out", folder=folder)


__all__ = ["JSON_FILE", "LIMITS", "PDF_FILE", "ComplianceReportGenerator"]
