"""Errors that pass: the first answers of an address fail, the later ones do not."""

from __future__ import annotations

import threading
from collections import Counter

from starlette.responses import Response

from medcairn.synthetic.server.answers import fhir, html_page, outcome
from medcairn.synthetic.server.faults import Faults, Phase


class Tries:
    """Counts how often each address was tried. Thread-safe."""

    def __init__(self) -> None:
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()

    def next(self, address: str) -> int:
        """The number of this try, from 1."""
        with self._lock:
            self._tries[address] += 1
            return self._tries[address]


class PassingErrors:
    """What to answer instead of the truth, for as long as the faults say."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._tries = Tries()
        self._on = bool(faults.transient or faults.rate_limit or faults.unavailable)

    def answer(self, phase: Phase, address: str) -> Response | None:
        """The error that is due at ``address``, None when it is over. In turn: 500, 429, 503."""
        faults = self._faults
        if not self._on or phase not in faults.phases:
            return None
        number = self._tries.next(address)
        for count, status, code in (
            (faults.transient, 500, "transient"),
            (faults.rate_limit, 429, "throttled"),
            (faults.unavailable, 503, "transient"),
        ):
            if number <= count:
                return self._error(status, code)
            number -= count
        return None

    def _error(self, status: int, code: str) -> Response:
        headers = {"Retry-After": self._faults.retry_after} if self._faults.retry_after else {}
        if self._faults.html_errors:
            return html_page(status, headers)
        return fhir(outcome(code, "Try again later"), status=status, headers=headers)


__all__ = ["PassingErrors", "Tries"]
