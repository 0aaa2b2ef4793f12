"""The canary harness sees each of a set of deliberately broken policies."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from medcairn.deid.canaries import run_canaries
from medcairn.deid.policy import Policy

from .canary_places import POLICY, places, stage
from .mutations import (
    Mutation,
    age_limit_lost,
    allow_verbatim,
    code_system_unchecked,
    listed_element_unchecked,
    unlisted_element_listed,
)


@pytest.mark.parametrize(
    "mutations",
    [unlisted_element_listed, listed_element_unchecked, code_system_unchecked, age_limit_lost],
    ids=lambda mutations: str(mutations.__name__),
)
def test_every_broken_policy_is_caught(
    mutations: Callable[[Policy], Iterable[Mutation]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_verbatim(monkeypatch)
    missed, broken = [], 0
    for broken, mutation in enumerate(mutations(POLICY), start=1):
        found = run_canaries(mutation.places(places()), stage(mutation.policy), tmp_path / str(broken))
        if not found.leak_count:
            missed.append(mutation.name)
        shutil.rmtree(tmp_path / str(broken))
    print(f"{broken - len(missed)} of {broken} broken policies caught")
    assert broken > 0
    assert missed == []
