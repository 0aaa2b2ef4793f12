"""Every object store that the tests run on, under one face: put, remove, export."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import AzureStore, LocalStore, MemoryStore, ObjectStore, S3Store

from medcairn.core.progress import NoProgress, Progress
from medcairn.export.sources.landed_report import LandedReport
from medcairn.export.sources.objects.access import StoreAccess
from medcairn.export.sources.objects.address import StoreAddress, StoreKind
from medcairn.export.sources.objects.run import export_listed, export_objects
from medcairn.export.sources.objects.store import Objects

from .azurite import ACCOUNT, ACCOUNT_KEY, azurite, s3rver

KINDS = ("memory", "file", "azure", "s3", "google")
"""Google's client speaks the same XML protocol as S3's, so the S3 server stands in for it, unsigned."""

_BUCKET = "cohort"


@dataclass
class LoopbackStore:
    """A store with one prefix of its own. ``url`` None: only in this process."""

    kind: str
    store: ObjectStore
    prefix: str
    url: str | None
    access: StoreAccess

    def put(self, key: str, data: bytes) -> None:
        """Write an object below the prefix."""
        obstore.put(self.store, self._whole(key), data, use_multipart=False)

    def remove(self, key: str) -> None:
        """Take an object away."""
        obstore.delete(self.store, self._whole(key))

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Write several."""
        for key, data in files.items():
            self.put(key, data)

    def export(
        self, out: Path, progress: Progress | None = None, *, spool_dir: Path | None = None
    ) -> LandedReport:
        """Export what is below the prefix."""
        shown = progress or NoProgress()
        if self.url is None:
            objects = Objects(self.store, StoreAddress(StoreKind.S3, _BUCKET, self.prefix))
            return export_listed(objects, out, progress=shown, spool_dir=spool_dir)
        return export_objects(self.url, out, progress=shown, access=self.access, spool_dir=spool_dir)

    def _whole(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key


@contextmanager
def store_server(kind: str, folder: Path) -> Iterator[str]:
    """The endpoint of what a kind of store needs; empty for those that need nothing."""
    if kind == "azure":
        with azurite(folder, _BUCKET) as endpoint:
            yield endpoint
    elif kind in ("s3", "google"):
        with s3rver(folder, _BUCKET) as endpoint:
            yield endpoint
    else:
        yield ""


def loopback_store(kind: str, endpoint: str, folder: Path, prefix: str) -> LoopbackStore:
    """A store of ``kind``, with its credentials in a file below ``folder``."""
    if kind == "memory":
        return LoopbackStore(kind, MemoryStore(), prefix, None, StoreAccess())
    if kind == "file":
        root = folder / "root"
        root.mkdir()
        return LoopbackStore(kind, LocalStore(root), "", root.as_uri(), StoreAccess())
    if kind == "azure":
        secrets = {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY}
        azure = AzureStore(
            _BUCKET,
            account_name=ACCOUNT,
            account_key=ACCOUNT_KEY,
            endpoint=endpoint,
            client_options={"allow_http": True},
        )
        access = StoreAccess(credentials_file=_private(folder, secrets), endpoint=endpoint)
        return LoopbackStore(kind, azure, prefix, f"az://{_BUCKET}/{prefix}", access)
    secrets = {"access_key_id": "S3RVER", "secret_access_key": "S3RVER", "region": "us-east-1"}
    s3 = S3Store(
        _BUCKET,
        access_key_id="S3RVER",
        secret_access_key="S3RVER",
        region="us-east-1",
        endpoint=endpoint,
        client_options={"allow_http": True},
    )
    if kind == "google":
        return LoopbackStore(
            kind, s3, prefix, f"gs://{_BUCKET}/{prefix}", StoreAccess(endpoint=endpoint, anonymous=True)
        )
    access = StoreAccess(credentials_file=_private(folder, secrets), endpoint=endpoint)
    return LoopbackStore(kind, s3, prefix, f"s3://{_BUCKET}/{prefix}", access)


def _private(folder: Path, value: Mapping[str, str]) -> Path:
    file = folder / "credentials.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(value))
    return file


__all__ = ["KINDS", "LoopbackStore", "store_server", "loopback_store"]
