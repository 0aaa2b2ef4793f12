"""The people of a study: their store under the study's policy, and what happens there as ledger events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from medcairn.access import (
    AccessPolicy,
    KeyRing,
    Notice,
    NoticeKind,
    People,
    Role,
    key_ring_of,
    read_policy,
)
from medcairn.audit import EventType
from medcairn.audit.events import StoredEvent
from medcairn.pipeline.study import Study, acting_person

ABOUT_PEOPLE = tuple(EventType(kind.value) for kind in NoticeKind)
"""The events of which the people store gives notice."""


def people_of(study: Study) -> People:
    """The people store of ``study``; what happens in it goes to the study's ledger.

    Raises :class:`~medcairn.core.errors.SettingsError` when the policy in ``study.yaml`` cannot be used.
    """
    return People(study.people_file, policy=_policy(study), told=partial(record_notice, study))


def _policy(study: Study) -> AccessPolicy:
    named = study.settings.access.policy
    rules: str | Path = study.within(Path(named)) if named.endswith((".yaml", ".yml")) else named
    return read_policy(rules)


def record_notice(study: Study, notice: Notice) -> None:
    """Append ``notice`` to the study's ledger."""
    actor = acting_person() if notice.actor == "owner" else notice.actor
    with study.ledger() as ledger:
        ledger.append(EventType(notice.kind.value), actor=actor, record=notice.record)


def key_ring(study: Study) -> KeyRing:
    """The signing keys to trust, with their times, as the ledger tells and not the people store.

    Where the policy asks for a proven identity, a key counts only once somebody with a trusted key vouched
    for whose it is.
    """
    endorsed = _policy(study).signing.identity_proof  # no store is opened: readers make none
    return key_ring_of(map(_notice, study.events(*ABOUT_PEOPLE)), endorsed=endorsed)


def signing_keys(events: Iterable[StoredEvent]) -> Mapping[str, Sequence[str]]:
    """Every public key (hex) that was ever a person's, by name, as the ledger's ``events`` tell."""
    found: dict[str, list[str]] = {}
    notices = (_notice(stored) for stored in events if stored.event.type in ABOUT_PEOPLE)
    for key in key_ring_of(notices, endorsed=False).keys:
        found.setdefault(key.owner, []).append(key.public_key)
    return found


@dataclass(frozen=True)
class RolesThen:
    """Who had which roles when, as the ledger tells."""

    changes: tuple[tuple[int, str, frozenset[Role]], ...]

    @classmethod
    def of(cls, study: Study) -> RolesThen:
        """From every event that gave or took roles."""
        kinds = (EventType.PERSON_ADDED, EventType.PERSON_CHANGED, EventType.PERSON_REMOVED)
        changes = []
        for stored in study.events(*kinds):
            given = stored.event.record.get("roles")
            known = [role for role in given if role in set(Role)] if isinstance(given, Sequence) else []
            name = str(stored.event.record.get("name")).casefold()
            changes.append((stored.index, name, frozenset(Role(str(role)) for role in known)))
        return cls(tuple(changes))

    def at(self, name: str, entry: int) -> frozenset[Role]:
        """The roles of ``name`` when the entry ``entry`` was recorded."""
        roles = frozenset[Role]()
        for index, who, given in self.changes:
            if index < entry and who == name.casefold():
                roles = given
        return roles


def _notice(stored: StoredEvent) -> Notice:
    event = stored.event
    at = datetime.fromisoformat(event.recorded_at)
    return Notice(NoticeKind(event.type.value), at, event.actor, event.record)


__all__ = ["ABOUT_PEOPLE", "RolesThen", "key_ring", "people_of", "record_notice", "signing_keys"]
