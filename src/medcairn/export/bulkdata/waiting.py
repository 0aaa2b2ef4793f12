"""How long to wait: ``Retry-After`` made sane, backoff with jitter, one limit over everything.

Servers send epoch seconds, epoch milliseconds, negatives and plain garbage in ``Retry-After`` (RFC 9110,
10.2.3, allows seconds or an HTTP-date). An obedient client sleeps for 57 years; this one reads what can be
read and keeps every wait between a floor and a ceiling.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from medcairn.core.clock import Clock
from medcairn.core.errors import ExternalError, Interrupted

FLOOR_SECONDS: Final = 0.5
CEILING_SECONDS: Final = 600.0
_BACKOFF_CEILING_SECONDS: Final = 60.0
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12
_SLICE_SECONDS: Final = 0.5
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,9})?\Z")


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, between floor and ceiling; None when it says nothing usable.

    A number beyond 10⁹ is taken as the epoch time (seconds, or milliseconds beyond 10¹²) to come back at.
    """
    text = (header or "").strip()
    if _NUMBER.match(text):
        seconds = float(text)
        if seconds >= _EPOCH_MILLISECONDS:
            seconds = seconds / 1000 - now.timestamp()
        elif seconds >= _EPOCH_SECONDS:
            seconds -= now.timestamp()
        return _clamped(seconds)
    moment = _http_date(text)
    return None if moment is None else _clamped((moment - now).total_seconds())


def _clamped(seconds: float) -> float:
    return min(max(seconds, FLOOR_SECONDS), CEILING_SECONDS)


def _http_date(text: str) -> datetime | None:
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def backoff_seconds(attempt: int, jitter: float) -> float:
    """Wait before try ``attempt`` + 1 (``attempt`` from 1): 1, 2, 4 … 60 s, times ½ to 1 by ``jitter``."""
    full: float = min(2.0 ** (min(attempt, 16) - 1), _BACKOFF_CEILING_SECONDS)
    return full * (0.5 + 0.5 * jitter)


def _system_jitter() -> float:
    return secrets.SystemRandom().random()


@dataclass
class Patience:
    """Waits for one export, up to ``limit_seconds`` over everything, and stops waiting when told to.

    ``sleep`` and ``monotonic`` are passed in so that a test need not wait. Used from several threads.
    """

    clock: Clock
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    limit_seconds: float
    jitter: Callable[[], float] = _system_jitter
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.limit_seconds

    def wait_to_retry(self, attempt: int, retry_after: str | None) -> None:
        """Wait after failed try ``attempt``: what the server asks for, else the backoff."""
        asked = retry_after_seconds(retry_after, self.clock.now())
        self.wait(backoff_seconds(attempt, self.jitter()) if asked is None else asked)

    def wait_to_poll(self, poll: int, retry_after: str | None) -> None:
        """Wait before the next look at a running job: as asked, else 0.5 s growing to 30 s."""
        asked = retry_after_seconds(retry_after, self.clock.now())
        self.wait(min(FLOOR_SECONDS * 1.5 ** min(poll, 16), 30.0) if asked is None else asked)

    def wait(self, seconds: float) -> None:
        """Sleep in short slices. Raises when told to stop or when the limit would be passed."""
        if self.monotonic() + seconds > self._deadline:
            raise self._out_of_time()
        left = seconds
        while left > 0:
            self.check()
            self.sleep(min(left, _SLICE_SECONDS))
            left -= _SLICE_SECONDS

    def check(self) -> None:
        """Raises :class:`Interrupted` when told to stop, :class:`ExternalError` when the time is up."""
        if self.stopped.is_set():
            raise Interrupted("The export was stopped")
        if self.monotonic() > self._deadline:
            raise self._out_of_time()

    def _out_of_time(self) -> ExternalError:
        return ExternalError(
            "The export took longer than its time limit",
            hint="Run the same command again; it goes on where it stopped",
            limit_seconds=self.limit_seconds,
        )


__all__ = ["CEILING_SECONDS", "FLOOR_SECONDS", "Patience", "backoff_seconds", "retry_after_seconds"]
