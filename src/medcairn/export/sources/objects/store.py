"""What is asked of an object store: a list of objects, and ranges of one that must not change meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from medcairn.core.errors import ExternalError, MedcairnError, TransientError, UsageError, raise_alone
from medcairn.export.sources.objects.address import StoreAddress

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore

RANGE_BYTES: Final = 8 << 20
"""What is asked for at once. Each range is retried by itself and is all that is held of an object."""


@dataclass(frozen=True)
class StoredObject:
    """An object as the store lists it. ``mark`` tells this state from others: the ETag, else the time."""

    key: str
    size: int
    e_tag: str | None
    mark: str


class ObjectChanged(ExternalError):
    """An object is no longer what the list of objects said."""

    code = "object_changed"


@dataclass(frozen=True)
class Objects:
    """The objects below one address."""

    store: ObjectStore
    address: StoreAddress

    def listed(self) -> tuple[StoredObject, ...]:
        """All of them, by key. Keys are whole, with the prefix.

        Raises :class:`ExternalError` when the store refuses or cannot be reached.
        """
        import obstore

        with store_errors(self.address):
            found = [
                _stored(meta["path"], meta["size"], meta["e_tag"], meta["last_modified"].isoformat())
                for chunk in obstore.list(self.store, self.address.prefix or None, chunk_size=1000)
                for meta in chunk
            ]
        return tuple(sorted(found, key=lambda item: item.key))

    def name_of(self, item: StoredObject) -> str:
        """The key below the prefix."""
        prefix = f"{self.address.prefix}/" if self.address.prefix else ""
        return item.key.removeprefix(prefix)

    def ranges(self, item: StoredObject) -> Iterator[bytes]:
        """Its bytes in order. Some servers do not heed If-Match, so what comes is compared as well.

        Raises :class:`ObjectChanged` as soon as the object is not the one that was listed.
        """
        for start in range(0, item.size, RANGE_BYTES):
            yield self._range(item, start, min(start + RANGE_BYTES, item.size))

    def _range(self, item: StoredObject, start: int, end: int) -> bytes:
        import obstore

        options: GetOptions = {"range": (start, end)}
        if item.e_tag is not None and not item.e_tag.startswith("W/"):
            options["if_match"] = item.e_tag
        with store_errors(self.address):
            answer = obstore.get(self.store, item.key, options=options)
            now = _stored(
                item.key, answer.meta["size"], answer.meta["e_tag"], answer.meta["last_modified"].isoformat()
            )
            block = bytes(answer.bytes())
        if now != item or len(block) != end - start:
            raise _changed(self.address)
        return block


def _stored(key: str, size: int, e_tag: str | None, modified: str) -> StoredObject:
    """Azure lists its ETags without the quotes that RFC 9110 asks for and that it sends itself."""
    quoted = e_tag if e_tag is None or e_tag.endswith('"') else f'"{e_tag}"'
    return StoredObject(key, size, quoted, quoted or modified)


@contextmanager
def store_errors(address: StoreAddress) -> Iterator[None]:
    """Translate the library's errors, which quote keys and addresses, into ours, which do not."""
    from obstore import exceptions

    error: MedcairnError | None = None
    try:
        yield
    except (exceptions.PreconditionError, FileNotFoundError):
        error = _changed(address)
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError):
        error = ExternalError(
            "The object store refuses access",
            hint="Check the credentials, and that they may list and read this bucket",
            store=address.label,
        )
    except (exceptions.InvalidPathError, ValueError):
        error = UsageError("The object store has no such address", store=address.label)
    except (exceptions.BaseError, OSError):
        error = TransientError(
            "The object store did not give what was asked for",
            hint="Check the address, region, endpoint, credentials and network, and run again; "
            "it goes on where it stopped",
            store=address.label,
        )
    if error is not None:
        raise_alone(error)


def _changed(address: StoreAddress) -> ObjectChanged:
    return ObjectChanged(
        "An object of the store changed or went away while it was read",
        hint="Wait until the writer has finished and run again; only what changed is fetched anew",
        store=address.label,
    )


__all__ = ["RANGE_BYTES", "ObjectChanged", "Objects", "StoredObject", "store_errors"]
