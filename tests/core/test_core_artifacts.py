"""Artifacts: whole or absent, named by content, and a changed byte shows."""

import errno
from pathlib import Path

import pytest

from medcairn.core.artifacts import MANIFEST, Manifest, Zone, changed_parts, draft_artifact, read_manifest
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import IntegrityError, StorageError, UsageError
from medcairn.core.files import storage_errors


def make(folder: Path, content: bytes = b"abc") -> Manifest:
    with draft_artifact(folder, kind="test", zone=Zone.AGGREGATE) as draft:
        (draft.folder / "inner").mkdir()
        (draft.folder / "inner" / "data.txt").write_bytes(content)
        draft.facts = {"rows": 1}
    return read_manifest(folder)


def test_same_content_same_digest_and_other_content_another(tmp_path: Path) -> None:
    assert make(tmp_path / "a").digest == make(tmp_path / "b").digest
    assert make(tmp_path / "a").digest != make(tmp_path / "c", b"abd").digest


def test_a_failed_draft_leaves_the_earlier_artifact_as_it_was(tmp_path: Path) -> None:
    before = make(tmp_path / "a")

    def fail() -> None:
        with draft_artifact(tmp_path / "a", kind="test", zone=Zone.AGGREGATE) as draft:
            (draft.folder / "other.txt").write_bytes(b"half")
            raise UsageError("stopped")

    with pytest.raises(UsageError):
        fail()
    assert read_manifest(tmp_path / "a") == before
    assert changed_parts(tmp_path / "a", before) == []


def test_resume_keeps_partial_files_and_a_fresh_draft_does_not(tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.mkdir()
    (partial / "kept.txt").write_bytes(b"1")
    with draft_artifact(tmp_path / "a", kind="test", zone=Zone.PHI, resume=True) as draft:
        assert (draft.folder / "kept.txt").is_file()
    partial.mkdir()
    (partial / "kept.txt").write_bytes(b"1")
    with draft_artifact(tmp_path / "a", kind="test", zone=Zone.PHI) as draft:
        assert not (draft.folder / "kept.txt").exists()


@pytest.mark.parametrize("change", ["flip", "remove", "add"])
def test_every_change_is_named(tmp_path: Path, change: str) -> None:
    manifest = make(tmp_path / "a")
    data = tmp_path / "a" / "inner" / "data.txt"
    expected = {"flip": ("inner/data.txt", "changed"), "remove": ("inner/data.txt", "missing")}
    if change == "flip":
        data.write_bytes(b"abd")
    elif change == "remove":
        data.unlink()
    else:
        (tmp_path / "a" / "new.txt").write_bytes(b"")
    assert changed_parts(tmp_path / "a", manifest) == [expected.get(change, ("new.txt", "added"))]


def test_a_delta_table_is_identified_by_its_data_and_sealed_with_its_log(tmp_path: Path) -> None:
    def table(folder: Path, name: str, log: str) -> Manifest:
        with draft_artifact(folder, kind="test", zone=Zone.DEIDENTIFIED) as draft:
            (draft.folder / "t" / "_delta_log").mkdir(parents=True)
            (draft.folder / "t" / "_delta_log" / "0.json").write_text(log)
            (draft.folder / "t" / name).write_bytes(b"rows")
        return read_manifest(folder)

    first, second = table(tmp_path / "a", "x.parquet", "{1}"), table(tmp_path / "b", "y.parquet", "{2}")
    assert first.digest == second.digest
    assert first.seal != second.seal


def test_what_keeps_its_history_is_identified_by_its_content(tmp_path: Path) -> None:
    """Loaded in one run or in two, the lake holds the same."""
    content = digest_bytes(b"rows")
    for name, files in (("once", ["all"]), ("twice", ["first", "second"])):
        with draft_artifact(tmp_path / name, kind="bronze", zone=Zone.DEIDENTIFIED) as draft:
            for file in files:
                (draft.folder / file).write_text(file)
            draft.facts, draft.content = {"files": len(files)}, content
    once, twice = read_manifest(tmp_path / "once"), read_manifest(tmp_path / "twice")
    assert once.digest == twice.digest
    assert once.seal != twice.seal


def test_a_draft_on_a_base_has_its_files_and_leaves_them_alone(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with draft_artifact(lake, kind="k", zone=Zone.DEIDENTIFIED) as draft:
        (draft.folder / "table").mkdir()
        (draft.folder / "table" / "part-0").write_text("old")
    with (
        pytest.raises(RuntimeError),
        draft_artifact(lake, kind="k", zone=Zone.DEIDENTIFIED, base=lake) as new,
    ):
        assert (new.folder / "table" / "part-0").read_text() == "old"
        assert not (new.folder / MANIFEST).exists()
        (new.folder / "table" / "part-0").unlink()
        raise RuntimeError
    assert (lake / "table" / "part-0").read_text() == "old"
    assert changed_parts(lake, read_manifest(lake)) == []


def test_a_damaged_manifest_is_an_integrity_error(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "a" / MANIFEST).write_bytes(b"{")
    with pytest.raises(IntegrityError):
        read_manifest(tmp_path / "a")
    with pytest.raises(UsageError):
        read_manifest(tmp_path)


def test_a_full_disk_is_our_error(tmp_path: Path) -> None:
    def fill() -> None:
        with draft_artifact(tmp_path / "a", kind="test", zone=Zone.PHI), Path("/dev/full").open("wb") as full:
            full.write(b"x" * 100_000)

    with pytest.raises(StorageError, match="disk is full"):
        fill()
    assert not (tmp_path / "a").exists()


def test_a_phi_draft_is_private(tmp_path: Path) -> None:
    with draft_artifact(tmp_path / "a", kind="test", zone=Zone.PHI):
        pass
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_a_translated_error_does_not_carry_the_foreign_one_along() -> None:
    with pytest.raises(StorageError) as caught, storage_errors():
        raise OSError(errno.ENOSPC, "CANARY", "CANARY-path")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
