"""Addresses: of a place no more than the state, the country and an allowed three-digit ZIP area leave."""

from __future__ import annotations

import re

from medcairn.deid.datatypes import Address
from medcairn.deid.passage import Passage
from medcairn.deid.policy import Vocabulary
from medcairn.deid.tally import Loss

WITHHELD_ZIP = "000"
_UNITED_STATES = frozenset({"us", "usa", "united states", "united states of america"})


class Places:
    """Reduces addresses under a vocabulary of states and ZIP areas."""

    def __init__(self, vocabulary: Vocabulary, passage: Passage) -> None:
        self._vocabulary = vocabulary
        self._codes = frozenset(vocabulary.states.values())
        self._passage = passage

    def address(self, value: Address) -> Address | None:
        """What may leave of an Address."""
        country = (value.country or "").strip().casefold()
        if country and country not in _UNITED_STATES:
            self._passage.lost.append(Loss.COUNTRY_NOT_LISTED)
            return None
        state = self._state(value.state)
        if value.state and state is None:
            self._passage.lost.append(Loss.STATE_NOT_LISTED)
        zip3 = self._zip3(value.postalCode) if value.postalCode else None
        if state is None and zip3 is None and not country:
            return None
        return Address(state, zip3, "US" if country else None)

    def _state(self, text: str | None) -> str | None:
        folded = (text or "").strip().casefold()
        return folded.upper() if folded.upper() in self._codes else self._vocabulary.states.get(folded)

    def _zip3(self, text: str) -> str:
        """The ZIP area when the census table lets it leave, else 000. Four digits lost their leading zero."""
        digits = re.sub(r"[^0-9]", "", text.split("-")[0])
        area = digits.zfill(5)[:3]
        return area if len(digits) in (4, 5) and area in self._vocabulary.zip_areas else WITHHELD_ZIP


__all__ = ["WITHHELD_ZIP", "Places"]
