"""Which methods of MLflow's stores the guard searches: all but the ones that are known to write nothing.

``methods.yaml`` lists every public method of the installed MLflow's stores; a test fails when a version has
one that is not in it. At run time one that is not listed is searched.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("methods.yaml")


def is_searched(name: str) -> bool:
    """Whether the arguments of the method ``name`` are searched."""
    lists = method_lists()
    return name not in lists["reads"] and name not in lists["removes"]


@cache
def method_lists() -> dict[str, frozenset[str]]:
    """The lists of ``methods.yaml`` by their names: ``writes``, ``reads``, ``removes``."""
    listed: dict[str, list[str]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {kind: frozenset(names) for kind, names in listed.items()}


__all__ = ["is_searched", "method_lists"]
