"""The clock and the source of ids, passed in so that a test or a replay can fix them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """Always the same instant; for tests and for documents that must be byte-identical."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


class Ids(Protocol):
    """Mints ids."""

    def new(self) -> str:
        """An id that was not given before."""
        ...


class RandomIds:
    """Random UUIDs (RFC 9562, version 4)."""

    def new(self) -> str:
        return str(uuid.uuid4())


def instant(moment: datetime) -> str:
    """``moment`` as an RFC 3339 instant in UTC with microseconds, ``2026-01-31T09:30:00.000000Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


__all__ = ["Clock", "FixedClock", "Ids", "RandomIds", "SystemClock", "instant"]
