"""Why the typed decoder refused a line: told from plain JSON, and never from the decoder's own message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from medcairn.core.r4 import resource_types
from medcairn.deid.crosswalk import PseudonymFamilies
from medcairn.deid.policy import Group, Node, Policy
from medcairn.deid.tally import Reason, Tally

OTHER_TYPE = "other"
"""Stands in counts for a resource type that FHIR R4 does not have."""

UNREADABLE = (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeError)
"""What a decoder raises over a line; its text quotes the line."""


class Refusals:
    """Counts refused lines, and remembers which resources that others may point to are among them."""

    def __init__(self, policy: Policy, pseudonyms: PseudonymFamilies) -> None:
        self._policy = policy
        self._pseudonyms = pseudonyms
        self._targets = frozenset(
            target for resource in policy.resources.values() for target in _targets(resource.fields)
        )

    def of(
        self, lines: list[bytes], refused: Iterable[int], file_type: str, tally: Tally
    ) -> Iterator[tuple[int, Reason, tuple[str, ...]]]:
        """Number, reason and published form (none or one) of each refused line that is not blank."""
        for number in refused:
            line = lines[number]
            if not line or line.isspace():
                continue
            name, reason, source_id = self._why(line, file_type)
            tally.read[name] += 1
            tally.quarantined[name, reason] += 1
            known = source_id is not None and name in self._targets
            yield number, reason, (f"{name}/{self._pseudonyms.of(name, source_id or '')}",) if known else ()

    def _why(self, line: bytes, file_type: str) -> tuple[str, Reason, str | None]:
        """(type, reason, source id)."""
        try:
            value: object = msgspec.json.decode(line)
        except UNREADABLE:
            return OTHER_TYPE, Reason.INVALID_JSON, None
        if not isinstance(value, dict):
            return OTHER_TYPE, Reason.WRONG_SHAPE, None
        name, found = value.get("resourceType"), value.get("id")
        source_id = found if isinstance(found, str) and found else None
        if not isinstance(name, str) or name not in resource_types():
            return OTHER_TYPE, Reason.UNKNOWN_TYPE, None
        if name not in self._policy.resources:
            return name, Reason.UNKNOWN_TYPE, source_id
        if _holds_modifier(value):
            return name, Reason.MODIFIER_EXTENSION, source_id
        if value.get("implicitRules") is not None:
            return name, Reason.IMPLICIT_RULES, source_id
        if found is None or found == "":
            return name, Reason.NO_ID, None
        return name, Reason.OTHER_TYPE_THAN_FILE if name != file_type else Reason.WRONG_SHAPE, source_id


def _targets(fields: Mapping[str, Node]) -> Iterator[str]:
    waiting = list(fields.values())
    while waiting:
        node = waiting.pop()
        if isinstance(node, Group):
            waiting.extend(node.fields.values())
        elif node.kind == "Reference":
            yield from node.arguments


def _holds_modifier(value: object) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("modifierExtension") is not None:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


__all__ = ["OTHER_TYPE", "UNREADABLE", "Refusals"]
