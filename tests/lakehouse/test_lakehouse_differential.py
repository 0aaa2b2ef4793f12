"""Random views over random resources, odd ones included: every executor gives what DuckDB gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from medcairn.core.errors import MedcairnError
from medcairn.lakehouse.views.runner import Outcome

from .random_resources import RandomResources
from .random_views import RandomViews
from .view_engines import OTHERS, executor

EXAMPLES = {"direct": 30, "spark": 2}
"""Spark needs some seconds for an example however small it is, so it gets few large ones."""
VIEWS, RESOURCES = 10, 30
TYPES = ["Patient", "Observation", "QuestionnaireResponse"]


@dataclass
class Compared:
    """How much was compared."""

    views: int = 0
    errors: int = 0
    rows: int = 0
    cells: int = 0

    def add(self, outcome: Outcome) -> None:
        self.views += 1
        if isinstance(outcome, MedcairnError):
            self.errors += 1
        else:
            self.rows += len(outcome[1])
            self.cells += len(outcome[0]) * len(outcome[1])


def same(one: Outcome, other: Outcome) -> bool:
    """The same columns and rows in the same order, or the same error."""
    if isinstance(one, MedcairnError) or isinstance(other, MedcairnError):
        return type(one) is type(other) and str(one) == str(other)
    return one == other


def difference(name: str, view: dict[str, Any], resources: Sequence[bytes]) -> str:
    """The view and the first resource over which the executor differs from DuckDB."""
    for resource in resources:
        one, other = (executor(each).many([view], [resource])[0] for each in ("duckdb", name))
        if not same(one, other):
            return f"{json.dumps(view)}\n{resource.decode()}\nduckdb: {_shown(one)}\n{name}: {_shown(other)}"
    return f"{json.dumps(view)}\nonly over all the resources together"


def _shown(outcome: Outcome) -> str:
    return str(outcome) if isinstance(outcome, MedcairnError) else str(outcome[1])


def _comparable(views: list[dict[str, Any]], resources: list[bytes]) -> list[tuple[dict[str, Any], Outcome]]:
    """The views with what DuckDB makes of them; of those that fail one: each is a query of its own."""
    found = list(zip(views, executor("duckdb").many(views, resources), strict=True))
    failing = [pair for pair in found if isinstance(pair[1], MedcairnError)]
    for _, error in failing:
        assert "defect" not in str(error), "the engine refuses our SQL"
    return [pair for pair in found if not isinstance(pair[1], MedcairnError)] + failing[:1]


def _compare(name: str, compared: Compared) -> Callable[[int, str, float], None]:
    def compare(seed: int, resource: str, odd: float) -> None:
        random = Random(seed)
        resources = RandomResources(random, resource, odd).resources(RESOURCES)
        views = [RandomViews(random, resource).view() for _ in range(VIEWS)]
        pairs = _comparable(views, resources)
        together = [view for view, outcome in pairs if not isinstance(outcome, MedcairnError)]
        others = executor(name).many(together, resources)
        others += [o for v, _ in pairs[len(together) :] for o in executor(name).many([v], resources)]
        for (view, outcome), other in zip(pairs, others, strict=True):
            compared.add(outcome)
            if not same(outcome, other):
                note(difference(name, view, resources))
                raise AssertionError(f"{name} differs from DuckDB")

    return compare


@pytest.mark.parametrize("name", OTHERS)
def test_every_executor_gives_the_same_rows_or_the_same_error(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    compared = Compared()
    seeds, kinds, odd = st.integers(0, 2**32), st.sampled_from(TYPES), st.sampled_from([0.0, 0.05, 0.2])
    settings(max_examples=EXAMPLES[name])(given(seeds, kinds, odd)(_compare(name, compared)))()
    record_property("compared_with_duckdb", f"{name}: {compared}")
    print(f"{name} against duckdb: {compared}")
    assert compared.views >= EXAMPLES[name] * VIEWS // 2
    assert compared.rows > compared.views


def test_the_comparison_can_fail() -> None:
    assert not same((["a"], [(1,)]), (["a"], [(2,)]))
    assert not same((["a"], [(1,)]), (["b"], [(1,)]))
    assert not same(MedcairnError("x"), (["a"], []))
    assert not same(MedcairnError("x"), MedcairnError("y"))
    assert same(MedcairnError("x"), MedcairnError("x"))
