"""Notes of new pairs: one private file for each process, written as pairs arise, read when the run ends."""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from medcairn.core.errors import IntegrityError
from medcairn.core.files import storage_error, storage_errors

_HEAD = struct.Struct(">HIH")
_PSEUDONYM_BYTES = 16

Pair = tuple[str, bytes, bytes]
"""(resource type, source id in UTF-8, pseudonym of 16 bytes)."""


class NoteWriter:
    """Appends pairs to a new file of mode 0600 in a folder.

    Each pair is one write to the operating system, nothing is kept back in the process: when a worker has
    handed over its lines, its pairs are in the file, however the worker ends.
    """

    def __init__(self, folder: Path) -> None:
        with storage_errors():
            self._descriptor = os.open(
                folder / f"{os.getpid()}-{secrets.token_hex(8)}.pairs",
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND,
                0o600,
            )

    def writer(self, resource_type: str) -> Callable[[bytes, str], None]:
        """What notes a (source id, pseudonym) of one resource type."""
        name = resource_type.encode()

        def note(source_id: bytes, pseudonym: str) -> None:
            raw = bytes.fromhex(pseudonym)
            self._write(_HEAD.pack(len(name), len(source_id), len(raw)) + name + source_id + raw)

        return note

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):  # a nearly full disk takes a part, and says why at the next try
                written += os.write(self._descriptor, data[written:])
        except OSError as failure:
            error = storage_error(failure)
            if error is None:
                raise
        else:
            return
        raise error

    def __del__(self) -> None:
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)


def read_notes(folder: Path) -> Iterator[Pair]:
    """The pairs of every file in ``folder``; several processes may have noted the same one.

    Raises :class:`IntegrityError` when a file ends within a pair.
    """
    for path in sorted(folder.glob("*.pairs")):
        with storage_errors(), path.open("rb") as stream:
            while head := stream.read(_HEAD.size):
                lengths = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0, 0)
                body = stream.read(sum(lengths))
                if len(body) != sum(lengths) or lengths[2] != _PSEUDONYM_BYTES:
                    raise IntegrityError("Notes of new pseudonyms are cut off", folder=folder)
                name, source_id = body[: lengths[0]], body[lengths[0] : -_PSEUDONYM_BYTES]
                yield name.decode(), source_id, body[-_PSEUDONYM_BYTES:]


__all__ = ["NoteWriter", "Pair", "read_notes"]
