"""The harness's places under the shipped policy, and the real stage under any."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import groupby

from medcairn.deid import deidentify, safe_harbor
from medcairn.deid.canaries import AS_OF, Release, all_places
from medcairn.deid.canaries.planting import Place
from medcairn.deid.policy import Policy

POLICY = safe_harbor()


@cache
def places() -> Mapping[str, tuple[Place, ...]]:
    """All places, by type."""
    grouped = groupby(all_places(POLICY), lambda place: place.resource_type)
    return {name: tuple(group) for name, group in grouped}


def stage(policy: Policy) -> Release:
    """The real stage under a policy."""
    return lambda source, output: deidentify(source, output, key=b"k" * 32, as_of=AS_OF, policy=policy)
