"""The command line as a whole: exit codes, JSON errors, light help, defects without their text."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medcairn.cli import main


def raising(failure: BaseException) -> Callable[..., None]:
    def app(arguments: list[str], *, standalone_mode: bool) -> None:
        raise failure

    return app


def test_a_defect_shows_its_kind_and_place_and_not_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "app", raising(ValueError("CANARY")))
    monkeypatch.delenv(main.DEBUG_VARIABLE, raising=False)
    assert main.run(["status"]) == 1
    shown = capsys.readouterr().err
    assert "kind=ValueError" in shown
    assert "CANARY" not in shown


def test_with_the_variable_set_a_defect_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "app", raising(ValueError("all of it")))
    monkeypatch.setenv(main.DEBUG_VARIABLE, "1")
    with pytest.raises(ValueError, match="all of it"):
        main.run(["status"])


def test_stopping_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(main, "app", raising(KeyboardInterrupt()))
    assert main.run(["run"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_an_error_is_json_when_json_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--study", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "settings"


def test_an_unknown_option_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["status", "--colour"]) == 2
    assert "colour" in capsys.readouterr().err


def commands() -> list[list[str]]:
    """Every command and subcommand, as ``--help`` knows them."""
    from typer.main import get_command

    found: list[list[str]] = []
    for name, command in get_command(main.app).commands.items():  # type: ignore[attr-defined]
        found.append([name])
        found += [[name, inner] for inner in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    group = "COMMAND [ARGS]" in shown and "Example" not in shown
    assert group or "Example" in shown


def test_help_imports_nothing_heavy() -> None:
    heavy = ("duckdb", "mlflow", "numpy", "pandas", "pyarrow", "sklearn", "fastapi", "matplotlib", "httpx")
    program = (
        "import sys; from medcairn.cli.main import run; run(['--help']); "
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
