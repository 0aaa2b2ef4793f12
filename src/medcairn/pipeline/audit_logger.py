"""The ledger for people who have a pipeline of their own: notes in it, proofs of them, the whole trail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from medcairn.audit import Appended, Checkpoint, EventType, Ledger, Receipt, StoredEvent
from medcairn.audit.trace import Trail, follow
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.canonical import JSON
from medcairn.core.clock import Clock, Ids
from medcairn.core.digests import Digest
from medcairn.core.errors import DataError
from medcairn.core.labels import Label
from medcairn.pipeline.study import Study
from medcairn.pipeline.verification import StudyCheck, verify_study

Fact: TypeAlias = int | float | bool | Label | Digest
"""What a note may hold: nothing that could have come out of a patient's record unnoticed."""


class AuditLogger:
    """Records notes of your own in a study's ledger, beside what the nine stages record.

    A note has a ``kind`` of yours, who acted, which artifacts went in and came out, and facts. A fact is a
    number, a truth value, a digest, or a :class:`~medcairn.core.labels.Label`; other text is refused, since
    it may be a value of a patient, and a ledger cannot be cleaned. Each call returns when the entry is on
    disk. Leaving a ``with`` block seals what was recorded in it. Threads may share a logger, and processes
    open one each.

    >>> from medcairn.core.labels import Label
    >>> with AuditLogger(study) as log:  # the study's folder
    ...     done = log.log(
    ...         "cohort.reviewed",
    ...         actor="person:ada",
    ...         facts={"subjects": 120, "site": Label("north"), "complete": True},
    ...     )
    ...     kept = log.receipt(done)  # proof of the entry, which holds without the ledger
    ...     print(done.event.type.value, kept.holds(), log.verify().findings)
    note.recorded True ()

    ``log.trace(done.event.id)`` leads from the note to what it stands on.
    """

    def __init__(self, study: Path | str, *, clock: Clock | None = None, ids: Ids | None = None) -> None:
        """Open the ledger of the study in the folder ``study``.

        Raises :class:`~medcairn.core.errors.UsageError` when there is no study or no ledger, and
        :class:`~medcairn.core.errors.IntegrityError` when the seal key is another.
        """
        self._study = Study.open(Path(study), clock=clock, ids=ids)
        self._recorded = False
        self._open = ExitStack()
        self._ledger: Ledger = self._open.enter_context(self._study.ledger())

    def log(
        self,
        kind: str,
        *,
        actor: str,
        inputs: Sequence[ArtifactRef] = (),
        outputs: Sequence[ArtifactRef] = (),
        facts: Mapping[str, Fact] | None = None,
    ) -> Appended:
        """Record a note; it is on disk when this returns.

        ``kind`` and ``actor`` (``person:NAME``, ``service:NAME``) are names that you chose, and so are those
        of the facts. ``inputs`` and ``outputs`` are as :meth:`artifacts` gives them or
        :func:`~medcairn.core.artifacts.draft_artifact` made them; :meth:`verify` looks at what came out.

        Raises :class:`~medcairn.core.errors.DataError` for what a note cannot hold.
        """
        record: dict[str, JSON] = {"kind": _name("kind", kind), "facts": _checked(facts or {})}
        done = self._ledger.append(
            EventType.NOTE_RECORDED,
            actor=_name("actor", actor),
            inputs=inputs,
            outputs=outputs,
            record=record,
        )
        self._recorded = True
        return done

    def artifacts(self) -> dict[str, ArtifactRef]:
        """The latest artifact of each name that a step of the study made."""
        return self._study.artifacts()

    def events(self, *types: EventType) -> list[StoredEvent]:
        """What the ledger holds, oldest first; only of ``types`` when given."""
        return self._study.events(*types)

    def receipt(self, entry: Appended | int) -> Receipt:
        """Proof that an entry stands in the ledger; seals a checkpoint when none covers it yet.

        Raises :class:`~medcairn.core.errors.UsageError` when there is no such entry.
        """
        return self._ledger.receipt(entry.index if isinstance(entry, Appended) else entry)

    def checkpoint(self) -> Checkpoint:
        """Seal the ledger as it is and hand the checkpoint to the study's witnesses.

        Raises :class:`~medcairn.audit.WitnessFailed` when one did not take it; it is sealed all the same.
        """
        return self._ledger.checkpoint()

    def verify(self) -> StudyCheck:
        """Check ledger, artifacts and predictions; empty ``findings`` mean that no change was seen."""
        return verify_study(self._study.root)

    def trace(self, identifier: str) -> Trail:
        """The trail of what any id names: a note, a prediction, a model version, a digest, a run.

        Raises :class:`~medcairn.audit.trace.UnknownId` when nothing in the ledger has it.
        """
        return follow(iter(self.events()), identifier)

    def close(self) -> None:
        """Give the ledger back. What was recorded is kept; the next checkpoint seals it."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._recorded:
                self.checkpoint()
        finally:
            self.close()


def _name(what: str, text: str) -> Label:
    found: Label | None = None
    try:
        found = Label(text)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise DataError("A note's name has no spaces and is short", hint=_NAMES, part=Label(what))
    return found


def _checked(facts: Mapping[str, Fact]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for key, value in facts.items():
        name = _name("fact", key)
        if not isinstance(value, (int, float, Label, Digest)):
            raise DataError("A fact is no number, truth value, Label or Digest", hint=_TEXT, fact=name)
        if isinstance(value, float) and not math.isfinite(value):
            raise DataError("A fact is a number that JSON does not have", fact=name)
        found[name] = value
    return found


_NAMES = "Letters, digits and _.,:/@+=<>[]%()- only, 1 to 200 of them"
_TEXT = (
    "Text may hold a patient's value, and a ledger cannot be cleaned: give Label('…') for a name that you "
    "chose, Digest or a number for the rest"
)

__all__ = ["AuditLogger", "Fact"]
