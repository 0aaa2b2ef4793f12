"""Coded elements: codes of listed systems, well formed, and nothing else of them.

A display is never copied. Our concept tables name groups of codes and no single code, so none is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.core.errors import SettingsError
from medcairn.deid.codes import Check, compile_rules
from medcairn.deid.datatypes import CodeableConcept, Coding
from medcairn.deid.passage import Passage, Telling
from medcairn.deid.policy import Vocabulary
from medcairn.deid.tally import Loss


class Codings:
    """Checks codings against a vocabulary."""

    def __init__(self, vocabulary: Vocabulary, passage: Passage) -> None:
        self._checks: Mapping[str, Check] = compile_rules(vocabulary.systems)
        self._telling = {
            (system, code): _telling(word)
            for word, systems in vocabulary.telling.items()
            for system, codes in systems.items()
            for code in codes
        }
        self._passage = passage

    def coding(self, value: Coding) -> Coding | None:
        """A Coding, when its code may leave."""
        if value.code is None:
            return None
        check = None if value.system is None else self._checks.get(value.system)
        if check is None:
            loss = Loss.CODE_WITHOUT_SYSTEM if value.system is None else Loss.CODE_OF_OTHER_SYSTEM
            self._passage.lost.append(loss)
            return None
        if not check(value.code):
            self._passage.lost.append(Loss.CODE_MALFORMED)
            return None
        return value

    def codings(self, values: list[Coding]) -> list[Coding] | None:
        """The Codings that may leave."""
        return [kept for value in values if (kept := self.coding(value)) is not None] or None

    def concept(self, value: CodeableConcept) -> CodeableConcept | None:
        """A CodeableConcept with the codings that may leave."""
        codings = self.codings(value.coding or [])
        return None if codings is None else CodeableConcept(codings)

    def concepts(self, values: list[CodeableConcept]) -> list[CodeableConcept] | None:
        """The CodeableConcepts of which a coding may leave."""
        return [kept for value in values if (kept := self.concept(value)) is not None] or None

    def naming(self, value: CodeableConcept) -> CodeableConcept | None:
        """A CodeableConcept that says what a value beside it means, which the passage is told.

        Of two meanings, identity is the graver.
        """
        found = {self._telling.get((each.system or "", each.code or "")) for each in value.coding or []}
        for telling in (Telling.AGE, Telling.IDENTITY):
            if telling in found:
                self._passage.telling = telling
                self._passage.asked = True
        return self.concept(value)

    def note(self, system: str, code: str) -> None:
        """Tell the passage what a value beside this code means."""
        self._passage.telling = self._telling.get((system, code)) or self._passage.telling


def _telling(word: str) -> Telling:
    if word not in Telling.__members__.values():
        raise SettingsError("A policy's codes tell of something other than an age or an identity")
    return Telling(word)


__all__ = ["Codings"]
