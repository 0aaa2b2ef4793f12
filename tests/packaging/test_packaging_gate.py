"""Nothing unapproved becomes a package, and no package is opened that was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from medcairn.access import Argon2Cost, Meaning, Passwords, People, Role
from medcairn.core.canonical import JSON
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes, digest_json
from medcairn.core.errors import GateRefused, IntegrityError, UsageError
from medcairn.packaging import Authority, PackageReport, TrustedKeys, open_package
from medcairn.packaging.package import seal_package
from medcairn.packaging.record import Missing


class Built(Protocol):
    """A candidate; see conftest.py."""

    @property
    def folder(self) -> Path: ...
    @property
    def trusted(self) -> TrustedKeys: ...
    def sign(self, *names: str) -> Authority: ...
    def build(
        self, out_dir: Path, authority: Authority, trusted: TrustedKeys | None = None
    ) -> PackageReport: ...


def refused(candidate: Built, out: Path, authority: Authority, trusted: TrustedKeys | None = None) -> object:
    with pytest.raises(GateRefused) as failure:
        candidate.build(out, authority, trusted)
    assert list(out.iterdir()) == [], "nothing is written when the gate refuses"
    return failure.value.fields["check"]


def test_nobody_signed(tmp_path: Path, candidate: Built) -> None:
    assert refused(candidate, tmp_path / "a", candidate.sign()) is Missing.SIGNATURE


@pytest.mark.part11("11.50(b)", "11.70")
@pytest.mark.parametrize("name", ["model/model.onnx", "gold/feature_spec.json", "validation/report.json"])
def test_a_signature_does_not_cover_what_changed_after_it(
    tmp_path: Path, candidate: Built, name: str
) -> None:
    authority = candidate.sign("ada", "bea")
    file = candidate.folder / name
    file.write_bytes(file.read_bytes() + b" ")
    assert refused(candidate, tmp_path / "a", authority) is Missing.SIGNED_RECORD


@pytest.mark.part11("11.50(b)", "11.70")
def test_a_changed_signature_is_refused(tmp_path: Path, candidate: Built) -> None:
    authority = candidate.sign("ada", "bea")
    first, second = authority.signatures
    forged = replace(authority, signatures=(first, replace(second, printed_name="Somebody Else")))
    assert refused(candidate, tmp_path / "a", forged) is Missing.TRUSTED_KEY


def test_a_signature_by_an_unknown_key_is_refused(tmp_path: Path, candidate: Built) -> None:
    authority = candidate.sign("ada", "bea")
    stranger = People(tmp_path / "other.db", passwords=Passwords(Argon2Cost(1, 64, 1)))
    stranger.add(
        "ada", printed_name="Ada Okafor", roles=[Role.CLINICAL_REVIEWER], password="mare horse battery"
    )
    keys = {**candidate.trusted, "ada": [stranger.public_keys()["ada"]]}
    assert refused(candidate, tmp_path / "a", authority, keys) is Missing.TRUSTED_KEY
    assert refused(candidate, tmp_path / "b", authority, {}) is Missing.TRUSTED_KEY


@pytest.mark.part11("11.10(a)")
@pytest.mark.parametrize("verdict", ["failed", "", "PASSED", "passed "])
def test_a_model_that_failed_validation_is_refused_whoever_signs(
    tmp_path: Path, make_candidate: Callable[[str], Built], verdict: str
) -> None:
    candidate = make_candidate(verdict)
    assert refused(candidate, tmp_path / "a", candidate.sign("ada", "bea")) is Missing.VALIDATION_PASSED


PLAN: dict[str, JSON] = {"form": "medcairn-change-control-1", "clauses": []}


def under_plan(candidate: Built, people: People, **assessed: JSON) -> Authority:
    """The plan signed, and this model assessed under it."""
    made = people.sign(
        "ada",
        "mare horse battery",
        record=digest_json(PLAN),
        meaning=Meaning.APPROVED,
        clock=FixedClock(datetime(2026, 3, 1, tzinfo=UTC)),
    )
    assessment: dict[str, JSON] = {"inside": True, "record": candidate.sign().signed, **assessed}
    return Authority(digest_json(PLAN), (made,), PLAN, assessment)


def test_a_signed_plan_stands_for_the_model_that_was_found_within_it(
    tmp_path: Path, candidate: Built, people: People
) -> None:
    candidate.build(tmp_path / "a", under_plan(candidate, people))
    opened = open_package(tmp_path / "a", trusted=candidate.trusted)
    assert opened.authority.plan == PLAN
    assert opened.authority.signed == digest_json(PLAN)


@pytest.mark.parametrize("assessed", [{"inside": False}, {"inside": "yes"}, {"record": "sha256:" + "0" * 64}])
def test_a_plan_does_not_stand_for_a_model_outside_it_nor_for_another(
    tmp_path: Path, candidate: Built, people: People, assessed: dict[str, JSON]
) -> None:
    authority = under_plan(candidate, people, **assessed)
    assert refused(candidate, tmp_path / "a", authority) is Missing.SIGNED_RECORD


def test_an_untouched_package_opens(package: Path, candidate: Built) -> None:
    opened = open_package(package, trusted=candidate.trusted)
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
        open_package(package, trusted={})


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
