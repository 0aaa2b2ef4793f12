"""How the bytes of a file leave the server, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from medcairn.synthetic.server.contents import Content
from medcairn.synthetic.server.faults import NO_FAULTS, Faults, Gzip
from medcairn.synthetic.server.outputs import OutputFile

_CHARSET: Final = "; charset=utf-8"
_DRIPS_A_SECOND: Final = 10

LineChange = Callable[[int, bytes], bytes]
"""What becomes of a line, by its number from 0."""


@dataclass(frozen=True)
class Sending:
    """What is sent: ``declared`` is the Content-Length, None for none; not ``whole`` loses the connection."""

    blocks: Iterator[bytes]
    declared: int | None
    whole: bool = True


class FileAnswer(Response):
    """Streams blocks as they come. Only compression hops to another thread: the rest is in the page cache.

    A connection is lost by ending the answer before its end, upon which the server closes the socket.
    """

    def __init__(self, sending: Sending, *, content_type: str, gzip: bool, bytes_a_second: int) -> None:
        headers = {"Content-Type": content_type, "Vary": "Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        elif sending.declared is not None:
            headers["Content-Length"] = str(sending.declared)
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._sending, self._rate = sending, bytes_a_second
        self._gzip = gzip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        gone = asyncio.create_task(_until_gone(receive))
        try:
            async for block in self._blocks():
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": block, "more_body": True})
                await asyncio.sleep(1 / _DRIPS_A_SECOND if self._rate else 0)
        finally:
            gone.cancel()
        if self._sending.whole:
            await send({"type": "http.response.body", "body": b""})

    async def _blocks(self) -> AsyncIterator[bytes]:
        if self._gzip:
            packed = _gzipped(self._sending.blocks, whole=self._sending.whole)
            async for block in iterate_in_threadpool(_dripping(packed, self._rate)):
                yield block
        else:
            for block in _dripping(self._sending.blocks, self._rate):
                yield block


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def deliver(
    output: OutputFile,
    attempt: int,
    faults: Faults,
    *,
    accepts_gzip: bool,
    change: LineChange | None,
) -> FileAnswer:
    """The answer to try ``attempt`` (from 1) of a file. ``change`` is made to every line, faults apart."""
    fault = _due(faults, attempt) if faults.strikes(output.resource_type) else ""
    struck = faults if faults.strikes(output.resource_type) else NO_FAULTS
    sending = _cut(output.content, fault)
    for each in (change, _spoiling(fault, output), _separating if struck.line_separators else None):
        if each is not None:
            sending = replace(sending, blocks=_changed(sending.blocks, each), declared=None)
    gzip = faults.gzip is Gzip.ALWAYS or (faults.gzip is Gzip.ASKED and accepts_gzip)
    return FileAnswer(
        sending,
        content_type=faults.content_type or f"application/fhir+ndjson{_CHARSET}",
        gzip=gzip and fault not in ("truncated", "short_body"),
        bytes_a_second=struck.drip,
    )


def _due(faults: Faults, attempt: int) -> str:
    """The fault of this try. Several follow each other."""
    for name in ("drop_connection", "truncated", "short_body", "bad_line", "wrong_type"):
        count: int = getattr(faults, name)
        if attempt <= count:
            return name
        attempt -= count
    return ""


def _cut(content: Content, fault: str) -> Sending:
    """The content, or what is left of it."""
    size, blocks = content.size, content.blocks
    if fault == "drop_connection":
        return Sending(_first(blocks(), size // 2), size, whole=False)
    if fault in ("truncated", "short_body"):
        start, end = _line_around(blocks(), size // 2)
        stop = (start + end) // 2 if fault == "truncated" else start
        return Sending(_first(blocks(), stop), stop if fault == "truncated" else size, fault == "truncated")
    return Sending(blocks(), size)


def _first(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        if size <= 0:
            return
        yield block[:size]
        size -= len(block)


def _line_around(blocks: Iterator[bytes], position: int) -> tuple[int, int]:
    """Where the line begins and ends that holds the byte at ``position``."""
    start = passed = 0
    for block in blocks:
        split = min(max(position - passed, 0), len(block))
        before = block.rfind(b"\n", 0, split)
        start = passed + before + 1 if before >= 0 else start
        after = block.find(b"\n", split)
        if passed + len(block) > position and after >= 0:
            return start, passed + after
        passed += len(block)
    return start, passed


def _changed(blocks: Iterator[bytes], change: LineChange) -> Iterator[bytes]:
    """The lines of ``blocks``, each changed, in blocks again."""
    number, rest = 0, b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        made = [change(index, line) for index, line in enumerate(lines, number)]
        number += len(lines)
        if made:
            yield b"\n".join(made) + b"\n"
    if rest:
        yield change(number, rest)


def _spoiling(fault: str, output: OutputFile) -> LineChange | None:
    """Spoils the second line, the first when there is no other."""
    spoilt = 1 if output.count > 1 else 0
    if fault == "bad_line":
        return lambda number, line: line[: len(line) // 2] if number == spoilt else line
    if fault == "wrong_type":
        other = b"Basic" if output.resource_type != "Basic" else b"Flag"
        stranger = b'{"resourceType":"%s","id":"stranger","status":"active"}' % other
        return lambda number, line: stranger if number == spoilt else line
    return None


def _separating(_number: int, line: bytes) -> bytes:
    """The resource with an extension whose text holds what Unicode calls line ends, as they are."""
    text = {"url": "http://example.org/text", "valueString": "one\u2028two\u2029three\u0085four"}
    return with_resource(
        line, lambda resource: resource | {"extension": [*_list(resource.get("extension")), text]}
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def with_resource(line: bytes, change: Callable[[dict[str, object]], dict[str, object]]) -> bytes:
    """The line with its resource changed; a line that is none, as it is."""
    try:
        resource = json.loads(line)
    except ValueError:
        return line
    if not isinstance(resource, dict):
        return line
    return json.dumps(change(resource), ensure_ascii=False, separators=(",", ":")).encode()


def _gzipped(blocks: Iterator[bytes], *, whole: bool) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    if whole:
        yield packer.flush()


def _dripping(blocks: Iterator[bytes], bytes_a_second: int) -> Iterator[bytes]:
    if not bytes_a_second:
        yield from blocks
        return
    drop = max(1, bytes_a_second // _DRIPS_A_SECOND)
    for block in blocks:
        for start in range(0, len(block), drop):
            yield block[start : start + drop]


__all__ = ["FileAnswer", "LineChange", "deliver", "with_resource"]
