"""Random pseudonyms: the same again on the next run, fresh for who is new, and nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import IntegrityError, UsageError
from medcairn.deid import crosswalk as module
from medcairn.deid.crosswalk import CrosswalkReport, HmacPlan, RandomPlan, Source, hold_crosswalk, lookup
from medcairn.deid.crosswalk_file import CrosswalkFile
from medcairn.deid.crosswalk_notes import NoteWriter
from medcairn.deid.keys import Pseudonyms

Id = tuple[str, str]

WORKER = """
import json, pickle, sys
plan, ids = pickle.load(sys.stdin.buffer)
pseudonyms = plan.open()
print(json.dumps([pseudonyms.of(kind, source) for kind, source in ids]))
"""


class Zone:
    """A PHI zone with a crosswalk, and runs over ids."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source, self.out = root / "phi" / "export", root / "lake"
        for folder in (self.source, self.out):
            folder.mkdir(parents=True)
        self.file = root / "phi" / "crosswalk.db"
        self.report: CrosswalkReport | None = None

    def run(self, ids: Sequence[Id], *, processes: int = 1, keep: bool = True) -> dict[Id, str]:
        """Pseudonyms of ``ids``, dealt out to workers; every worker also sees the first ten."""
        with hold_crosswalk(self.file, out_dir=self.out, source_dir=self.source) as run:
            parts = [[*ids[:10], *ids[place::processes]] for place in range(processes)]
            found = self._workers(run.plan, parts) if processes > 1 else [in_process(run.plan, parts[0])]
            merged: dict[Id, str] = {}
            for part in found:
                for key, pseudonym in part.items():
                    assert merged.setdefault(key, pseudonym) == pseudonym
            if keep:
                self.report = run.keep()
        return merged

    def _workers(self, plan: RandomPlan, parts: Sequence[Sequence[Id]]) -> Iterable[Mapping[Id, str]]:
        started = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False
            )
            for _ in parts
        ]
        for process, part in zip(started, parts, strict=True):
            out, _ = process.communicate(pickle.dumps((plan, part)))
            assert process.returncode == 0
            yield dict(zip(part, json.loads(out), strict=True))

    def files(self) -> set[str]:
        """Everything below the root."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}


def in_process(plan: RandomPlan, ids: Iterable[Id]) -> dict[Id, str]:
    """The pseudonyms that this process gives."""
    pseudonyms = plan.open()
    return {(kind, source): pseudonyms.of(kind, source) for kind, source in ids}


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    """An empty PHI zone."""
    return Zone(tmp_path)


IDS: list[Id] = [("Patient", f"p{n}") for n in range(40)] + [("Observation", f"p{n}") for n in range(60)]


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_next_run_gives_the_same_pseudonyms_whatever_the_number_of_processes(
    zone: Zone, processes: int
) -> None:
    first = zone.run(IDS, processes=processes)
    assert zone.report is not None
    assert (zone.report.known, zone.report.added) == (0, 100)
    assert zone.run(IDS) == first
    assert zone.run(IDS, processes=2) == first
    assert (zone.report.known, zone.report.added) == (100, 0)


def test_new_ids_get_fresh_pseudonyms_and_known_ones_keep_theirs(zone: Zone) -> None:
    first = zone.run(IDS[:50])
    second = zone.run(IDS)
    assert {key: second[key] for key in first} == first
    assert len(set(second.values())) == len(IDS)


def test_two_crosswalks_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, two = Zone(tmp_path / "a"), Zone(tmp_path / "b")
    assert not set(one.run(IDS).values()) & set(two.run(IDS).values())
    assert one.report is not None
    assert two.report is not None
    assert one.report.crosswalk_id != two.report.crosswalk_id


def test_pseudonyms_have_the_form_of_the_keyed_ones(zone: Zone) -> None:
    random, keyed = zone.run(IDS[:1]), Pseudonyms(b"k" * 32).of("Patient", "p0")
    assert len(random["Patient", "p0"]) == len(keyed) == 32
    assert set(random["Patient", "p0"]) <= set("0123456789abcdef")


def test_lookup_leads_back_to_the_source(zone: Zone) -> None:
    found = zone.run(IDS)
    pseudonym = found["Patient", "p7"]
    assert lookup(zone.file, pseudonym) == Source("Patient", "p7")
    assert lookup(zone.file, f"Patient/{pseudonym.upper()}") == Source("Patient", "p7")
    assert lookup(zone.file, f"Observation/{pseudonym}") is None
    assert lookup(zone.file, "0" * 32) is None
    assert lookup(zone.file, "no pseudonym") is None


def test_a_run_that_is_not_kept_is_not_remembered(zone: Zone) -> None:
    lost = zone.run(IDS, keep=False)
    assert not set(zone.run(IDS).values()) & set(lost.values())
    assert lookup(zone.file, lost["Patient", "p1"]) is None


def test_everything_is_private_and_lies_beside_the_crosswalk(zone: Zone) -> None:
    old = os.umask(0)
    try:
        with hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source) as run:
            in_process(run.plan, IDS)
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in zone.file.parent.rglob("*")}
            notes = [path for path in modes if path.suffix == ".pairs"]
            assert len(notes) == 1
            assert all(modes[path] == 0o600 for path in (zone.file, *notes))
            assert modes[run.plan.notes] == 0o700
            run.keep()
    finally:
        os.umask(old)
    assert zone.files() == {"phi/crosswalk.db", "phi/crosswalk.db.lock"}
    assert b"p39" not in (zone.root / "phi" / "crosswalk.db.lock").read_bytes()


def test_the_secret_is_nowhere_on_disk_nor_in_a_text(zone: Zone) -> None:
    with hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source) as run:
        in_process(run.plan, IDS)
        run.keep()
        secret = run.plan.secret
        written = b"".join(path.read_bytes() for path in zone.root.rglob("*") if path.is_file())
    assert secret not in written
    assert secret.hex().encode() not in written
    assert repr(secret) not in repr(run.plan)
    assert "kkkk" not in repr(HmacPlan(b"k" * 32))


def test_what_a_run_says_of_itself(zone: Zone) -> None:
    with hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source) as run:
        assert run.plan.facts() == {"pseudonyms": "random", "crosswalk_id": run.plan.crosswalk_id}
        assert run.keep().facts() == {"crosswalk_id": run.plan.crosswalk_id, "known": 0, "added": 0}
    assert HmacPlan(b"k" * 32).facts()["pseudonyms"] == "hmac"
    with pytest.raises(UsageError):
        HmacPlan(b"short")


class TestRefusals:
    """Where a crosswalk may not lie, and what is none."""

    def test_not_in_the_folder_of_the_output_or_of_the_source(self, zone: Zone) -> None:
        for folder in (zone.out, zone.source):
            zone.file = folder / "deeper" / ".." / "crosswalk.db"
            with pytest.raises(UsageError):
                zone.run(IDS)
        assert zone.files() == set()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_not_when_others_may_use_it(self, zone: Zone, mode: int) -> None:
        found = zone.run(IDS)
        zone.file.chmod(mode)
        for use in (lambda: zone.run(IDS), lambda: lookup(zone.file, found[IDS[0]])):
            with pytest.raises(UsageError):
                use()

    def test_not_another_file(self, zone: Zone) -> None:
        zone.file.write_bytes(b"Jane Doe" * 500)
        zone.file.chmod(0o600)
        with pytest.raises(UsageError) as refused:
            zone.run(IDS)
        assert "Jane" not in str(refused.value)
        zone.file.unlink()
        sqlite3.connect(zone.file).executescript("CREATE TABLE a (b);")
        zone.file.chmod(0o600)
        with pytest.raises(UsageError):
            zone.run(IDS)

    def test_not_a_damaged_one(self, zone: Zone) -> None:
        zone.run([("Patient", f"p{n}") for n in range(3000)])
        data = bytearray(zone.file.read_bytes())
        data[8192:] = b"\xa5" * (len(data) - 8192)
        zone.file.write_bytes(data)
        with pytest.raises(IntegrityError) as damaged:
            zone.run(IDS)
        assert damaged.value.__context__ is None

    def test_not_while_another_run_holds_it(self, zone: Zone) -> None:
        with (
            hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source),
            pytest.raises(UsageError),
        ):
            zone.run(IDS)
        zone.run(IDS)

    def test_no_lookup_without_a_crosswalk(self, zone: Zone) -> None:
        with pytest.raises(UsageError):
            lookup(zone.file, "0" * 32)
        assert not zone.file.exists()

    def test_a_pseudonym_of_another_source_is_refused_and_nothing_is_taken_in(self, zone: Zone) -> None:
        taken = zone.run(IDS[:5])["Patient", "p0"]
        with hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source) as run:
            in_process(run.plan, IDS)
            NoteWriter(run.plan.notes).writer("Patient")(b"somebody else", taken)
            with pytest.raises(IntegrityError):
                run.keep()
        assert CrosswalkFile(zone.file).count() == 5

    def test_notes_that_are_cut_off_are_refused(self, zone: Zone) -> None:
        with hold_crosswalk(zone.file, out_dir=zone.out, source_dir=zone.source) as run:
            in_process(run.plan, IDS)
            (notes,) = run.plan.notes.iterdir()
            notes.write_bytes(notes.read_bytes()[:-3])
            with pytest.raises(IntegrityError):
                run.keep()
        assert CrosswalkFile(zone.file).count() == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from medcairn.deid import crosswalk_notes
from medcairn.deid.crosswalk import hold_crosswalk

root, pairs_before_death = Path(sys.argv[1]), int(sys.argv[2])
file, source = root / "phi" / "crosswalk.db", root / "phi" / "export"
with hold_crosswalk(file, out_dir=root / "lake", source_dir=source) as run:
    pseudonyms = run.plan.open()
    for number in range(4000):
        pseudonyms.of("Patient", f"new-{number}")
    from medcairn.deid import crosswalk
    real = crosswalk.read_notes
    def dying(folder):
        for count, pair in enumerate(real(folder)):
            if count == pairs_before_death:
                os.kill(os.getpid(), signal.SIGKILL)
            yield pair
    crosswalk.read_notes = dying
    run._file._database.execute("PRAGMA cache_size = 5")  # so that pages reach the file before the end
    run.keep()
"""


@pytest.mark.parametrize("pairs_before_death", [0, 1, 3999])
def test_a_kill_leaves_the_crosswalk_as_it_was(zone: Zone, pairs_before_death: int) -> None:
    first = zone.run(IDS)
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(zone.root), str(pairs_before_death)], check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert "phi/crosswalk.db.notes" in {
        p.parent.relative_to(zone.root).as_posix() for p in zone.root.rglob("*.pairs")
    }
    assert zone.run(IDS) == first
    assert CrosswalkFile(zone.file).count() == len(IDS)
    left = zone.files() - {"phi/crosswalk.db", "phi/crosswalk.db.lock"}
    assert left <= {"phi/crosswalk.db-journal"}  # SQLite's own, empty of pairs until the next transaction
    assert all(stat.S_IMODE((zone.root / name).stat().st_mode) == 0o600 for name in left)


def test_memory_is_bounded_and_forgetting_changes_nothing(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 7)
    again = [*IDS, *IDS, *IDS]
    first = zone.run(again)
    assert CrosswalkFile(zone.file).count() == len(IDS)
    assert zone.run(again) == first


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["Patient", "Encounter"]),
                st.text(max_size=8) | st.just("\ud800") | st.just("a\0b"),
            ),
            max_size=12,
        ),
        max_size=4,
    )
)
def test_any_ids_in_any_runs(tmp_path_factory: pytest.TempPathFactory, runs: list[list[Id]]) -> None:
    """One id one pseudonym, one pseudonym one id, over all runs; and each leads back."""
    zone = Zone(tmp_path_factory.mktemp("zone"))
    seen: dict[Id, str] = {}
    for ids in runs:
        for key, pseudonym in zone.run(ids).items():
            assert seen.setdefault(key, pseudonym) == pseudonym
    assert len(set(seen.values())) == len(seen)
    for (kind, source_id), pseudonym in seen.items():
        assert lookup(zone.file, pseudonym) == Source(kind, source_id)
