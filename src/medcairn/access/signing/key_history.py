"""The key ring that a trail's events tell of: which keys were made, endorsed and revoked, and when.

The events are the notices of this package as the ledger recorded them, with the ledger's times. With
``endorsed`` a key counts only from when a person with a trusted key sealed whose it is; the root of that
trust is the first person's key. So who can write the people store, and put any notice they like on its way
to the ledger, brings in no key without the private key of somebody who is trusted already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from medcairn.access.notices import Notice, NoticeKind
from medcairn.access.signing.endorsements import Endorsement
from medcairn.access.signing.key_ring import KeyRing, Revoked, SigningKey
from medcairn.core.errors import IntegrityError
from medcairn.core.labels import Label


def key_ring_of(history: Iterable[Notice], *, endorsed: bool) -> KeyRing:
    """The keys to trust after ``history``, which is in the ledger's order.

    Events of other kinds are passed over; so are those about keys that cannot be read or whose seal does not
    hold, for they were put there by somebody.
    """
    keys: dict[str, SigningKey] = {}
    waiting: dict[str, SigningKey] = {}
    for notice in history:
        if notice.kind in (NoticeKind.PERSON_ADDED, NoticeKind.SIGNING_KEY_MADE):
            made = _made(notice)
            if made is None or _has_one(made, [*keys.values(), *waiting.values()]):
                continue
            trusted = not endorsed or not keys
            (keys if trusted else waiting)[made.public_key] = made
        elif notice.kind is NoticeKind.IDENTITY_PROVEN:
            proven = _proven(notice, keys, waiting)
            if proven is not None:
                keys[proven.public_key] = proven
                del waiting[proven.public_key]
        elif notice.kind is NoticeKind.SIGNING_KEY_REVOKED:
            _revoke(notice, keys, waiting)
    return KeyRing.of(keys.values())


def _has_one(made: SigningKey, keys: list[SigningKey]) -> bool:
    """Whether the key is known, or its owner has another good one: then it is no true event."""
    return any(
        key.public_key == made.public_key
        or (key.owner.casefold() == made.owner.casefold() and key.revoked_at is None)
        for key in keys
    )


def _made(notice: Notice) -> SigningKey | None:
    name, public_key = notice.record.get("name"), notice.record.get("public_key")
    if not isinstance(name, str) or not isinstance(public_key, str) or not public_key:
        return None
    try:
        return SigningKey(Label(name), public_key, notice.at)
    except ValueError:
        return None


def _proven(notice: Notice, keys: dict[str, SigningKey], waiting: dict[str, SigningKey]) -> SigningKey | None:
    """The key that ``notice`` endorses, when its endorser is trusted then and sealed it.

    That is another person: who has a good key is not given a second one to wait for an endorsement.
    """
    try:
        endorsement = Endorsement.from_json(notice.record)
    except IntegrityError:
        return None
    key, endorser = waiting.get(endorsement.public_key), keys.get(endorsement.endorser_key)
    if key is None or endorser is None or not endorsement.holds():
        return None
    is_good = endorser.revoked_at is None or notice.at < endorser.revoked_at
    named_right = key.owner == endorsement.name and endorser.owner == endorsement.endorser
    return replace(key, made_at=notice.at) if is_good and named_right else None


def _revoke(notice: Notice, *rings: dict[str, SigningKey]) -> None:
    public_key = str(notice.record.get("public_key"))
    try:
        revoked_at = datetime.fromisoformat(str(notice.record.get("revoked_at"))).astimezone(UTC)
        reason = Revoked(str(notice.record.get("revoked_for")))
    except ValueError:
        revoked_at, reason = notice.at, Revoked.COMPROMISED
    for ring in rings:
        key = ring.get(public_key)
        if key is not None and key.revoked_at is None:
            ring[public_key] = replace(key, revoked_at=min(revoked_at, notice.at), revoked_for=reason)


__all__ = ["key_ring_of"]
