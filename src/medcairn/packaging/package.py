"""A package folder, opened: every digest checked again before anything in it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from medcairn.access import ESignature, verify_signature
from medcairn.core.artifacts import MANIFEST
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest, digest_bytes, digest_file, digest_json
from medcairn.core.errors import IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.packaging.record import ApprovalRecord, Authority, TrustedKeys, covers
from medcairn.packaging.vectors import TestVector, parse_vectors

DIGESTS = "digests.json"
ABOUT = "package.json"
SIGNATURES = "signatures.json"
VECTORS = "test-vectors.json"
FEATURE_SPEC = "feature_spec.json"
CARD_JSON, CARD_TEXT, CARD_PAGE = "model-card.json", "model-card.md", "model-card.html"
MODEL_FOLDER = "model"
VALIDATION_REPORT = "validation/report.json"
_UNLISTED = {DIGESTS, MANIFEST}


@dataclass(frozen=True)
class Package:
    """A package whose files are what was packaged. ``digest`` names the whole of it.

    ``record`` is computed from the files as they are; ``authority`` is what was signed.
    """

    folder: Path
    name: Label
    version: Label
    digest: Digest
    created_at: datetime
    record: ApprovalRecord
    authority: Authority
    feature_names: tuple[str, ...]
    test_vectors: tuple[TestVector, ...]

    @property
    def signatures(self) -> tuple[ESignature, ...]:
        """The e-signatures that the release rests on."""
        return self.authority.signatures

    @property
    def model_dir(self) -> Path:
        """The model artifact, as training wrote it."""
        return self.folder / MODEL_FOLDER

    @property
    def card_json(self) -> bytes:
        """The model card for machines."""
        return (self.folder / CARD_JSON).read_bytes()

    @property
    def card_page(self) -> bytes:
        """The model card for people, as an HTML page."""
        return (self.folder / CARD_PAGE).read_bytes()


def model_digest(folder: Path) -> Digest:
    """The digest of a model artifact: of the names and contents of its files, its manifest apart."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    return digest_json([[file.relative_to(folder).as_posix(), digest_file(file)] for file in files])


def seal_package(folder: Path) -> Digest:
    """Write ``digests.json`` over every file below ``folder``; its own digest names the package."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    listed: dict[str, JSON] = {
        name: digest_file(file)
        for file in files
        if (name := file.relative_to(folder).as_posix()) not in _UNLISTED
    }
    data = canonical_json(listed)
    (folder / DIGESTS).write_bytes(data)
    return digest_bytes(data)


def open_package(
    folder: Path, *, expected: Digest | None = None, trusted: TrustedKeys | None = None
) -> Package:
    """The package in ``folder``, after checking every file against ``digests.json`` and every signature.

    ``expected`` is the package digest known from elsewhere (the ledger); ``trusted`` the keys of the signers.
    Without them a package that was replaced as a whole, signatures included, is not
    detected.

    Raises :class:`UsageError` when the folder is no package, :class:`IntegrityError` that names the file.
    """
    if not (folder / DIGESTS).is_file():
        raise UsageError("This folder holds no package: it has no digests.json", folder=folder)
    data = (folder / DIGESTS).read_bytes()
    digest = digest_bytes(data)
    if expected is not None and digest != expected:
        raise IntegrityError("This is another package than the one expected", found=digest, expected=expected)
    _check_files(folder, _listed(data))
    package = _read(folder, digest)
    if package is None:
        raise IntegrityError("The package's records cannot be read", folder=folder)
    check_signers(package, trusted)
    return package


def _listed(data: bytes) -> dict[str, Digest]:
    listed: dict[str, Digest] | None = None
    try:
        listed = {str(name): Digest(digest) for name, digest in json.loads(data).items()}
    except (ValueError, AttributeError, TypeError):
        listed = None
    if listed is None:
        raise IntegrityError("The package's list of digests cannot be read", file=Label(DIGESTS))
    return listed


def _check_files(folder: Path, listed: Mapping[str, Digest]) -> None:
    for name, digest in listed.items():
        file = folder / name
        if not file.is_file():
            raise IntegrityError("A file of the package is missing", file=_label(name))
        if digest_file(file) != digest:
            raise IntegrityError("A file of the package is not what was packaged", file=_label(name))
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in listed and name not in _UNLISTED:
            raise IntegrityError("A file was added to the package", file=_label(name))


def _read(folder: Path, digest: Digest) -> Package | None:
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        spec = json.loads((folder / FEATURE_SPEC).read_bytes())
        signatures = json.loads((folder / SIGNATURES).read_bytes())
        record = ApprovalRecord(
            name=Label(about["name"]),
            version=Label(about["version"]),
            author=Label(about["author"]),
            model=model_digest(folder / MODEL_FOLDER),
            feature_spec=digest_file(folder / FEATURE_SPEC),
            validation_report=digest_file(folder / VALIDATION_REPORT),
        )
        return Package(
            folder=folder,
            name=record.name,
            version=record.version,
            digest=digest,
            created_at=datetime.fromisoformat(about["created_at"]),
            record=record,
            authority=_authority(about, signatures, record),
            feature_names=tuple(str(feature["name"]) for feature in spec["features"]),
            test_vectors=parse_vectors((folder / VECTORS).read_bytes()),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _authority(about: Mapping[str, Any], signatures: Sequence[Any], record: ApprovalRecord) -> Authority:
    made = tuple(ESignature.from_json(value) for value in signatures)
    if "change_control" not in about:
        return Authority(record.digest, made)
    change = about["change_control"]
    return Authority(digest_json(change["plan"]), made, change["plan"], change["assessment"])


def check_signers(package: Package, trusted: TrustedKeys | None) -> None:
    """Pass when every signature holds, covers this package's model, and is by a key trusted for its signer.

    Raises :class:`IntegrityError` that names the check.
    """
    if not package.signatures:
        raise IntegrityError("The package carries no signature", file=Label(SIGNATURES))
    if not covers(package.record, package.authority):
        raise IntegrityError("An e-signature belongs to another record", check=Label("record"))
    for signature in package.signatures:
        known = signature.public_key
        if trusted is not None and known not in trusted.get(signature.signer, ()):
            raise IntegrityError("An e-signature was made with another key", check=Label("public_key"))
        verify_signature(signature, public_key=known, record=package.authority.signed)


def _label(name: str) -> Label | Path:
    try:
        return Label(name)
    except ValueError:
        return Path(name)


__all__ = ["Package", "check_signers", "model_digest", "open_package", "seal_package"]
