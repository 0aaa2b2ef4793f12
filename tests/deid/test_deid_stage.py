"""The stage on folders: same bytes, same lines, nothing lost, clear refusals."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import sys
from datetime import date
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError, ExternalError, UsageError
from medcairn.core.labels import Label
from medcairn.core.workers import Failed, Workers
from medcairn.deid import deidentify, new_key, passes, read_key, safe_harbor, source
from medcairn.deid.crosswalk import HmacPlan, Source, hold_crosswalk, lookup
from medcairn.deid.keys import KeySource, Pseudonyms, key_id

from .clinic import AS_OF, KEY, Clinic, Released, observation, patient


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def busy(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """Several subjects, files of many chunks, bad lines between the good ones."""
    monkeypatch.setattr(source, "CHUNK_BYTES", 1000)
    for subject in range(5):
        clinic.add(patient(f"p{subject}", birthDate=f"19{subject}0-02-03"))
        for day in range(1, 15):
            clinic.add(observation(f"o{subject}-{day}", f"2020-0{subject + 1}-{day:02d}", f"p{subject}"))
        clinic.add_line("Observation", "not JSON")
        clinic.add_line("Observation", "")
    return clinic


def test_chunks_and_processes_do_not_change_a_byte(busy: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(busy.source)
    one, two = busy.release(), busy.release(processes=2)
    monkeypatch.setattr(source, "CHUNK_BYTES", 1 << 20)
    whole = busy.release()
    assert digests(one.folder) == digests(two.folder) == digests(whole.folder)
    assert one.report == two.report == whole.report
    assert digests(busy.source) == before


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["p1", "p2", "p3", "p4", "", "gone"]),
            st.dates(date(1990, 1, 1), date(2025, 6, 30)),
            st.sampled_from(["", "e1", "e2", "e-broken"]),
        ),
        min_size=20,
        max_size=80,
    ),
    chunk_bytes=st.integers(150, 3000),
)
def test_any_number_of_processes_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    records: list[tuple[str, date, str]],
    chunk_bytes: int,
) -> None:
    clinic = Clinic(tmp_path_factory.mktemp("many"))
    for number in range(1, 5):
        clinic.add(patient(f"p{number}", birthDate=f"19{number}0-02-03"))
    broken = {"resourceType": "Encounter", "id": "e-broken", "modifierExtension": [{"url": "urn:x"}]}
    clinic.add(broken, {"resourceType": "Encounter", "id": "e1"})
    for number, (subject, day, encounter) in enumerate(records):
        made = observation(f"o{number}", day.isoformat(), subject)
        clinic.add(made | ({"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {}))
    monkeypatch.setattr(source, "CHUNK_BYTES", chunk_bytes)
    before = digests(clinic.source)
    runs = [clinic.release(processes=count) for count in (1, 2, 4)]
    assert digests(runs[0].folder) == digests(runs[1].folder) == digests(runs[2].folder)
    assert runs[0].report == runs[1].report == runs[2].report
    assert digests(clinic.source) == before


def test_a_worker_that_dies_is_told_apart_from_an_error_of_the_work() -> None:
    chunks = [source.Chunk(source.SourceFile(Path("absent.ndjson"), "Patient", 9), 0, 9)] * 9
    with Workers(2) as workers, pytest.raises(ExternalError, match="died"):
        list(workers.in_order(partial, (sys.exit,), chunks))
    with Workers(2) as workers, pytest.raises(ExternalError, match="defect") as told:
        list(workers.in_order(partial, (attrgetter("jane_roe"),), chunks))
    assert "jane" not in str(told.value)
    with Workers(2) as workers, pytest.raises(UsageError):
        list(workers.in_order(cast(Any, KeySource), (), chunks))  # the error of making the work
    with Workers(2) as workers, pytest.raises(DataError):
        list(workers.in_order(passes._timeline, (safe_harbor(), AS_OF), chunks))


def test_workers_do_one_kind_of_work_after_another_and_answer_in_order() -> None:
    file = source.SourceFile(Path("Patient.ndjson"), "Patient", 400)
    chunks = [source.Chunk(file, start, start + 1) for start in range(400)]
    with Workers(3) as workers:
        assert list(workers.in_order(attrgetter, ("start",), chunks)) == list(range(400))
        assert list(workers.in_order(attrgetter, ("end",), chunks)) == list(range(1, 401))
        assert list(workers.in_order(attrgetter, ("end",), [])) == []


def test_lines_keep_their_order_and_quarantine_their_numbers(busy: Clinic) -> None:
    out = busy.release()
    pseudonyms = Pseudonyms(KEY)
    expected = [pseudonyms.of("Observation", f"o{s}-{day}") for s in range(5) for day in range(1, 15)]
    assert [found["id"] for found in out.resources("Observation")] == expected
    assert [entry["line"] for entry in out.quarantine()] == [15, 31, 47, 63, 79]
    assert out.report.resources_read == 5 + 70 + 5
    assert out.report.resources_left == 75


def test_a_file_without_a_last_line_end_with_a_bom_and_with_crlf(clinic: Clinic) -> None:
    line = '{"resourceType":"Observation","id":"%s","status":"final"}'
    data = b"\xef\xbb\xbf" + (line % "a").encode() + b"\r\n" + (line % "b").encode()
    (clinic.source / "Observation.000.ndjson").write_bytes(data)
    out = clinic.release()
    assert len(out.resources("Observation.000")) == 2
    assert out.quarantine() == []


def test_an_empty_file_gives_an_empty_file(clinic: Clinic) -> None:
    (clinic.source / "Patient.ndjson").touch()
    assert clinic.release().resources("Patient") == []


def test_a_separator_inside_a_string_does_not_split_a_line(clinic: Clinic) -> None:
    clinic.add(patient(), observation("o", "2020-01-01", note=[{"text": "a\u2028b\u0085c"}]))
    assert len(clinic.release().resources("Observation")) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_random_pseudonyms_link_and_are_found_again(busy: Clinic, tmp_path: Path, processes: int) -> None:
    out, file = tmp_path / "random", tmp_path / "crosswalk.db"
    with hold_crosswalk(file, out_dir=out, source_dir=busy.source) as held:
        report = deidentify(busy.source, out, pseudonyms=held.plan, as_of=AS_OF, processes=processes)
        assert held.keep().added == 75
    subjects = {f"Patient/{found['id']}" for found in Released(out, report).resources("Patient")}
    found = Released(out, report).resources("Observation")
    assert {each["subject"]["reference"] for each in found} == subjects
    assert lookup(file, found[0]["id"]) == Source("Observation", "o0-1")
    assert report.facts()["pseudonyms"] == "random"


def test_pseudonyms_need_a_key_or_a_plan(clinic: Clinic, tmp_path: Path) -> None:
    source_dir = clinic.add(patient()).source
    with pytest.raises(UsageError):
        deidentify(source_dir, tmp_path / "out", as_of=AS_OF)
    with pytest.raises(UsageError):
        deidentify(source_dir, tmp_path / "out", as_of=AS_OF, key=KEY, pseudonyms=HmacPlan(KEY))


def test_another_key_shares_no_id(busy: Clinic) -> None:
    one, two = busy.release(), busy.release(key=bytes(32 * [7]))
    ids = [{found["id"] for found in out.resources("Observation")} for out in (one, two)]
    assert len(ids[0]) == 70
    assert not ids[0] & ids[1]
    assert one.report.key_id != two.report.key_id


def test_references_meet_the_ids_they_mean(busy: Clinic) -> None:
    out = busy.release()
    subjects = {"Patient/" + found["id"] for found in out.resources("Patient")}
    assert {found["subject"]["reference"] for found in out.resources("Observation")} == subjects


def test_the_report_counts_and_names_its_policy(busy: Clinic) -> None:
    facts = busy.release().report.facts()
    assert facts["policy_digest"] == safe_harbor().digest
    assert facts["key_id"] == key_id(KEY)
    assert facts["as_of"] == "2025-06-30"
    assert facts["zip_table"] == "none"
    assert facts["quarantined"] == {"other": {"invalid_json": 5}}


def test_files_of_other_names_are_passed_over_and_counted(clinic: Clinic) -> None:
    (clinic.source / "log.ndjson").write_text('{"event":"export_complete","who":"Jane Roe"}\n')
    (clinic.source / "Jane-Roe.ndjson").write_text("{}\n")
    out = clinic.add(patient()).release()
    assert out.report.files_passed_over == 2
    assert sorted(path.name for path in out.folder.iterdir()) == ["Patient.ndjson", "quarantine.ndjson"]


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    empty, packed = tmp_path / "empty", tmp_path / "packed"
    empty.mkdir()
    packed.mkdir()
    (packed / "Patient.ndjson.gz").touch()
    for folder in (empty, packed, tmp_path / "absent"):
        with pytest.raises(UsageError):
            deidentify(folder, tmp_path / "out", key=KEY, as_of=AS_OF)
    assert not (tmp_path / "out").exists()


def test_a_link_to_nowhere_is_not_passed_over(clinic: Clinic) -> None:
    (clinic.add(patient()).source / "Observation.ndjson").symlink_to("absent")
    with pytest.raises(DataError):
        clinic.release()


def test_an_error_of_ours_survives_the_way_out_of_a_worker() -> None:
    error = DataError("A source file cannot be read", hint="h", file=Path("x"), line=Label("1"))
    travelled = pickle.loads(pickle.dumps(Failed(error))).error()  # noqa: S301 (our own bytes)
    assert type(travelled) is DataError
    assert (travelled.message, travelled.hint, travelled.fields) == (error.message, error.hint, error.fields)


def test_the_source_is_never_written_over(clinic: Clinic) -> None:
    clinic.add(patient())
    with pytest.raises(UsageError):
        deidentify(clinic.source, clinic.source, key=KEY, as_of=AS_OF)


@pytest.mark.parametrize("mode", ["limited-shifted", "ms-compat", "none", ""])
def test_modes_that_are_not_built_are_refused(clinic: Clinic, tmp_path: Path, mode: str) -> None:
    with pytest.raises(UsageError):
        deidentify(clinic.add(patient()).source, tmp_path / "out", key=KEY, as_of=AS_OF, mode=mode)


def test_a_short_key_is_refused(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        deidentify(clinic.add(patient()).source, tmp_path / "out", key=b"short", as_of=date(2025, 1, 1))


@given(key=st.binary(min_size=32, max_size=100), source_id=st.text(max_size=80))
def test_pseudonyms_are_hmac_sha256(key: bytes, source_id: str) -> None:
    message = b"pseudonym\0Patient\0" + source_id.encode("utf-8", "surrogatepass")
    assert Pseudonyms(key).of("Patient", source_id) == hmac.digest(key, message, "sha256").hex()[:32]


def test_types_have_pseudonyms_of_their_own() -> None:
    assert Pseudonyms(KEY).of("Patient", "1") != Pseudonyms(KEY).of("Observation", "1")


class TestKeyFiles:
    """Which key files are taken."""

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (bytes(range(1, 33)), bytes(range(1, 33))),
            (bytes(range(32)).hex().encode() + b"\n", bytes(range(32))),
            (bytes(range(48)).hex().encode(), bytes(range(48))),
        ],
    )
    def test_raw_or_hex(self, tmp_path: Path, content: bytes, expected: bytes) -> None:
        assert read_key(self._file(tmp_path, content)) == expected

    @pytest.mark.parametrize("content", [b"", b"secret", bytes(31), bytes(32), b"ab" * 10, b"\n" * 64])
    def test_short_or_empty_keys_are_refused(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(UsageError) as refused:
            read_key(self._file(tmp_path, content))
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_keys_that_others_may_use_are_refused(self, tmp_path: Path, mode: int) -> None:
        file = self._file(tmp_path, new_key())
        file.chmod(mode)
        with pytest.raises(UsageError):
            read_key(file)

    def test_a_missing_key_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            read_key(tmp_path / "absent")

    def test_new_keys_differ_and_are_long_enough(self) -> None:
        assert len(new_key()) == 32
        assert new_key() != new_key()

    def _file(self, folder: Path, content: bytes) -> Path:
        file = folder / "key"
        file.write_bytes(content)
        file.chmod(0o600)
        return file
