"""The address of an object store: which kind, which bucket, which prefix, and never a secret in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

_HINT: Final = (
    "Give s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, "
    "abfss://container@account.dfs.core.windows.net/prefix or file:///folder"
)


class StoreKind(StrEnum):
    """The kinds of store that can be read."""

    S3 = "s3"
    AZURE = "azure"
    GOOGLE = "google"
    LOCAL = "local"


_KINDS: Final = {
    "s3": StoreKind.S3,
    "gs": StoreKind.GOOGLE,
    "az": StoreKind.AZURE,
    "abfss": StoreKind.AZURE,
    "file": StoreKind.LOCAL,
}
_BUCKET: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]{0,254}\Z")
_AZURE_HOST: Final = re.compile(r"([a-z0-9]{1,64})\.(?:dfs|blob)\.core\.windows\.net\Z")


@dataclass(frozen=True)
class StoreAddress:
    """Where objects lie: a bucket or container (a folder for ``file://``) and a prefix of whole segments."""

    kind: StoreKind
    bucket: str
    prefix: str
    account: str | None = None

    @property
    def label(self) -> Label:
        """What errors name. A bucket is named by the user, a prefix may be by anybody."""
        return Label(self.kind.value)


def parse_address(url: str) -> StoreAddress:
    """The store that ``url`` names. A prefix is taken as it stands, without percent encoding.

    Raises :class:`UsageError` for another scheme, and for an address that carries a secret.
    """
    parts = _split(url)
    kind = _KINDS.get(parts.scheme) if parts else None
    if parts is None or kind is None:
        raise UsageError("This is no address of an object store that can be read", hint=_HINT)
    user, _, host = parts.netloc.rpartition("@")
    if parts.query or parts.fragment or ":" in parts.netloc or (user and parts.scheme != "abfss"):
        raise UsageError(
            "The address of an object store has no password, port, query or fragment",
            hint="Credentials come from the environment or a credentials file, another host from an endpoint",
        )
    if kind is StoreKind.LOCAL:
        return _local(host, unquote(parts.path))
    account: str | None = None
    bucket = host
    if parts.scheme == "abfss":
        bucket, account = user, _azure_account(host)
    if _BUCKET.match(bucket) is None:
        raise UsageError("The address names no bucket or container", hint=_HINT)
    return StoreAddress(kind, bucket, parts.path.strip("/"), account)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url.isprintable() else None
    except ValueError:
        return None


def _azure_account(host: str) -> str:
    """Another cloud's host is refused: the library would ask the account of that name in the public one."""
    found = _AZURE_HOST.match(host)
    if found is None:
        raise UsageError(
            "The address names no account of the public Azure cloud",
            hint="For another cloud give az://container/prefix, the account and the endpoint",
        )
    return found[1]


def _local(host: str, path: str) -> StoreAddress:
    if host not in ("", "localhost") or not path.startswith("/"):
        raise UsageError("A file address has three slashes and a whole path", hint=_HINT)
    if "\0" in path or not Path(path).is_dir():
        raise UsageError("There is no such folder", hint=_HINT)
    return StoreAddress(StoreKind.LOCAL, path, "")


__all__ = ["StoreAddress", "StoreKind", "parse_address"]
