"""Observations whose value tells an age, or says outright who someone is.

An age beside a date tells the year of birth. So an age leaves only as a Quantity in a unit of age, of a
subject who is not over 89; any other form of it (an integer, a range, a number without a unit) stays behind.
A value that is an identifier, such as a social security number, stays behind in every form.
"""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.deid.elements import Kinds
from medcairn.deid.passage import Telling
from medcairn.deid.policy import Leaf, Node
from medcairn.deid.straight import Withhold
from medcairn.deid.tally import Loss

_NAMING = {"code": "CodeableConcept", "linkId": "linkId"}
_VALUES = ("answer", "component")
_AGE = "valueQuantity"
_LOSSES = {Telling.AGE: Loss.VALUE_TELLS_AGE, Telling.IDENTITY: Loss.VALUE_IDENTIFIES}


def naming_element(fields: Mapping[str, Node]) -> str | None:
    """The element of a group that says what the values beside it mean, where there are any."""
    if any(_is_value(key) for key in fields):
        for key, kind in _NAMING.items():
            node = fields.get(key)
            if isinstance(node, Leaf) and node.kind == kind and not node.many:
                return key
    return None


def withholder(key: str, kinds: Kinds) -> Withhold | None:
    """What decides on the element ``key`` when its name was telling; None: the element is no value."""
    if not _is_value(key):
        return None
    passage, is_age = kinds.passage, kinds.quantities.is_age
    start = len(f',"{key}":')

    def withhold(telling: Telling, value: bytes) -> bytes:
        passage.asked = True
        if telling is Telling.AGE and key == _AGE and not passage.over_89() and is_age(value[start:]):
            return value
        passage.lost.append(_LOSSES[telling])
        return b""

    return withhold


def _is_value(key: str) -> bool:
    return key.startswith("value") or key in _VALUES


__all__ = ["naming_element", "withholder"]
