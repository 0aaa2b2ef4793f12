"""Fixtures of the lakehouse's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path)
