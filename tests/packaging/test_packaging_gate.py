"""Nothing unapproved becomes a package, and no package is opened that was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from medcairn.access import Argon2Cost, Meaning, Passwords, People, Role
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import GateRefused, IntegrityError, UsageError
from medcairn.core.labels import Label
from medcairn.packaging import Approvals, Check, PackageReport, open_package
from medcairn.packaging.gate import ApprovalRecord, pass_gate
from medcairn.packaging.package import seal_package


class Built(Protocol):
    """A candidate; see conftest.py."""

    @property
    def folder(self) -> Path: ...
    def sign(self, *names: str, meaning: Meaning = Meaning.APPROVED) -> Approvals: ...
    def build(self, out_dir: Path, approvals: Approvals) -> PackageReport: ...


def refused(candidate: Built, out: Path, approvals: Approvals) -> object:
    with pytest.raises(GateRefused) as failure:
        candidate.build(out, approvals)
    assert list(out.iterdir()) == [], "nothing is written when the gate refuses"
    return failure.value.fields["check"]


def test_one_approval_of_two_is_not_enough(tmp_path: Path, candidate: Built) -> None:
    assert refused(candidate, tmp_path / "a", candidate.sign("ada")) is Check.ENOUGH_APPROVALS


def test_no_approval_is_not_enough_even_when_none_is_required(tmp_path: Path, candidate: Built) -> None:
    approvals = replace(candidate.sign(), required=0)
    assert refused(candidate, tmp_path / "a", approvals) is Check.ENOUGH_APPROVALS


def test_a_review_is_no_approval(tmp_path: Path, candidate: Built) -> None:
    approvals = candidate.sign("ada", "bea", meaning=Meaning.REVIEWED)
    assert refused(candidate, tmp_path / "a", approvals) is Check.ENOUGH_APPROVALS


@pytest.mark.part11("11.10(g)")
def test_one_person_twice_is_one_person(tmp_path: Path, candidate: Built) -> None:
    assert refused(candidate, tmp_path / "a", candidate.sign("ada", "ada")) is Check.SIGNERS_DISTINCT


@pytest.mark.part11("11.10(g)")
def test_the_author_does_not_approve(tmp_path: Path, candidate: Built) -> None:
    assert refused(candidate, tmp_path / "a", candidate.sign("ada", "dan")) is Check.SIGNER_IS_NOT_AUTHOR


@pytest.mark.part11("11.50(b)", "11.70")
@pytest.mark.parametrize("name", ["model/model.onnx", "gold/feature_spec.json", "validation/report.json"])
def test_a_signature_does_not_cover_what_changed_after_it(
    tmp_path: Path, candidate: Built, name: str
) -> None:
    approvals = candidate.sign("ada", "bea")
    file = candidate.folder / name
    file.write_bytes(file.read_bytes() + b" ")
    assert refused(candidate, tmp_path / "a", approvals) is Check.RECORD_IS_THIS_MODEL


@pytest.mark.part11("11.50(b)", "11.70")
def test_a_changed_signature_is_refused(tmp_path: Path, candidate: Built) -> None:
    approvals = candidate.sign("ada", "bea")
    first, second = approvals.signatures
    forged = replace(approvals, signatures=(first, replace(second, printed_name="Somebody Else")))
    assert refused(candidate, tmp_path / "a", forged) is Check.SEALS_HOLD


def test_a_signature_by_an_unknown_key_is_refused(tmp_path: Path, candidate: Built) -> None:
    approvals = candidate.sign("ada", "bea")
    stranger = People(tmp_path / "other.db", passwords=Passwords(Argon2Cost(1, 64, 1)))
    stranger.add(
        "ada", printed_name="Ada Okafor", roles=[Role.CLINICAL_REVIEWER], password="mare horse battery"
    )
    keys = {**approvals.public_keys, "ada": stranger.public_keys()["ada"]}
    assert refused(candidate, tmp_path / "a", replace(approvals, public_keys=keys)) is Check.SEALS_HOLD
    assert refused(candidate, tmp_path / "b", replace(approvals, public_keys={})) is Check.SEALS_HOLD


@pytest.mark.part11("11.10(a)")
@pytest.mark.parametrize("verdict", ["failed", "", "PASSED", "passed "])
def test_a_model_that_failed_validation_is_refused_whoever_signs(
    tmp_path: Path, make_candidate: Callable[[str], Built], verdict: str
) -> None:
    candidate = make_candidate(verdict)
    assert refused(candidate, tmp_path / "a", candidate.sign("ada", "bea")) is Check.VALIDATION_PASSED


@pytest.mark.part11("11.10(f)")
def test_a_gate_without_checks_denies() -> None:
    digest = digest_bytes(b"x")
    record = ApprovalRecord(Label("m"), Label("1"), Label("dan"), digest, digest, digest)
    with pytest.raises(GateRefused, match="without checks"):
        pass_gate(record, Approvals((), 0, {}), validation_passed=True, gate=())


def test_an_untouched_package_opens(package: Path, people: People) -> None:
    opened = open_package(package, public_keys=people.public_keys())
    assert (opened.name, opened.version) == ("readmission_30d", "1")
    assert [signature.signer for signature in opened.signatures] == ["ada", "bea"]
    assert open_package(package, expected=opened.digest).digest == opened.digest


def test_each_flipped_byte_is_found_and_its_file_named(package: Path, subtests: pytest.Subtests) -> None:
    for file in sorted(package.rglob("*")):
        if not file.is_file() or file.name == "digests.json":
            continue
        name, data = file.relative_to(package).as_posix(), file.read_bytes()
        with subtests.test(name):
            file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
            with pytest.raises(IntegrityError) as found:
                open_package(package)
            assert found.value.fields["file"] == name
            file.unlink()
            with pytest.raises(IntegrityError, match="missing"):
                open_package(package)
            file.write_bytes(data)
    open_package(package)


def test_an_added_file_is_found(package: Path) -> None:
    (package / "model" / "sitecustomize.py").write_text("")
    with pytest.raises(IntegrityError, match="added") as found:
        open_package(package)
    assert found.value.fields["file"] == "model/sitecustomize.py"


def test_a_manifest_of_the_pipeline_may_lie_beside(package: Path) -> None:
    (package / "manifest.json").write_text("{}")
    open_package(package)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model/model.onnx": "x"}'])
def test_a_broken_list_of_digests_is_an_integrity_failure(package: Path, text: str) -> None:
    (package / "digests.json").write_text(text)
    with pytest.raises(IntegrityError):
        open_package(package)


@pytest.mark.part11("11.50(b)", "11.70")
def test_a_swapped_model_breaks_the_signatures_though_the_digests_were_made_anew(package: Path) -> None:
    (package / "model" / "model.onnx").write_bytes(b"another model")
    seal_package(package)
    with pytest.raises(IntegrityError, match="another record"):
        open_package(package)


def test_a_package_without_signatures_does_not_open(package: Path) -> None:
    (package / "signatures.json").write_text("[]")
    seal_package(package)
    with pytest.raises(IntegrityError, match="no signature"):
        open_package(package)


def test_signatures_of_people_who_are_not_known_do_not_open_it(package: Path) -> None:
    with pytest.raises(IntegrityError, match="another key"):
        open_package(package, public_keys={})


def test_another_package_than_expected_is_refused(package: Path) -> None:
    with pytest.raises(IntegrityError, match="another package"):
        open_package(package, expected=digest_bytes(b"other"))


def test_a_folder_that_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_package(tmp_path)


@pytest.mark.part11("11.50(b)", "11.70")
def test_moved_signatures_do_not_open_another_version(package: Path) -> None:
    about = json.loads((package / "package.json").read_bytes())
    (package / "package.json").write_text(json.dumps({**about, "version": "2"}))
    seal_package(package)
    with pytest.raises(IntegrityError, match="another record"):
        open_package(package)
