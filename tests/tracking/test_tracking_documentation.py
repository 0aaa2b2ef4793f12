"""The examples of ``docs/mlflow.md`` and of the package's README run as they are printed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from medcairn.tracking import database_uri
from tracking.guarded_process import environment, install_plugin, python

_ROOT = Path(__file__).parents[2]
_EXAMPLE = re.compile(r"^```python(?P<guarded> guarded)?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(guarded: bool) -> str:
    text = (_ROOT / "docs" / "mlflow.md").read_text(encoding="utf-8")
    return "\n".join(found["code"] for found in _EXAMPLE.finditer(text) if bool(found["guarded"]) is guarded)


@pytest.mark.parametrize("guarded", [False, True])
def test_the_examples_run(guarded: bool, tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    given = {"MLFLOW_TRACKING_URI": database_uri(tmp_path / "mlflow.db")}
    given |= {"MEDCAIRN_PHI_GUARD": "block"} if guarded else {}
    code = f"import os; os.chdir({str(tmp_path)!r})\n" + examples(guarded)
    assert code.count("\n") > 5
    done = python(code, env=environment(install_plugin(tmp_path / "plugin"), **given))
    assert done.returncode == 0, done.stderr


def test_the_table_of_names_is_complete() -> None:
    from medcairn.tracking.logged_context import parameters
    from tracking.contexts import full_context

    text = (_ROOT / "docs" / "mlflow.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("| parameters"))
    listed = {f"healthcare.{name}" for name in re.findall(r"`(\w+)`", row)}
    assert listed == set(parameters(full_context()))
