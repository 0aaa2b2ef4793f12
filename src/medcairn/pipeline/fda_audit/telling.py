"""From an entry of the ledger to a statement of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcairn.audit.events import StoredEvent
from medcairn.audit.record import Told
from medcairn.audit.record.stages import NOT_RECORDED, looked_up
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.pipeline.stages import step_named
from medcairn.pipeline.study import Study

Asked = tuple[str, tuple[str, ...]]
"""A statement's name, and the keys that lead to it in an entry's record."""


def told(stored: StoredEvent | None, asked: Asked, *, unknown: str = NOT_RECORDED) -> Told:
    """What the record of ``stored`` says under the keys, or why it is unknown."""
    name, keys = asked
    value = looked_up(dict(stored.event.record), keys) if stored is not None else None
    if stored is None or value is None:
        return Told(name, None, unknown=unknown)
    return Told(name, value, stored.index)


def told_all(stored: StoredEvent | None, asked: Sequence[Asked], *, of: str, absent: str) -> tuple[Told, ...]:
    """A statement for each of ``asked``; without an entry one about the whole, named ``of``."""
    if stored is None:
        return (Told(of, None, unknown=absent),)
    return tuple(told(stored, one) for one in asked)


def mapping(stored: StoredEvent | None, *keys: str) -> Mapping[str, JSON]:
    """What stands under the keys, when it is a mapping; else nothing."""
    value = looked_up(dict(stored.event.record), keys) if stored is not None else None
    return value if isinstance(value, Mapping) else {}


def settings_are_those_of(study: Study, stored: StoredEvent, step: str) -> bool:
    """Whether ``study.yaml`` says now, in the sections that ``step`` depends on, what it said then."""
    digest = digest_json(study.settings.section(*step_named(step).settings))
    return looked_up(dict(stored.event.record), ("basis", "settings_digest")) == digest


def of_settings(study: Study, stored: StoredEvent | None, step: str, name: str, value: JSON) -> Told:
    """A value of ``study.yaml`` that no entry holds: told when the entry's digest of settings confirms it."""
    if stored is None:
        return Told(name, None, unknown=f"the step {step} was not done")
    if not settings_are_those_of(study, stored, step):
        return Told(name, None, unknown="study.yaml has changed since, and no entry holds the value itself")
    if value in (None, ""):
        return Told(name, None, unknown="study.yaml states none")
    return Told(name, value, stored.index)


__all__ = ["Asked", "mapping", "of_settings", "settings_are_those_of", "told", "told_all"]
