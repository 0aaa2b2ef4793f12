"""Errors and log lines carry constant text and typed safe fields."""

import json
import logging
from pathlib import Path

import pytest

from medcairn.core import errors
from medcairn.core.errors import DataError, MedcairnError
from medcairn.core.labels import Label
from medcairn.core.log import get_logger


def tree(kind: type[MedcairnError]) -> list[type[MedcairnError]]:
    """``kind`` and what core derives from it; a package's own errors keep the code of the one they refine."""
    ours = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(below for child in ours for below in tree(child))]


@pytest.mark.parametrize("kind", tree(MedcairnError), ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree_with_its_exit_code(kind: type[MedcairnError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if kind.__name__ in line.split())
    assert kind is MedcairnError or str(kind.exit_code) in line.split()


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in tree(MedcairnError)]
    assert len(codes) == len(set(codes))


def test_an_error_shows_its_fields_and_records_all_but_paths() -> None:
    error = DataError("A line is not JSON", hint="Look at it", file=Path("a.ndjson"), line=7, kind=Label("x"))
    assert str(error) == "A line is not JSON (file=a.ndjson, line=7, kind=x). Look at it"
    assert error.recordable_fields() == {"line": 7, "kind": "x"}


def test_a_log_line_is_json_of_safe_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        get_logger("medcairn.test").info("stage.finished", stage=Label("deid"), rows=3)
    assert json.loads(caplog.messages[0]) == {"event": "stage.finished", "stage": "deid", "rows": 3}


@pytest.mark.parametrize("value", ["Jane Doe", Path("x"), None, ["a"]])
def test_a_log_refuses_what_may_come_from_data(value: object) -> None:
    with pytest.raises(TypeError):
        get_logger("medcairn.test").info("event", field=value)  # type: ignore[arg-type]
