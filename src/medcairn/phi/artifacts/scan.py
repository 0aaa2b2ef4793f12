"""The door: holds an artifact, decides what it is, and has its decoder look through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import BinaryIO

from medcairn.core.errors import MedcairnError
from medcairn.core.labels import Label
from medcairn.phi.artifacts.archives import look_in_gzip, look_in_zip
from medcairn.phi.artifacts.arrays import look_in_npy
from medcairn.phi.artifacts.holding import held
from medcairn.phi.artifacts.images import look_in_jpeg, look_in_png
from medcairn.phi.artifacts.json_documents import look_in_json, look_in_ndjson
from medcairn.phi.artifacts.kinds import Kind, kind_of
from medcairn.phi.artifacts.limits import ArtifactLimits, Reason
from medcairn.phi.artifacts.looking import Looking, refused
from medcairn.phi.artifacts.onnx_models import look_in_onnx
from medcairn.phi.artifacts.parquet import look_in_parquet
from medcairn.phi.artifacts.pickles import look_in_pickle
from medcairn.phi.artifacts.tables import look_in_table
from medcairn.phi.artifacts.texts import look_in_html, look_in_text
from medcairn.phi.artifacts.ubjson import look_in_ubjson
from medcairn.phi.detector import PhiDetector
from medcairn.phi.findings import PhiFinding

Decoder = Callable[[BinaryIO, Looking, Label], None]


def scan_artifact(
    name: str, stream: BinaryIO, detector: PhiDetector, *, limits: ArtifactLimits | None = None
) -> list[PhiFinding]:
    """Look for PHI in an artifact. ``name`` is its path in the run; it is looked at too.

    The stream is read once, to its end or the size limit. What exceeds 8 MiB is held in a temporary file
    that has no name and mode 0600. Locations begin with ``artifact``; members of archives, columns and lines
    are told by position.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` when the artifact is of a kind that is not
    allowed, is too large, or cannot be read: then nobody can say that it is free of PHI.
    """
    looking = Looking(detector, limits or ArtifactLimits())
    size = 0

    def count(block: int) -> None:
        nonlocal size
        size += block
        if size > looking.limits.largest:
            raise refused(Reason.TOO_LARGE, "any")

    with held(stream, count) as artifact:
        _look(name, artifact, looking, Label("artifact"), 0)
    return list(looking.findings)


def _look(name: str, artifact: BinaryIO, looking: Looking, location: Label, depth: int) -> None:
    """Look at an artifact's name and content. ``depth`` counts the archives around it."""
    looking.add(looking.detector.find(name, location=Label(location + "(name)")))
    kind = kind_of(name, artifact)
    if kind is Kind.PICKLE and not looking.limits.allow_pickle:
        raise refused(Reason.PICKLE, kind.value)
    failed = False
    try:
        _decoder(kind, name, depth)(artifact, looking, location)
    except (MedcairnError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 (decoders of other people: whatever they raise may quote data)
        failed = True
    if failed:
        raise refused(Reason.UNREADABLE, kind.value)


def _decoder(kind: Kind, name: str, depth: int) -> Decoder:
    if kind is Kind.ZIP:
        return partial(look_in_zip, inner=_look, depth=depth)
    if kind is Kind.GZIP:
        return partial(look_in_gzip, name=name, inner=_look, depth=depth)
    if kind is Kind.TABLE:
        return partial(look_in_table, tabs=name.casefold().endswith(".tsv"))
    if kind is Kind.TEXT:
        return partial(look_in_text, code=name.casefold().endswith(_CODE))
    return _DECODERS[kind]


_CODE = (".py", ".r", ".sql", ".sh", ".js", ".css")
_DECODERS: Mapping[Kind, Decoder] = {
    Kind.HTML: look_in_html,
    Kind.JSON: look_in_json,
    Kind.NDJSON: look_in_ndjson,
    Kind.PARQUET: look_in_parquet,
    Kind.PNG: look_in_png,
    Kind.JPEG: look_in_jpeg,
    Kind.ONNX: look_in_onnx,
    Kind.NPY: look_in_npy,
    Kind.UBJSON: look_in_ubjson,
    Kind.PICKLE: look_in_pickle,
}


__all__ = ["scan_artifact"]
