"""Object stores: one suite for each of them, then what only one of them can show."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from medcairn.core.errors import DataError, ExternalError, TransientError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import Fault, export_files
from medcairn.export.sources.objects import store as objects_store
from medcairn.export.sources.objects.access import StoreAccess
from medcairn.export.sources.objects.run import SPOOL, export_objects
from medcairn.export.sources.objects.store import ObjectChanged

from .object_proxy import ObjectProxy
from .object_stores import KINDS, LoopbackStore, loopback_store, store_server
from .packing import zstd_compressed
from .simulator import resource

FILES = {
    "Patient.ndjson": resource("Patient", 1) + resource("Patient", 2),
    "deep/er/Claim.000.ndjson.gz": gzip.compress(resource("Claim", 1)),
    "deep/Claim.001.ndjson.zst": zstd_compressed(resource("Claim", 2)),
    "bundles/a b (1).json": json.dumps(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": {"resourceType": "Patient", "id": "é"}}],
        }
    ).encode(),
    "_SUCCESS": b"",
    "_temporary/x.ndjson": b"half",
    "notes.txt": b"no",
}


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    kind = str(request.param)
    with store_server(kind, tmp_path_factory.mktemp(kind)) as endpoint:
        yield kind, endpoint


@pytest.fixture
def store(server: tuple[str, str], tmp_path: Path) -> LoopbackStore:
    """An empty prefix of each store in turn."""
    kind, endpoint = server
    return loopback_store(kind, endpoint, tmp_path, tmp_path.name)


@dataclass
class Recorded(NoProgress):
    """Keeps how much each phase was to do, and lets a test act when one begins."""

    totals: dict[str, int | None] = field(default_factory=dict)
    when_fetching: list[tuple[object, ...]] = field(default_factory=list)

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.totals[what] = total
        if what == "Fetching objects":
            for act, *arguments in self.when_fetching:
                act(*arguments)  # type: ignore[operator]

    @property
    def fetched(self) -> int | None:
        """Objects that were not there yet."""
        return self.totals.get("Fetching objects")


def lines(out: Path) -> list[bytes]:
    return sorted(line for path in out.glob("[A-Z]*.ndjson") for line in path.read_bytes().splitlines())


# --- every store ---------------------------------------------------------------------------------------


def test_everything_below_the_prefix_is_exported(store: LoopbackStore, out: Path) -> None:
    store.put_all(FILES)
    report = store.export(out)
    assert report.resources == {"Claim": 2, "Patient": 3}
    assert (report.files_read, report.files_ignored) == (4, 3)
    assert sorted(path.name for path in out.iterdir()) == ["Claim.000.ndjson", "Patient.000.ndjson"]


def test_the_export_is_the_same_as_from_a_folder(store: LoopbackStore, out: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    other.mkdir()
    for key, data in FILES.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    store.put_all(FILES)
    from_store = store.export(out)
    from_folder = export_files(folder, other, progress=NoProgress(), nested=True)
    assert [file.digest for file in from_store.files] == [file.digest for file in from_folder.files]
    assert from_store.facts()["source"] == "objects"


def test_the_report_says_which_state_of_each_object_was_read(store: LoopbackStore, out: Path) -> None:
    store.put_all(FILES)
    objects = {item.key.as_posix(): item for item in store.export(out).objects}
    assert sorted(objects) == sorted(
        key for key in FILES if key.split("/")[0] not in ("_SUCCESS", "_temporary", "notes.txt")
    )
    assert all(item.e_tag and item.size == len(FILES[key]) for key, item in objects.items())


def test_an_object_of_many_ranges_and_an_empty_one(
    store: LoopbackStore, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_store, "RANGE_BYTES", 1000)
    many = b"".join(resource("Patient", n) for n in range(200))
    store.put_all({"a.ndjson": many, "b.ndjson": b""})
    store.export(out)
    assert (out / "Patient.000.ndjson").read_bytes() == many


def test_a_bad_line_is_set_aside_under_its_key(store: LoopbackStore, out: Path) -> None:
    store.put("deep/a.ndjson", resource("Patient", 1) + b"{\n")
    report = store.export(out)
    assert json.loads((out / "quarantine.ndjson").read_bytes()) == {
        "file": "deep/a.ndjson",
        "line": 2,
        "reason": Fault.NOT_JSON.value,
    }
    assert report.quarantined_count == 1


@pytest.mark.parametrize("damaged", [b"no gzip", gzip.compress(b"x" * 9999, mtime=0)[:-20], b""])
def test_a_damaged_object_is_named_by_its_key(store: LoopbackStore, out: Path, damaged: bytes) -> None:
    store.put("a.ndjson.gz", damaged)
    with pytest.raises(DataError, match="decompressed") as caught:
        store.export(out)
    assert caught.value.fields == {"file": Path("a.ndjson.gz")}


def test_a_prefix_with_nothing_to_read(store: LoopbackStore, out: Path) -> None:
    store.put("notes.txt", b"no")
    with pytest.raises(DataError, match="no FHIR files") as caught:
        store.export(out)
    assert caught.value.fields["other_objects"] == 1


def test_a_prefix_is_of_whole_segments(store: LoopbackStore, out: Path) -> None:
    if store.kind == "file":
        pytest.skip("a file address has a folder and no prefix")
    store.put("a.ndjson", resource("Patient", 1))
    beside = replace(store, prefix=store.prefix + "-other")
    beside.put("a.ndjson", resource("Claim", 1))
    assert store.export(out).resources == {"Patient": 1}


def test_an_object_that_changes_is_noticed_and_alone_fetched_again(store: LoopbackStore, out: Path) -> None:
    store.put_all({f"{n}.ndjson": resource("Patient", n) for n in range(5)})
    with pytest.raises(ObjectChanged):
        store.export(out, Recorded(when_fetching=[(store.put, "3.ndjson", resource("Patient", 33))]))
    again = Recorded()
    report = store.export(out, again)
    assert (report.resource_count, again.fetched) == (5, 1)
    assert b'"patient-33"' in (out / "Patient.000.ndjson").read_bytes()
    assert not (out / SPOOL).exists()


@pytest.mark.parametrize("act", ["appears", "vanishes"])
def test_an_object_that_appears_or_vanishes_is_noticed(store: LoopbackStore, out: Path, act: str) -> None:
    store.put_all({"1.ndjson": resource("Patient", 1), "2.ndjson": resource("Patient", 2)})
    change = (
        (store.put, "3.ndjson", resource("Patient", 3)) if act == "appears" else (store.remove, "2.ndjson")
    )
    with pytest.raises(ObjectChanged):
        store.export(out, Recorded(when_fetching=[change]))
    assert store.export(out).resource_count == (3 if act == "appears" else 1)


def test_a_spool_outside_stays_and_serves_the_next_run(
    store: LoopbackStore, out: Path, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    store.put_all(FILES)
    first = store.export(out, spool_dir=spool)
    names = [path.name for path in spool.iterdir()]
    assert spool.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in spool.iterdir())
    assert not any("Patient" in name for name in names)
    again = Recorded()
    assert store.export(out, again, spool_dir=spool) == first
    assert again.fetched == 0


def test_spooled_bytes_that_rotted_are_fetched_again(store: LoopbackStore, out: Path, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    store.put_all(FILES)
    store.export(out, spool_dir=spool)
    before = lines(out)
    (spool / "note.txt").write_text("not ours, not touched")
    journal = spool / "objects.journal"
    victims = sorted(path for path in spool.iterdir() if path.suffix == "")
    victims[0].write_bytes(bytes(victims[0].stat().st_size))
    journal.write_bytes(journal.read_bytes()[:-5])
    again = Recorded()
    store.export(out, again, spool_dir=spool)
    assert again.fetched in (1, 2)
    assert lines(out) == before
    assert (spool / "note.txt").exists()


# --- addresses and credentials ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/bucket",
        "s3://",
        "s3://key:CANARY@bucket/prefix",
        "s3://CANARY@bucket/prefix",
        "az://container/prefix?sig=CANARY",
        "abfss://container@account.example.org/CANARY",
        "abfss://account.dfs.core.windows.net/CANARY",
        "gs://bucket/a#CANARY",
        "gs://buck%65t/CANARY",
        "file://elsewhere/CANARY",
        "file:///nowhere/CANARY",
        "s3://[CANARY",
        "s3://bucket/\nCANARY",
        "CANARY",
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(url: str, out: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export_objects(url, out, progress=NoProgress())
    assert "CANARY" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        ({"access_key_id": "CANARY"}, 0o640, "read by others"),
        ({"acess_key_id": "CANARY"}, 0o600, "members that are known"),
        ({"access_key_id": ["CANARY"]}, 0o600, "no text"),
        (["CANARY"], 0o600, "members that are known"),
        (None, 0o600, "no such file"),
    ],
)
def test_a_credentials_file_that_cannot_be_used(
    tmp_path: Path, out: Path, content: object, mode: int, problem: str
) -> None:
    file = tmp_path / "credentials.json"
    if content is not None:
        file.write_text(json.dumps(content))
        file.chmod(mode)
    with pytest.raises(UsageError, match=problem) as caught:
        export_objects("s3://bucket/x", out, progress=NoProgress(), access=StoreAccess(credentials_file=file))
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.org",
        "ftp://127.0.0.1",
        "https://user:CANARY@example.org",
        "http://127.0.0.1?sig=CANARY",
    ],
)
def test_an_endpoint_that_is_refused(out: Path, endpoint: str) -> None:
    with pytest.raises(UsageError) as caught:
        export_objects("s3://bucket", out, progress=NoProgress(), access=StoreAccess(endpoint=endpoint))
    assert "CANARY" not in str(caught.value)


def test_the_environment_cannot_allow_plain_http(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the endpoint nor the permission for http is taken from it; nothing listens at port 9."""
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError) as caught:
        export_objects("s3://bucket", out, progress=NoProgress(), access=StoreAccess(anonymous=True))
    assert caught.value.__context__ is None


def test_a_store_without_its_package_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UsageError, match="stores"):
        export_objects("s3://bucket", out, progress=NoProgress())


def test_a_link_that_leaves_a_file_store_is_refused(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.ndjson").write_bytes(resource("Patient", 1))
    (root / "a.ndjson").symlink_to(tmp_path / "secret.ndjson")
    with pytest.raises(UsageError, match="link"):
        export_objects(root.as_uri(), out, progress=NoProgress())


# --- real servers ----------------------------------------------------------------------------------------


@pytest.fixture
def s3(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LoopbackStore, ObjectProxy]]:
    """An S3 server behind a proxy, read without credentials since a signature is for one host."""
    with store_server("s3", tmp_path_factory.mktemp("s3")) as upstream, ObjectProxy(upstream) as proxy:
        store = loopback_store("s3", upstream, tmp_path, "export")
        yield replace(store, access=StoreAccess(endpoint=proxy.endpoint, anonymous=True)), proxy


def test_wrong_credentials_show_nothing_of_themselves(tmp_path: Path, out: Path) -> None:
    with store_server("azure", tmp_path / "data") as endpoint:
        store = loopback_store("azure", endpoint, tmp_path, "export")
        store.put("CANARY.ndjson", resource("Patient", 1))
        file = tmp_path / "wrong.json"
        file.write_text(json.dumps({"account_name": "devstoreaccount1", "account_key": "Q0FOQVJZ"}))
        file.chmod(0o600)
        with pytest.raises(ExternalError) as caught:
            replace(store, access=StoreAccess(credentials_file=file, endpoint=endpoint)).export(out)
    assert caught.value.__context__ is None
    assert not [word for word in ("CANARY", "Q0FOQVJZ", "devstore", "127.0.0.1") if word in str(caught.value)]
    assert caught.value.fields == {"store": "azure"}


@pytest.mark.parametrize("failures", [[500, 503], [0, 0], [500, 0]], ids=["5xx", "cut", "both"])
def test_failures_that_pass_are_waited_out(
    s3: tuple[LoopbackStore, ObjectProxy], out: Path, failures: list[int]
) -> None:
    store, proxy = s3
    store.put("a.ndjson", b"".join(resource("Patient", n) for n in range(50)))
    proxy.failures[:] = failures
    assert store.export(out).resource_count == 50
    assert proxy.failures == []


def test_kill_9_while_objects_are_fetched(
    s3: tuple[LoopbackStore, ObjectProxy], out: Path, tmp_path: Path
) -> None:
    """A new process fetches only what the killed one had not, and the result has the same bytes."""
    store, proxy = s3
    store.put_all({f"{n:02}.ndjson": resource("Patient", n) for n in range(12)})
    script = tmp_path / "killed.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from medcairn.core.progress import NoProgress\n"
        "from medcairn.export.sources.objects.run import export_objects\n"
        "from medcairn.export.sources.objects.access import StoreAccess\n"
        "access = StoreAccess(endpoint=sys.argv[2], anonymous=True)\n"
        "export_objects(sys.argv[1], Path(sys.argv[3]), progress=NoProgress(), access=access, parallel=1)\n"
    )
    proxy.hold_at = 8
    child = subprocess.Popen([sys.executable, str(script), str(store.url), proxy.endpoint, str(out)])
    try:
        assert proxy.held.wait(60)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    proxy.hold_at = None
    proxy.release.set()
    proxy.fetched.clear()
    again = Recorded()
    report = store.export(out, again)
    assert again.fetched == 5
    assert sorted(proxy.fetched) == [f"{n:02}.ndjson" for n in range(7, 12)]
    assert (out / "Patient.000.ndjson").read_bytes() == b"".join(resource("Patient", n) for n in range(12))
    assert report.resource_count == 12
