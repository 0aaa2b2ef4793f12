"""Which kinds of artifacts there are, by name and by content: both must say the same."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import ArtifactRefused, Reason


class Kind(StrEnum):
    """The kinds that have a decoder."""

    TEXT = "text"
    HTML = "html"
    """HTML, XML and SVG: text between tags, and attributes."""
    TABLE = "table"
    """CSV and TSV."""
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    ZIP = "zip"
    GZIP = "gzip"
    PNG = "png"
    JPEG = "jpeg"
    ONNX = "onnx"
    NPY = "npy"
    UBJSON = "ubjson"
    """Universal Binary JSON, in which XGBoost writes its models."""
    PICKLE = "pickle"


_ENDINGS = {
    Kind.TEXT: "txt md rst log yaml yml toml ini cfg conf properties py r sql sh lgb lock dot j2 css js",
    Kind.HTML: "html htm svg xml",
    Kind.TABLE: "csv tsv",
    Kind.JSON: "json ipynb",
    Kind.NDJSON: "ndjson jsonl",
    Kind.PARQUET: "parquet",
    Kind.ZIP: "zip npz skops",
    Kind.GZIP: "gz",
    Kind.PNG: "png",
    Kind.JPEG: "jpg jpeg",
    Kind.ONNX: "onnx",
    Kind.NPY: "npy",
    Kind.UBJSON: "ubj",
    Kind.PICKLE: "pkl pickle joblib",
}
_BY_ENDING = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
_TEXTS_BY_NAME = frozenset(
    {
        "mlmodel",
        "license",
        "licence",
        "readme",
        "notice",
        "changelog",
        "makefile",
        "dockerfile",
        "requirements",
    }
    | {".gitignore", ".gitkeep"}
)
_PICKLED = frozenset({"pt", "pth", "bin", "ckpt", "dill", "cloudpickle", "sav"})
_BEGINNINGS = (
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\x1f\x8b", Kind.GZIP),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"PAR1", Kind.PARQUET),
    (b"\x93NUMPY", Kind.NPY),
)
_OTHER_BEGINNINGS = (
    b"%PDF",
    b"\x7fELF",
    b"\x89HDF",
    b"SQLite format 3",
    b"MZ\x90",
    b"\xd0\xcf\x11\xe0",
    b"PARE",
)
_TEXTUAL = frozenset({Kind.TEXT, Kind.HTML, Kind.TABLE, Kind.JSON, Kind.NDJSON})
_PICKLE_BEGIN = re.compile(rb"\x80[\x02-\x05]")
_BOMS = (b"\xff\xfe", b"\xfe\xff")


def kind_of(name: str, stream: BinaryIO) -> Kind:
    """The kind of an artifact by the ending of its name, if its first bytes agree. ``stream`` is rewound.

    Raises :class:`ArtifactRefused` when the kind is not on the list or name and content disagree.
    """
    kind = _by_name(name)
    head = stream.read(512)
    stream.seek(0)
    seen = _by_content(head)
    if seen is Kind.PICKLE and kind not in (Kind.PICKLE, Kind.ONNX):
        raise _pickle()
    if kind is Kind.PICKLE and seen is Kind.PICKLE:
        return kind
    if kind is None or not _agree(kind, seen, head):
        raise ArtifactRefused(
            "The kind of an artifact is not allowed, or its name and its content disagree",
            hint="Log it as text, CSV, JSON, NDJSON, Parquet, PNG, JPEG, SVG, ONNX or npy, or zip these",
            artifact_type=Label("unknown" if kind is None else kind.value),
            reason=Reason.PICKLE if kind is Kind.PICKLE else Reason.TYPE_NOT_ALLOWED,
        )
    return kind


def _by_name(name: str) -> Kind | None:
    file = name.replace("\\", "/").rpartition("/")[2].casefold()
    if file in _TEXTS_BY_NAME:
        return Kind.TEXT
    _, dot, ending = file.rpartition(".")
    if dot and ending in _PICKLED:
        raise _pickle()
    return _BY_ENDING.get(ending) if dot else None


def _by_content(head: bytes) -> Kind | None:
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    return Kind.PICKLE if _PICKLE_BEGIN.match(head) else None


def _agree(kind: Kind, seen: Kind | None, head: bytes) -> bool:
    if any(head.startswith(beginning) for beginning in _OTHER_BEGINNINGS):
        return False
    if kind in _TEXTUAL:
        return seen is None and (b"\0" not in head or head.startswith(_BOMS))
    if kind is Kind.UBJSON:
        return seen is None and head[:1] in (b"{", b"[")
    if kind is Kind.ONNX:
        return (
            seen in (None, Kind.PICKLE) and len(head) > 0
        )  # protobuf has no mark of its own; its decoder says
    return seen is kind


def _pickle() -> ArtifactRefused:
    return ArtifactRefused(
        "A pickle is not allowed: it cannot be read without running what is in it",
        hint="Log the model as ONNX, skops, or in its library's own text or JSON form",
        artifact_type=Label("pickle"),
        reason=Reason.PICKLE,
    )


__all__ = ["Kind", "kind_of"]
