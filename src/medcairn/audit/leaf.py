"""A leaf put together from parts: the same bytes as the event's canonical JSON, in a fraction of the time.

The parts that the caller knows are encoded by the caller, so that the one thread that writes adds only the id
and the time. Most records hold text, truth values and whole numbers under plain names; for those the standard
encoder with sorted keys gives RFC 8785's bytes. Everything else goes the long way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcairn.audit.events import FORMAT, EventType
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.errors import DataError

_LARGEST_INTEGER = 2**53 - 1
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class LeafParts:
    """What stands before the id, between the id and the time, and after the time."""

    head: bytes
    middle: bytes
    tail: bytes

    @classmethod
    def of(
        cls,
        event_type: EventType,
        *,
        actor: str,
        run_id: str | None,
        stage: str | None,
        inputs: Sequence[ArtifactRef],
        outputs: Sequence[ArtifactRef],
        record: Mapping[str, JSON],
    ) -> LeafParts:
        """The parts of an event. Raises :class:`DataError` for what canonical JSON cannot carry."""
        refs = [quick_canonical([ref.as_json() for ref in some]) for some in (inputs, outputs)]
        return cls(
            b'{"actor":%b,"format":%d,"id":' % (quick_canonical(actor), FORMAT),
            b',"inputs":%b,"outputs":%b,"record":%b,"recorded_at":' % (*refs, quick_canonical(record)),
            b',"run_id":%b,"stage":%b,"type":"%b"}'
            % (quick_canonical(run_id), quick_canonical(stage), event_type.value.encode()),
        )

    def leaf(self, event_id: str, recorded_at: str) -> bytes:
        """The bytes that are hashed into the tree."""
        return b"".join(
            (self.head, quick_canonical(event_id), self.middle, quick_canonical(recorded_at), self.tail)
        )


def quick_canonical(value: JSON) -> bytes:
    """The same bytes as :func:`~medcairn.core.canonical.canonical_json`, or the same error."""
    if not _is_plain(value):
        return canonical_json(value)
    data: bytes | None = None
    try:
        data = _encode(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        data = None
    if data is None:
        raise DataError("A record holds a value that canonical JSON cannot carry")
    return data


def _is_plain(value: JSON) -> bool:
    """Whether the standard encoder does right: no fractions, no large numbers, plain names as keys."""
    if value is None or isinstance(value, (str, bool)):
        return True
    if isinstance(value, int):
        return -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER
    if type(value) is dict:
        return all(type(name) is str and name.isascii() and _is_plain(item) for name, item in value.items())
    return type(value) in (list, tuple) and all(map(_is_plain, value))  # type: ignore[arg-type]


__all__ = ["LeafParts", "quick_canonical"]
