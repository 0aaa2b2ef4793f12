"""What an ACES task makes constant: predicates that may not occur before the prediction time."""

from __future__ import annotations

import re

from medcairn.core.concepts import CONCEPTS, Concept
from medcairn.features.aces import AcesTask
from medcairn.features.aces.task import RECORD_START, Derived, Plain
from medcairn.features.meds.codes import code_of, coding_of


def constant_concepts(task: AcesTask) -> frozenset[str]:
    """Concepts with a code of a predicate that may not occur from the start of the record on.

    Such a predicate is absent from every input, or the input is the answer: the same rule as for an onset.
    """
    found: set[str] = set()
    for window in task.windows:
        if window.other.event == RECORD_START:
            for count in window.has:
                if count.most == 0:
                    found |= _concepts_of(task, count.predicate)
    return frozenset(found)


def _concepts_of(task: AcesTask, name: str) -> set[str]:
    predicate = task.predicates.get(name)
    if isinstance(predicate, Derived):
        inputs = [_concepts_of(task, one) for one in predicate.inputs]
        return set().union(*inputs)
    if not isinstance(predicate, Plain):
        return set()
    return {concept.name for concept in CONCEPTS.values() if _matches(predicate, concept)}


def _matches(predicate: Plain, concept: Concept) -> bool:
    if predicate.pattern is None:
        codings = [coding for code in predicate.codes if (coding := coding_of(code))]
        return any(concept.matches(*coding) for coding in codings)
    texts = [code_of(*coding) or "" for coding in (*concept.codes, *concept.prefixes)]
    return any(re.search(predicate.pattern, text) for text in texts)


__all__ = ["constant_concepts"]
