"""How an object store is opened: credentials that are never shown, and encryption on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors
from medcairn.export.bulkdata.origins import origin_of
from medcairn.export.sources.objects.address import StoreAddress, StoreKind

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_CLIENT: Final = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(minutes=1),
    "timeout": timedelta(minutes=10),
    "allow_invalid_certificates": False,
}
_RETRY: Final = {"max_retries": 8, "retry_timeout": timedelta(minutes=3)}
_WITNESS_RETRY: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
_MEMBERS: Final = {
    StoreKind.S3: frozenset({"access_key_id", "secret_access_key", "session_token", "region"}),
    StoreKind.AZURE: frozenset(
        {"account_name", "account_key", "sas_key", "tenant_id", "client_id", "client_secret"}
    ),
}


@dataclass(frozen=True)
class StoreAccess:
    """How a store is reached.

    Credentials come from the environment as the provider's own tools name it (``AWS_ACCESS_KEY_ID``,
    ``AZURE_STORAGE_ACCOUNT_KEY``, ``GOOGLE_APPLICATION_CREDENTIALS``…), from the machine's own identity in
    the cloud, or from ``credentials_file``, which only its owner may read: a JSON object of
    ``access_key_id``, ``secret_access_key``, ``session_token``, ``region`` (S3) or ``account_name``,
    ``account_key``, ``sas_key``, ``tenant_id``, ``client_id``, ``client_secret`` (Azure), or Google's
    service account file as it is. ``anonymous`` sends none.

    ``endpoint`` is for stores that speak a provider's protocol elsewhere; plain http only on this machine.
    ``ca_file`` holds a certificate authority of one's own, in PEM.
    """

    credentials_file: Path | None = None
    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False
    ca_file: Path | None = None


def open_store(address: StoreAddress, access: StoreAccess, *, for_witness: bool = False) -> ObjectStore:
    """The store at ``address``; nothing is asked of it yet.

    ``for_witness`` opens it for checkpoints of the ledger: what is put carries a checksum, which S3 asks for
    where Object Lock is on, and a store that is away is soon given up, since the next checkpoint brings it
    up to date.

    Raises :class:`UsageError` when the library is not installed, or ``access`` cannot be used.
    """
    if address.kind is StoreKind.LOCAL:
        return _opener(address.kind)(Path(address.bucket))
    config = _config(address, access)
    if for_witness and address.kind is StoreKind.S3:
        config["checksum_algorithm"] = "SHA256"
    client = cast("ClientConfig", _client(access))
    retry = cast("RetryConfig", _WITNESS_RETRY if for_witness else _RETRY)
    opener = _opener(address.kind)
    store: ObjectStore | None = None
    try:
        store = opener(address.bucket, config=config, client_options=client, retry_config=retry)
    except Exception:  # noqa: BLE001  (the library's errors may quote its settings, secrets among them)
        store = None
    if store is None:
        raise UsageError(
            "The settings of the object store cannot be used",
            hint="Check the account, the credentials and the certificate file",
            store=address.label,
        )
    return store


def _opener(kind: StoreKind) -> Callable[..., ObjectStore]:
    found: Callable[..., ObjectStore] | None = None
    try:
        from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

        found = {
            StoreKind.S3: S3Store,
            StoreKind.AZURE: AzureStore,
            StoreKind.GOOGLE: GCSStore,
            StoreKind.LOCAL: LocalStore,
        }[kind]
    except ImportError:
        found = None
    if found is None:
        raise UsageError(
            "Object stores need a package that is not installed", hint="pip install 'medcairn[stores]'"
        )
    return found


def _config(address: StoreAddress, access: StoreAccess) -> dict[str, str | bool]:
    """The library's settings: what is said here goes before what the environment says."""
    config: dict[str, str | bool] = {}
    if access.anonymous:
        config["skip_signature"] = True
    elif access.credentials_file is not None:
        config.update(_credentials(address.kind, access.credentials_file))
    if address.account is not None:
        config["account_name"] = address.account
    if access.region is not None and address.kind is StoreKind.S3:
        config["region"] = access.region
    if access.endpoint is not None:
        config.update(dict.fromkeys(_ENDPOINTS[address.kind], _checked_endpoint(access.endpoint)))
    return config


_ENDPOINTS: Final = {
    StoreKind.S3: ("endpoint", "aws_endpoint_url_s3"),
    StoreKind.AZURE: ("endpoint",),
    StoreKind.GOOGLE: ("base_url",),
}


def _client(access: StoreAccess) -> dict[str, object]:
    """Plain http is for this machine only, also when the environment allows or names more."""
    origin = origin_of(access.endpoint) if access.endpoint is not None else None
    client: dict[str, object] = {**_CLIENT, "allow_http": origin is not None and origin.scheme == "http"}
    if access.ca_file is not None:
        client["root_certificate"] = _read(access.ca_file)
    return client


def _checked_endpoint(endpoint: str) -> str:
    origin = origin_of(endpoint)
    if origin is None or "?" in endpoint or "#" in endpoint:
        raise UsageError(
            "The endpoint is no http(s) URL",
            hint="Give https://host, without user name, password, query or fragment",
        )
    if origin.scheme != "https" and not origin.loopback:
        raise UsageError("Data are not fetched over plain http", hint="Use the endpoint's https address")
    return endpoint.rstrip("/")


def _credentials(kind: StoreKind, file: Path) -> dict[str, str]:
    """What a credentials file says. Google's own file is for the library to read."""
    data = _read(file, private=True)
    if kind is StoreKind.GOOGLE:
        return {"service_account": str(file)}
    value: object = None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    known = _MEMBERS[kind]
    if not isinstance(value, dict) or not value or not known.issuperset(value):
        raise UsageError(
            "The credentials file is no JSON object of the members that are known",
            hint="Known are: " + ", ".join(sorted(known)),
            file=file,
        )
    if not all(isinstance(item, str) and item for item in value.values()):
        raise UsageError("A member of the credentials file is no text", file=file)
    return {str(name): str(item) for name, item in value.items()}


def _read(file: Path, *, private: bool = False) -> bytes:
    if not file.is_file():
        raise UsageError("There is no such file", file=file)
    if private and file.stat().st_mode & 0o077:
        raise UsageError(
            "The credentials file may be read by others on this machine",
            hint="Run `chmod 600` on it, and consider the credentials known if others use the machine",
            file=file,
        )
    with storage_errors():
        return file.read_bytes()


__all__ = ["StoreAccess", "open_store"]
