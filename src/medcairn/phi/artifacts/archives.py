"""Archives: every member is an artifact of its own, within bounds on number, depth and what it unpacks to."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from typing import BinaryIO, Protocol

from medcairn.core.labels import Label
from medcairn.phi.artifacts.holding import held
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused

_FREE_RATIO_BYTES = 1 << 20
_LOCAL_HEADER_BYTES = 30
_DESCRIPTOR_BYTES = 24
_END_BYTES = 22
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Look(Protocol):
    def __call__(
        self, name: str, artifact: BinaryIO, looking: Looking, location: Label, depth: int
    ) -> None: ...


def look_in_zip(stream: BinaryIO, looking: Looking, location: Label, *, inner: _Look, depth: int) -> None:
    """Look at each member of a zip archive, at their names and at the comments.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` for encrypted members, methods other than
    stored and deflated, bytes that belong to no member, the 64-bit form, and what exceeds the limits.
    """
    _deeper(depth, looking)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        looking.entries += len(members)
        if looking.entries > looking.limits.archive_entries:
            raise refused(Reason.TOO_LARGE, "zip")
        _whole(stream, archive, members)
        looking.texts([_loose_text(archive.comment)], below(location, "(comment)"))
        for place, member in enumerate(members):
            here = below(location, f"[{place}]")
            looking.texts([_loose_text(member.comment), _loose_text(member.extra)], below(here, "(comment)"))
            if member.flag_bits & 1 or member.compress_type not in _METHODS:
                raise refused(Reason.UNREADABLE, "zip")
            if member.is_dir() and member.file_size == 0:
                looking.texts([member.filename], below(here, "(name)"))
                continue
            count = _unpacking(member.compress_size, looking)
            with archive.open(member) as packed, held(packed, count) as content:
                inner(member.filename, content, looking, here, depth + 1)


def look_in_gzip(
    stream: BinaryIO, looking: Looking, location: Label, *, name: str, inner: _Look, depth: int
) -> None:
    """Look at what is in a gzip file; the name that it may carry is looked at too."""
    _deeper(depth, looking)
    head = stream.read(4096)
    looking.texts([_loose_text(head[10:])] if head[3] & 0b11100 else [], below(location, "(name)"))
    stream.seek(0, 2)
    count = _unpacking(stream.tell(), looking)
    stream.seek(0)
    with gzip.GzipFile(fileobj=stream, mode="rb") as packed, held(packed, count) as content:
        inner(name[: -len(".gz")], content, looking, below(location, "[0]"), depth + 1)


def _deeper(depth: int, looking: Looking) -> None:
    if depth >= looking.limits.archive_depth:
        raise refused(Reason.TOO_LARGE, "archive")


def _unpacking(packed_size: int, looking: Looking) -> Callable[[int], None]:
    """Counts what comes out as it comes: the sizes that an archive states are not believed."""
    most = max(_FREE_RATIO_BYTES, packed_size * looking.limits.archive_ratio)
    size = 0

    def count(block: int) -> None:
        nonlocal size
        size += block
        if size > most:
            raise refused(Reason.TOO_LARGE, "archive")
        looking.count_unpacked(block)

    return count


def _whole(stream: BinaryIO, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Every byte belongs to a member or to the directory: nothing hides before, between or behind."""
    place = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if not 0 <= member.header_offset - place <= (_DESCRIPTOR_BYTES if place else 0):
            raise refused(Reason.UNREADABLE, "zip")
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL_HEADER_BYTES)
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        place = member.header_offset + _LOCAL_HEADER_BYTES + names + member.compress_size
    stream.seek(-_END_BYTES - len(archive.comment), 2)
    at_end, end = stream.tell(), stream.read(_END_BYTES)
    directory = int.from_bytes(end[12:16], "little")
    whole = end.startswith(b"PK\5\6") and archive.start_dir + directory == at_end
    if not whole or not 0 <= archive.start_dir - place <= _DESCRIPTOR_BYTES:
        raise refused(Reason.UNREADABLE, "zip")


def _loose_text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "\n")


__all__ = ["look_in_gzip", "look_in_zip"]
