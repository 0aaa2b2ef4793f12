"""References between resources: read in all their forms, published as ``Type/pseudonym``."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from medcairn.deid.crosswalk import PseudonymFamilies
from medcairn.deid.passage import Passage
from medcairn.deid.tally import Loss

PATIENT = ("Patient",)
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
    """Publishes references under one set of pseudonyms.

    ``gone`` are the published forms of resources that this run keeps back: a reference to one of them would
    point nowhere, so it does not leave.
    """

    def __init__(
        self, pseudonyms: PseudonymFamilies, passage: Passage, gone: frozenset[str] = frozenset()
    ) -> None:
        self._pseudonyms = pseudonyms
        self._passage = passage
        self._gone = gone

    def subject(self, value: Reference) -> str | None:
        """The source id of the patient that a reference means; None: no patient, or one kept back."""
        if value.reference is None:
            return None
        parsed = parse_reference(value.reference, value.type, PATIENT)
        if isinstance(parsed, Loss) or parsed[0] not in PATIENT:
            return None
        if self._gone and self._published(*parsed) in self._gone:
            return None
        return parsed[1]

    def publisher(self, targets: tuple[str, ...]) -> Callable[[Reference], bytes | None]:
        """What turns a reference to one of ``targets`` into JSON; None and a count when nothing may leave."""
        families = {target: self._pseudonyms.family(target) for target in targets}
        passage, gone = self._passage, self._gone

        def publish(value: Reference) -> bytes | None:
            target, _, source_id = (value.reference or "").partition("/")
            relative = target in families and _PLAIN_ID.fullmatch(source_id) is not None
            if not relative:
                found = self._target(value, targets)
                if isinstance(found, Loss):
                    passage.lost.append(found)
                    return None
                target, source_id = found
            published = f"{target}/{families[target](source_id)}"
            if published in gone:
                passage.lost.append(Loss.REFERENCE_QUARANTINED)
                return None
            return msgspec.json.encode({"reference": published})

        return publish

    def _target(self, value: Reference, targets: tuple[str, ...]) -> tuple[str, str] | Loss:
        text = value.reference
        if not text or text.startswith("urn:"):
            self._passage.asked = True  # the declared type decides as well, which the text does not tell
        if not text:
            return Loss.REFERENCE_WITHOUT_TARGET
        parsed = parse_reference(text, value.type, targets)
        return parsed if isinstance(parsed, Loss) or parsed[0] in targets else Loss.REFERENCE_OTHER_TYPE

    def _published(self, target: str, source_id: str) -> str:
        return f"{target}/{self._pseudonyms.of(target, source_id)}"


__all__ = ["PATIENT", "Reference", "References", "parse_reference"]
