"""References between resources: read in all their forms, published as ``Type/pseudonym``."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from medcairn.deid.keys import Pseudonyms
from medcairn.deid.tally import Loss, Tally

_MEMO_LIMIT = 200_000
_LITERAL = re.compile(r"(?:\A|.*/)([A-Z][A-Za-z]{2,60})/([^/?#\s]{1,256})(?:/_history/[^/]+)?\Z")
_PLAIN_ID = re.compile(r"[0-9A-Za-z.-]{1,64}")
_UUID = re.compile(r"urn:(?:uuid|oid):([0-9A-Za-z.-]{1,256})\Z")


class Reference(msgspec.Struct, omit_defaults=True, gc=False):
    """FHIR Reference, as far as it is read. Display and identifier disappear in the decoder."""

    reference: str | None = None
    type: str | None = None


def parse_reference(text: str, declared: str | None, targets: tuple[str, ...]) -> tuple[str, str] | Loss:
    """(type, source id) of a reference, or why it cannot leave.

    Relative, absolute and versioned literal references carry their type. For ``urn:uuid:`` and ``urn:oid:``
    it is the declared ``Reference.type`` or the only type that the element may point to. An absolute URL
    is taken to mean the resource of that id in this export, whatever its host.
    """
    literal = _LITERAL.match(text)
    if literal is not None:
        return literal[1], literal[2]
    uuid = _UUID.match(text)
    if uuid is not None:
        target = declared if declared is not None else targets[0] if len(targets) == 1 else None
        return Loss.REFERENCE_UNREADABLE if target is None else (target, uuid[1])
    if text.startswith("#"):
        return Loss.REFERENCE_CONTAINED
    return Loss.REFERENCE_CONDITIONAL if "?" in text else Loss.REFERENCE_UNREADABLE


class References:
    """Publishes references under one key, remembering those seen lately."""

    def __init__(self, pseudonyms: Pseudonyms, tally: Tally) -> None:
        self._pseudonyms = pseudonyms
        self._tally = tally
        self._literal: dict[str, tuple[str, str, Reference]] = {}

    def source(self, value: Reference, targets: tuple[str, ...]) -> str | None:
        """The source id that a reference means, when it points to one of ``targets``."""
        found = self._literal.get(value.reference or "") or self._find(value, targets)
        return None if isinstance(found, Loss) or found[0] not in targets else found[1]

    def publisher(self, targets: tuple[str, ...]) -> Callable[[Reference], Reference | None]:
        """What turns a reference into what may leave; None and a count when nothing may."""
        literal, lost = self._literal, self._tally.lost

        def publish(value: Reference) -> Reference | None:
            found = literal.get(value.reference or "") or self._find(value, targets)
            if isinstance(found, Loss):
                lost[found] += 1
                return None
            if found[0] in targets:
                return found[2]
            lost[Loss.REFERENCE_OTHER_TYPE] += 1
            return None

        return publish

    def _find(self, value: Reference, targets: tuple[str, ...]) -> tuple[str, str, Reference] | Loss:
        text = value.reference
        if not text:
            return Loss.REFERENCE_WITHOUT_TARGET
        target, _, source_id = text.partition("/")
        if target not in targets or _PLAIN_ID.fullmatch(source_id) is None:
            parsed = parse_reference(text, value.type, targets)
            if isinstance(parsed, Loss):
                return parsed
            target, source_id = parsed
            if target not in targets:
                return Loss.REFERENCE_OTHER_TYPE
        found = (target, source_id, Reference(f"{target}/{self._pseudonyms.of(target, source_id)}"))
        if not text.startswith("urn:"):
            if len(self._literal) >= _MEMO_LIMIT:
                self._literal.clear()
            self._literal[text] = found
        return found


__all__ = ["Reference", "References", "parse_reference"]
