"""The mark of tests that show a clause."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "part11(*clauses): the clauses of 21 CFR Part 11 that this test shows")
