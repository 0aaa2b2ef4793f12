"""What one event says about others: what it is the origin of, what it stands on, and the ids it answers to.

Everything here looks at a single event; :mod:`medcairn.audit.trace.index` puts the answers together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from medcairn.audit.events import Event, EventType
from medcairn.audit.signed import signature_of
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON

SHORTEST_PREFIX = 8
"""Hex digits of a digest that name it for people."""

_ID_KEYS = ("prediction_id", "mlflow_run_id")
_PINNED_KEYS = ("criteria_digest", "protocol_digest")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_HEX = re.compile(r"[0-9a-f]{8,64}\Z")

INHERITING = frozenset({EventType.STAGE_FAILED, EventType.GATE_REFUSED})
"""Events that tell how a stage ended; without inputs of their own they stand on what the stage was given."""

NEVER_FOLDED = frozenset({EventType.MODEL_TRANSITIONED})
"""Events that differ in what they say even when they stand on the same."""

INTENTIONS = frozenset({EventType.RUN_STARTED, EventType.STAGE_STARTED, EventType.RUN_FINISHED})
"""Events that make nothing and judge nothing: no trail leads through them."""


class Match(IntEnum):
    """How an event answers to an id; a higher one wins."""

    NONE = 0
    MENTION = 1  # the digest stands in the record of an event that made nothing
    MAKERS_RECORD = 2  # … of one that made something: a package digest, a code digest
    STATED = 3  # the record that was signed, the criteria that were pinned
    RUN = 4  # the run that the event belongs to
    MADE = 5  # an artifact that the event made, by identity or seal
    VERSION = 6  # the model version that the event is about
    ID = 7  # an id of the event itself


SEVERAL = frozenset({Match.RUN, Match.VERSION})
"""Where every event that answers counts, not only the latest."""


def stated(event: Event) -> Iterator[str]:
    """Digests of what the event itself states and no artifact holds: what was signed, what was pinned."""
    if (signed := signature_of(event)) is not None:
        yield signed.record
    if not event.outputs:
        for key in _PINNED_KEYS:
            if isinstance(digest := event.record.get(key), str):
                yield digest


def signs(event: Event) -> bool:
    """Whether the event is a signature: of these every one counts, of anything else the latest."""
    return event.type is EventType.RECORD_SIGNED


def own_kind(event: Event) -> str:
    """What kind of note the event is, by the name that its writer gave it; notes alone have one."""
    return str(event.record.get("kind", "")) if event.type is EventType.NOTE_RECORDED else ""


def mentioned(value: JSON) -> Iterator[str]:
    """Every digest that stands anywhere in a record, in the record's order."""
    if isinstance(value, str):
        if _DIGEST.match(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from mentioned(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from mentioned(item)


def hex_prefix(identifier: str) -> str | None:
    """The hex digits of ``identifier`` when it may name a digest, else None."""
    digits = identifier.removeprefix("sha256:").lower()
    return digits if _HEX.match(digits) else None


def named_artifact(event: Event, prefix: str | None) -> ArtifactRef | None:
    """The artifact that the event made whose identity or seal begins with ``prefix``."""
    if prefix is None:
        return None
    made = (ref for ref in event.outputs if ref.digest.hex.startswith(prefix))
    sealed = (ref for ref in event.outputs if ref.seal.hex.startswith(prefix))
    return next(made, None) or next(sealed, None)


def _versions(record: Mapping[str, JSON]) -> Iterator[str]:
    """``name/version`` of the model that a package or a move between states is about."""
    if isinstance(version := record.get("model_version"), str):
        yield version
    if {"model", "version", "state"} <= record.keys():
        yield f"{record['model']}/{record['version']}"


def match(event: Event, identifier: str, prefix: str | None) -> Match:
    """How ``event`` answers to ``identifier``; ``prefix`` is its :func:`hex_prefix`."""
    if event.id == identifier or any(event.record.get(key) == identifier for key in _ID_KEYS):
        return Match.ID
    if identifier in _versions(event.record):
        return Match.VERSION
    if event.run_id == identifier and (event.outputs or event.type is EventType.RUN_STARTED):
        return Match.RUN
    if prefix is None:
        return Match.NONE
    if named_artifact(event, prefix) is not None:
        return Match.MADE
    wanted = "sha256:" + prefix
    if any(digest.startswith(wanted) for digest in stated(event)):
        return Match.STATED
    if any(digest.startswith(wanted) for digest in mentioned(event.record)):
        return Match.MAKERS_RECORD if event.outputs else Match.MENTION
    return Match.NONE


__all__ = [
    "INHERITING",
    "INTENTIONS",
    "NEVER_FOLDED",
    "SEVERAL",
    "SHORTEST_PREFIX",
    "Match",
    "hex_prefix",
    "match",
    "mentioned",
    "named_artifact",
    "own_kind",
    "signs",
    "stated",
]
