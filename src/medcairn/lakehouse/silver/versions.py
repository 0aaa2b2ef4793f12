"""When each version of a resource counts.

The first known version counts from the fact's own times: ``lastUpdated`` is not used, because servers load in
bulk. A later version counts from its own times when they are later than those of the version before it, else
from ``lastUpdated`` when that is later. Else nobody stated when the correction came: it replaces the version
before it entirely, whose interval is then empty, as a fresh export would have shown it. A deletion has only
``lastUpdated``. No version counts before the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_ALWAYS = -(1 << 63)


class Version(NamedTuple):
    """One known version, or a deletion. ``available`` is its own available time, in µs since 1970."""

    available: int | None
    updated: int | None = None
    deleted: bool = False


class Interval(NamedTuple):
    """When a version counts: from ``available`` (null: never; of a patient: always) until ``superseded``.

    ``number`` counts the versions from 1; ``untimed`` says that a correction or deletion without a time of
    its own took its place.
    """

    number: int
    available: int | None
    superseded: int | None
    current: bool
    untimed: bool = False


FIRST = Interval(1, None, None, current=True)
"""Of a resource that is known in one version: it counts from its own available time."""


def intervals(versions: Sequence[Version], *, always: bool = False) -> tuple[Interval, ...]:
    """The interval of each of ``versions``, oldest first; a deletion has one too, and no rows.

    ``always`` is for patients: to have no available time means to be known from the beginning.
    """
    times: list[int | None] = []
    timed: list[bool] = []
    for number, version in enumerate(versions):
        at = _own_time(version) if number == 0 else _time_after(times[-1], version, always=always)
        timed.append(number == 0 or at is not None)
        times.append(at if timed[-1] else times[-1])
    found: list[Interval] = []
    number = 0
    for place, version in enumerate(versions):
        number += not version.deleted
        after = place + 1
        if after == len(versions):
            found.append(Interval(number, times[place], None, not version.deleted))
        else:
            # After an untimed one the times are equal: the interval is empty.
            found.append(Interval(number, times[place], times[after], False, not timed[after]))
    return tuple(found)


def _own_time(version: Version) -> int | None:
    return version.updated if version.deleted else version.available


def _time_after(before: int | None, version: Version, *, always: bool) -> int | None:
    """When ``version`` came after one that counts from ``before``; None when nobody stated it."""
    if before is None and not always:
        return _own_time(version)  # the version before never counted
    least = _ALWAYS if before is None else before
    own = None if version.deleted else version.available
    return next((at for at in (own, version.updated) if at is not None and at > least), None)


__all__ = ["FIRST", "Interval", "Version", "intervals"]
