"""Method redact: remove, or keep the part of a date, age or ZIP code that the parameters allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from medcairn.deid.ms_compat.configuration import Parameters
from medcairn.deid.ms_compat.dates import OLDEST_YEARS, Dates
from medcairn.deid.ms_compat.nodes import Node
from medcairn.deid.ms_compat.outcome import Operation

DATES = frozenset({"date", "dateTime", "instant"})
_KEPT_DIGITS = 3


@dataclass(frozen=True)
class Redact:
    """Redacts primitive values; an element without a value of its own is done by doing its children."""

    parameters: Parameters
    dates: Dates

    def __call__(self, node: Node) -> Operation | None:
        """Redact the node's value."""
        if node.value is None:
            return None
        if node.type in DATES:
            return self.dates.redact(node)
        if node.type == "decimal" and node.parent is not None and node.parent.type == "Age":
            return self._age(node)
        if node.name == "postalCode":
            return self._postal_code(node)
        node.value = None
        return Operation.REDACT

    def _age(self, node: Node) -> Operation:
        years = Decimal(str(node.value))
        if not self.parameters.partial_ages or years > OLDEST_YEARS:
            node.value = None
        return Operation.REDACT

    def _postal_code(self, node: Node) -> Operation:
        if not self.parameters.partial_zip_codes:
            node.value = None
            return Operation.REDACT
        text = str(node.value)
        kept = 0 if text.startswith(self.parameters.restricted_zip_codes) else _KEPT_DIGITS
        if len(text) >= kept:
            node.value = text[:kept] + re.sub(r"\d", "0", text[kept:])
        return Operation.ABSTRACT


__all__ = ["DATES", "Redact"]
