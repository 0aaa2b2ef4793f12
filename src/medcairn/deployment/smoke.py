"""The smoke test: does what runs behind a URL give the answers of the package?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest
from medcairn.core.errors import ExternalError, UsageError

TOLERANCE = 1e-9
_TIMEOUT_SECONDS = 30.0


class SmokeCheck(StrEnum):
    """What is looked at."""

    LIVE = "live"
    READY = "ready"
    MODEL = "model"
    VECTORS = "vectors"
    CARD = "card"


@dataclass(frozen=True)
class SmokeReport:
    """The outcome by check. ``largest_difference`` is over the vectors; None when one had no answer."""

    outcomes: tuple[tuple[SmokeCheck, bool], ...]
    vectors: int
    largest_difference: float | None

    @property
    def passed(self) -> bool:
        """Whether every check passed; no checks pass nothing."""
        return bool(self.outcomes) and all(passed for _, passed in self.outcomes)

    def facts(self) -> dict[str, JSON]:
        """Aggregate facts for the ledger."""
        return {
            "passed": self.passed,
            "checks": {check.value: passed for check, passed in self.outcomes},
            "vectors": self.vectors,
            "largest_difference": self.largest_difference,
        }


def smoke_test(base_url: str, test_vectors: Path, *, package_digest: Digest | None = None) -> SmokeReport:
    """Ask the service at ``base_url`` for health, its card and the vectors of ``test-vectors.json``.

    A vector passes when the probability differs by at most 1e-9 and, with ``package_digest``, the answer
    names that package. The service records the vectors as smoke tests, apart from care.

    Raises :class:`ExternalError` when nothing answers, :class:`UsageError` when there are no vectors.
    """
    vectors = _read_vectors(test_vectors)
    failed = ""
    try:
        with httpx.Client(base_url=base_url, timeout=_TIMEOUT_SECONDS) as client:
            return _asked(client, vectors, package_digest)
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        failed = type(failure).__name__
    hint = "Is the service running there?" if failed == "ConnectError" else "Look at the service's log"
    raise ExternalError("The service did not answer the smoke test", hint=hint)


def _asked(client: httpx.Client, vectors: list[dict[str, Any]], digest: Digest | None) -> SmokeReport:
    answers = [_answer(client, vector) for vector in vectors]
    differences = list(_differences(vectors, answers))
    known = [difference for difference in differences if difference is not None]
    complete = len(known) == len(vectors)
    right_model = all(answer.get("model", {}).get("digest") == digest for answer in answers)
    card = client.get("/model-card", headers={"Accept": "application/json"})
    return SmokeReport(
        outcomes=(
            (SmokeCheck.LIVE, client.get("/health/live").status_code == httpx.codes.OK),
            (SmokeCheck.READY, client.get("/health/ready").status_code == httpx.codes.OK),
            (SmokeCheck.MODEL, digest is None or right_model),
            (SmokeCheck.VECTORS, complete and max(known) <= TOLERANCE),
            (SmokeCheck.CARD, card.status_code == httpx.codes.OK),
        ),
        vectors=len(vectors),
        largest_difference=max(known) if complete else None,
    )


def _answer(client: httpx.Client, vector: dict[str, Any]) -> dict[str, Any]:
    """The service's answer; empty when it gave none that can be read."""
    response = client.post("/predict", json={"features": vector["features"], "purpose": "smoke_test"})
    if response.status_code != httpx.codes.OK:
        return {}
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _differences(vectors: list[dict[str, Any]], answers: list[dict[str, Any]]) -> Iterator[float | None]:
    for vector, answer in zip(vectors, answers, strict=True):
        given = answer.get("probability")
        number = isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
        yield abs(given - vector["probability"]) if number else None


def _read_vectors(path: Path) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = []
    try:
        vectors = [
            {"features": dict(vector["features"]), "probability": float(vector["probability"])}
            for vector in json.loads(path.read_bytes())["vectors"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        vectors = []
    if not vectors:
        raise UsageError("There are no test vectors to ask for", file=path)
    return vectors


__all__ = ["SmokeCheck", "SmokeReport", "smoke_test"]
