"""Building a package: the gate first, then every file, then the digests over all of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medcairn.core.artifacts import MANIFEST
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.clock import instant
from medcairn.core.digests import Digest, digest_file
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.packaging import package as layout
from medcairn.packaging.card import Card, ModelAbout
from medcairn.packaging.container import container_files
from medcairn.packaging.evidence import Evidence, read_evidence
from medcairn.packaging.markdown import render_markdown
from medcairn.packaging.record import ApprovalRecord, Authority, TrustedKeys, check_releasable
from medcairn.packaging.vectors import make_vectors, vectors_json
from medcairn.reports import render_page


@dataclass(frozen=True)
class PackageReport:
    """What was packaged."""

    name: Label
    version: Label
    digest: Digest
    model_digest: Digest
    record_digest: Digest
    features: int
    signatures: int
    test_vectors: int

    def facts(self) -> dict[str, JSON]:
        """Aggregate facts for the manifest and the ledger."""
        return {
            "name": self.name,
            "version": self.version,
            "package_digest": self.digest,
            "model_digest": self.model_digest,
            "record_digest": self.record_digest,
            "features": self.features,
            "signatures": self.signatures,
            "test_vectors": self.test_vectors,
        }


def approval_record(
    *, name: Label, version: Label, author: Label, model_dir: Path, gold_dir: Path, validation_dir: Path
) -> ApprovalRecord:
    """What approvers sign, from the artifacts as they are now; sign its ``digest``.

    Raises :class:`UsageError` when a file is missing.
    """
    spec, report = gold_dir / "feature_spec.json", validation_dir / "report.json"
    for file in (model_dir / "model.json", spec, report):
        if not file.is_file():
            raise UsageError("A file that an approval covers is missing", file=file)
    return ApprovalRecord(
        name, version, author, layout.model_digest(model_dir), digest_file(spec), digest_file(report)
    )


def build_package(
    out_dir: Path,
    *,
    name: Label,
    version: Label,
    model_dir: Path,
    gold_dir: Path,
    validation_dir: Path,
    scorer: Scorer,
    authority: Authority,
    trusted: TrustedKeys,
    about: ModelAbout,
    created_at: datetime,
    feature_set: bytes | None = None,
    lock: bytes | None = None,
) -> PackageReport:
    """Write the package of an approved model into ``out_dir``, which exists and is empty.

    ``scorer`` is the loaded model, asked for the test vectors. ``feature_set`` is the definition that the
    features come from (YAML), ``lock`` a hash-pinned requirements file for the container. The same inputs
    give the same bytes. The gate of the registry has been passed before; see
    :func:`~medcairn.packaging.record.check_releasable` for what is asked here as well.

    Raises :class:`GateRefused`, and the errors of :func:`~medcairn.packaging.evidence.read_evidence`.
    """
    record = approval_record(
        name=name,
        version=version,
        author=about.author,
        model_dir=model_dir,
        gold_dir=gold_dir,
        validation_dir=validation_dir,
    )
    evidence = read_evidence(model_dir, gold_dir, validation_dir)
    check_releasable(record, authority, trusted=trusted, validation_passed=evidence.validation_passed)
    if scorer.feature_names != evidence.feature_names:
        raise IntegrityError("The loaded model reads other features than the feature spec names")
    card = Card(name, version, instant(created_at), about, evidence, authority.signatures)
    vectors = make_vectors(scorer, evidence.training_rows)
    files = {
        **_card_files(card),
        **_record_files(record, authority, instant(created_at)),
        layout.VECTORS: canonical_json(vectors_json(vectors)),
        **({"feature_set.yaml": feature_set} if feature_set is not None else {}),
        **({"requirements.lock": lock} if lock is not None else {}),
        **{
            path: text.encode()
            for path, text in container_files(name, version, with_lock=lock is not None).items()
        },
    }
    with storage_errors():
        _copy_model(model_dir, out_dir / layout.MODEL_FOLDER)
        _copy_file(gold_dir / "feature_spec.json", out_dir / layout.FEATURE_SPEC)
        _copy_file(validation_dir / "report.json", out_dir / layout.VALIDATION_REPORT)
        for path, data in files.items():
            _write(out_dir / path, data)
        digest = layout.seal_package(out_dir)
    return _report(record, evidence, authority, digest, len(vectors))


def _card_files(card: Card) -> dict[str, bytes]:
    document = card.document()
    return {
        layout.CARD_JSON: canonical_json(card.as_json()),
        layout.CARD_TEXT: render_markdown(document).encode(),
        layout.CARD_PAGE: render_page(document),
    }


def _record_files(record: ApprovalRecord, authority: Authority, created_at: str) -> dict[str, bytes]:
    about: dict[str, JSON] = {
        "name": record.name,
        "version": record.version,
        "author": record.author,
        "created_at": created_at,
        "approval": record.as_json(),
        "approval_digest": record.digest,
    }
    if authority.plan is not None and authority.assessment is not None:
        about["change_control"] = {"plan": authority.plan, "assessment": authority.assessment}
    signatures: list[JSON] = [signature.as_json() for signature in authority.signatures]
    return {layout.ABOUT: canonical_json(about), layout.SIGNATURES: canonical_json(signatures)}


def _copy_model(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        if file.is_file() and file.name != MANIFEST:
            _copy_file(file, target / file.relative_to(source))


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _report(
    record: ApprovalRecord, evidence: Evidence, authority: Authority, digest: Digest, vectors: int
) -> PackageReport:
    return PackageReport(
        name=record.name,
        version=record.version,
        digest=digest,
        model_digest=record.model,
        record_digest=record.digest,
        features=len(evidence.feature_names),
        signatures=len(authority.signatures),
        test_vectors=vectors,
    )


__all__ = ["PackageReport", "approval_record", "build_package"]
