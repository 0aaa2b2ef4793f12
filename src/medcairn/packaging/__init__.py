"""Stage 6, packaging: an approved model with all that is needed to run, check and judge it."""

from medcairn.packaging.build import PackageReport, approval_record, build_package
from medcairn.packaging.card import ModelAbout
from medcairn.packaging.package import Package, check_signers, model_digest, open_package
from medcairn.packaging.record import ApprovalRecord, Authority, TrustedKeys
from medcairn.packaging.vectors import TestVector

__all__ = [
    "ApprovalRecord",
    "Authority",
    "ModelAbout",
    "Package",
    "PackageReport",
    "TestVector",
    "TrustedKeys",
    "approval_record",
    "build_package",
    "check_signers",
    "model_digest",
    "open_package",
]
