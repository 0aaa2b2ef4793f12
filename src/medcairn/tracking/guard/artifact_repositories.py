"""Guards an artifact repository: names and content of files are searched before they are copied or sent."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from medcairn.tracking.guard.judgement import judge
from medcairn.tracking.guard.stores import guard_methods

if TYPE_CHECKING:
    from medcairn.phi import PhiDetector, PhiFinding

R = TypeVar("R")
_IN_MEMORY = 16 << 20
_BLOCK = 1 << 20


def guarded_repository(repository: R) -> R:
    """``repository`` itself, with the guard in its methods.

    Methods that MLflow may add are guarded as those of a store are: by their arguments.
    """
    guard = _Guard()
    own = {
        name: made(method)
        for name, made in guard.methods.items()
        if (method := getattr(repository, name, None)) is not None
    }
    guard_methods(repository, but=own)
    for name, method in own.items():
        setattr(repository, name, wraps(getattr(repository, name))(method))
    return repository


class _Guard:
    """The guarded forms of one repository's methods.

    Many repositories send a folder file by file, through ``log_artifact`` and in threads of their own; the
    files of a folder that was searched as a whole are not searched again. A file of a folder is told by its
    place in the order of the paths: ``log_artifacts[3]``.
    """

    def __init__(self) -> None:
        self._cleared: set[str] = set()
        self.methods: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
            "log_artifact": self._file,
            "log_artifacts": self._folder,
            "log_artifact_from_stream": self._stream,
            "log_artifact_from_async_stream": self._async_stream,
            "upload_trace_data": self._trace,
            "upload_attachment": self._attachment,
        }

    def _file(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def log_artifact(local_file: Any, artifact_path: str | None = None) -> Any:
            file = Path(local_file)
            if str(file) not in self._cleared:
                name = _kept(artifact_path, file.name)
                judge("log_artifact", partial(_in_file, file, name))
            return method(local_file, artifact_path)

        return log_artifact

    def _folder(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def log_artifacts(local_dir: Any, artifact_path: str | None = None) -> Any:
            files = sorted(_files(Path(local_dir)))
            for place, file in enumerate(files):
                name = _kept(artifact_path, file.relative_to(local_dir).as_posix())
                judge(f"log_artifacts[{place}]", partial(_in_file, file, name))
            with self._clear({str(file) for file in files}):
                return method(local_dir, artifact_path)

        return log_artifacts

    @contextmanager
    def _clear(self, files: set[str]) -> Iterator[None]:
        self._cleared |= files
        try:
            yield
        finally:
            self._cleared -= files

    def _stream(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def log_artifact_from_stream(
            stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
        ) -> Any:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
                while block := stream.read(_BLOCK):
                    copy.write(block)
                _judge_copy(copy, _kept(artifact_path, artifact_file_name))
                return method(copy, artifact_file_name, artifact_path)

        return log_artifact_from_stream

    def _async_stream(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def log_artifact_from_async_stream(
            chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
        ) -> Any:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
                async for chunk in chunks:
                    copy.write(chunk)
                _judge_copy(copy, _kept(artifact_path, artifact_file_name))
                return await method(_blocks(copy), artifact_file_name, artifact_path)

        return log_artifact_from_async_stream

    def _trace(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def upload_trace_data(trace_data: str) -> Any:
            data = io.BytesIO(trace_data.encode("utf-8", "surrogatepass"))
            judge("upload_trace_data", partial(_in_stream, "traces.json", data))
            return method(trace_data)

        return upload_trace_data

    def _attachment(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def upload_attachment(attachment_id: str, content_bytes: bytes) -> Any:
            data = io.BytesIO(content_bytes)
            judge("upload_attachment", partial(_in_stream, attachment_id, data))
            return method(attachment_id, content_bytes)

        return upload_attachment


def _judge_copy(copy: IO[bytes], name: str) -> None:
    """A stream can be read once, so that its copy is searched and then handed on."""
    copy.seek(0)
    judge("log_artifact_from_stream", partial(_in_stream, name, cast("BinaryIO", copy)))
    copy.seek(0)


async def _blocks(stream: IO[bytes]) -> AsyncIterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _in_file(file: Path, name: str, detector: PhiDetector) -> list[PhiFinding]:
    with file.open("rb") as stream:
        return _in_stream(name, stream, detector)


def _in_stream(name: str, stream: BinaryIO, detector: PhiDetector) -> list[PhiFinding]:
    """What is in a file and its name. Pickles, which autologging writes, are searched and never loaded."""
    from medcairn.phi.artifacts import ArtifactLimits, scan_artifact

    return scan_artifact(name, stream, detector, limits=ArtifactLimits(allow_pickle=True))


def _kept(folder: str | None, name: str) -> str:
    """The name under which MLflow keeps a file."""
    return str(PurePosixPath(folder or "", name))


def _files(folder: Path) -> Iterator[Path]:
    """Every file below ``folder``, also behind links to folders, each folder once."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in sorted(files))


__all__ = ["guarded_repository"]
