"""ONNX: every text in the model, read as protobuf messages; the numbers are not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused

_NUMBERS = frozenset({"raw_data"})


def look_in_onnx(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at producer, documentation, metadata, names, attributes and tensors of texts.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` when it is no ONNX model or holds fields
    that the format does not know.
    """
    import onnx

    content = stream.read(looking.limits.largest_document + 1)
    if len(content) > looking.limits.largest_document:
        raise refused(Reason.TOO_LARGE, "onnx")
    model = onnx.ModelProto()
    model.ParseFromString(content)
    model.DiscardUnknownFields()
    if not model.HasField("graph") or model.ByteSize() < len(content):
        raise refused(Reason.UNREADABLE, "onnx")
    for entry in model.metadata_props:
        looking.texts([entry.value], below(location, ".metadata"), cue=entry.key)
    looking.texts(_texts(model), location)


def _texts(message: Any) -> Iterator[str]:
    """The texts of a protobuf message at all depths, of each field's documented kind."""
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            many = value if _repeated(field) else [value]
            if field.type == field.TYPE_MESSAGE:
                waiting.extend(many)
            elif field.type == field.TYPE_STRING:
                yield from many
            elif field.type == field.TYPE_BYTES and field.name not in _NUMBERS:
                yield from (item.decode("utf-8", "replace") for item in many)


def _repeated(field: Any) -> bool:
    return bool(getattr(field, "is_repeated", False))


__all__ = ["look_in_onnx"]
