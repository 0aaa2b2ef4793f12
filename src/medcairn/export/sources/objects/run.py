"""The object-store source: NDJSON and Bundles under a prefix of S3, Azure Blob, Google Cloud or a folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from medcairn.core.errors import DataError
from medcairn.core.files import storage_errors
from medcairn.core.progress import Progress
from medcairn.export.sources.archives import ArchiveLimits
from medcairn.export.sources.files import land
from medcairn.export.sources.landed_report import LandedReport, ObjectRead
from medcairn.export.sources.landing import LandedFile, holds_fhir, refuse_leaving, refuse_overlap
from medcairn.export.sources.objects.access import StoreAccess, open_store
from medcairn.export.sources.objects.address import StoreKind, parse_address
from medcairn.export.sources.objects.spool import Spool
from medcairn.export.sources.objects.store import ObjectChanged, Objects, StoredObject

PARALLEL: Final = 4
SPOOL: Final = "objects.spool"


def export_objects(
    url: str,
    out_dir: Path,
    *,
    progress: Progress,
    access: StoreAccess | None = None,
    limits: ArchiveLimits | None = None,
    parallel: int = PARALLEL,
    spool_dir: Path | None = None,
) -> LandedReport:
    """Bring the FHIR objects below ``url`` into ``out_dir``, grouped by resource type.

    ``url`` is ``s3://bucket/prefix``, ``gs://…``, ``az://container/prefix``,
    ``abfss://container@account.dfs.core.windows.net/prefix`` or ``file:///folder``. Everything below the
    prefix is read, at any depth, in the formats of :func:`medcairn.export.export_files` and with the same
    checks; keys with a hidden segment (``.x``, ``_SUCCESS``) and other formats are not.

    Objects are fetched first, ``parallel`` at once in ranges of 8 MiB, and read from the local disk then:
    the disk must have room for the objects and for what comes out of them. They lie in ``out_dir`` and are
    removed at the end; a caller who still has work to do before its artifact has its final name gives
    ``spool_dir``, a folder outside, and removes it afterwards. When the process dies, the same call
    fetches only what is missing or has changed. Objects that change while they are read, appear or go away
    are noticed.

    Raises :class:`UsageError` for a wrong address or access, :class:`ExternalError` for what the store
    does (:class:`ObjectChanged` among them), and as :func:`export_files`.
    """
    objects = _opened(url, out_dir, access or StoreAccess())
    return export_listed(
        objects, out_dir, progress=progress, limits=limits, parallel=parallel, spool_dir=spool_dir
    )


def export_listed(
    objects: Objects,
    out_dir: Path,
    *,
    progress: Progress,
    limits: ArchiveLimits | None = None,
    parallel: int = PARALLEL,
    spool_dir: Path | None = None,
) -> LandedReport:
    """As :func:`export_objects`, from a store that is open."""
    progress.begin("Listing objects")
    listed = objects.listed()
    wanted = _readable(objects, listed)
    folder = spool_dir or out_dir / SPOOL
    spool = Spool(folder, f"{objects.address.kind.value}:{objects.address.account}:{objects.address.bucket}")
    missing = spool.keep(wanted)
    progress.begin("Fetching objects", len(missing), "objects")
    spool.fetch(objects, missing, parallel, progress.advance)
    if objects.listed() != listed:
        raise ObjectChanged(
            "The objects of the store changed while they were read",
            hint="Wait until the writer has finished and run again; only what changed is fetched",
            store=objects.address.label,
        )
    files = [_landed(objects, spool, item) for item in wanted]
    ignored = len(listed) - len(wanted)
    report = land(files, out_dir, progress=progress, limits=limits or ArchiveLimits(), ignored=ignored)
    if spool_dir is None:
        with storage_errors():
            shutil.rmtree(folder)
    read = tuple(_read(objects, spool, item) for item in wanted)
    return replace(report, store=objects.address.label, objects=read)


def _opened(url: str, out_dir: Path, access: StoreAccess) -> Objects:
    address = parse_address(url)
    if address.kind is StoreKind.LOCAL:
        refuse_overlap(Path(address.bucket), out_dir, nested=True)
    return Objects(open_store(address, access), address)


def _readable(objects: Objects, listed: tuple[StoredObject, ...]) -> list[StoredObject]:
    wanted = [item for item in listed if holds_fhir(objects.name_of(item))]
    if not wanted:
        raise DataError(
            "The object store holds no FHIR files below this address",
            hint="Expected .ndjson, .jsonl or Bundle .json objects, also with .gz or .zst",
            store=objects.address.label,
            other_objects=len(listed),
        )
    if objects.address.kind is StoreKind.LOCAL:
        root = Path(objects.address.bucket)
        for item in wanted:
            refuse_leaving(root / item.key, root.resolve())
    return wanted


def _landed(objects: Objects, spool: Spool, item: StoredObject) -> LandedFile:
    name = objects.name_of(item)
    return LandedFile(spool.path_of(item.key), name, Path(name))


def _read(objects: Objects, spool: Spool, item: StoredObject) -> ObjectRead:
    return ObjectRead(Path(objects.name_of(item)), item.size, item.e_tag, spool.digest_of(item.key))


__all__ = ["PARALLEL", "SPOOL", "export_listed", "export_objects"]
