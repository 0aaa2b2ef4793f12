"""A witness in an object store: one object a checkpoint, created and never written again.

An object that is there already is left as it is (a conditional put). Against who holds the store's
credentials, give the bucket Object Lock with a default retention (S3), an immutability policy (Azure) or a
retention policy (Google): every object is then locked as it comes, and nothing here needs the right to
shorten that. S3 wants a checksum with each put into such a bucket: open the store with
``checksum_algorithm="SHA256"``.

A lock on S3 keeps versions. Whoever may delete can still hide one behind a delete marker, and whoever may put
can lay another above it; here the newest is read. Give the credentials no right to delete, and where a
checkpoint is missing or differs, look at all versions of its object.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medcairn.audit.merkle import HASH_BYTES
from medcairn.audit.witness.witness import Attestation, LeafHashes
from medcairn.core.errors import ExternalError, MedcairnError, TransientError, raise_alone

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_LEAVES = re.compile(r"leaves/(\d{20})-(\d{20})\Z")


class ObjectWitness:
    """Below ``prefix``: ``checkpoints/<tree size>-<hash>`` and ``leaves/<from>-<to>``.

    ``store`` is an open store of the ``obstore`` library; its credentials need to list, read and create.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix.strip("/")

    def publish(self, note: str, tree_size: int, leaf_hashes: LeafHashes) -> None:
        known = max((end for _, end, _ in self._leaves()), default=0)
        if known < tree_size:
            self._create(f"leaves/{known:020d}-{tree_size:020d}", leaf_hashes(known, tree_size))
        mark = hashlib.sha256(note.encode()).hexdigest()[:16]
        self._create(f"checkpoints/{tree_size:020d}-{mark}", note.encode())

    def attestation(self) -> Attestation:
        keys = self._keys("checkpoints/")
        notes = tuple(self._get(key).decode("utf-8", "replace") for key in keys)
        hashes, broken = bytearray(), []
        for start, end, key in self._leaves():
            data = self._get(key)
            if len(data) != (end - start) * HASH_BYTES or start * HASH_BYTES > len(hashes):
                broken.append(key.rpartition("/")[2])
                break
            hashes[start * HASH_BYTES :] = data
        return Attestation("the object store", notes, bytes(hashes), broken=tuple(broken))

    def _leaves(self) -> list[tuple[int, int, str]]:
        """(from, to, key), in order. Two that published at once may have left pieces that overlap."""
        found = []
        for key in self._keys("leaves/"):
            match = _LEAVES.search(key)
            if match:
                found.append((int(match[1]), int(match[2]), key))
        return sorted(found)

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _keys(self, below: str) -> list[str]:
        import obstore

        with _store_errors():
            chunks = obstore.list(self._store, self._path(below.rstrip("/")), chunk_size=1000)
            return sorted(str(meta["path"]) for chunk in chunks for meta in chunk)

    def _get(self, key: str) -> bytes:
        import obstore

        with _store_errors():
            return bytes(obstore.get(self._store, key).bytes())

    def _create(self, name: str, data: bytes) -> None:
        import obstore
        from obstore import exceptions

        taken = False
        with _store_errors():
            try:
                obstore.put(self._store, self._path(name), data, mode="create", use_multipart=False)
            except exceptions.AlreadyExistsError:
                taken = True
        if taken and self._get(self._path(name)) != data:
            raise ExternalError("The witness holds something else under this checkpoint's name")


@contextmanager
def _store_errors() -> Iterator[None]:
    """The library's errors quote keys and addresses; ours do not."""
    from obstore import exceptions

    error: MedcairnError | None = None
    try:
        yield
    except exceptions.AlreadyExistsError:
        raise
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError):
        error = ExternalError(
            "The object store refuses the witness",
            hint="Check that the credentials may list, read and create objects there",
        )
    except (exceptions.BaseError, OSError, ValueError):
        error = TransientError(
            "The object store did not take or give a checkpoint",
            hint="Check address, credentials and network, and publish again",
        )
    if error is not None:
        raise_alone(error)


__all__ = ["ObjectWitness"]
