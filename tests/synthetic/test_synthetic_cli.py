"""``medcairn hospital`` from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from medcairn.cli import hospital
from medcairn.core.errors import UsageError
from medcairn.synthetic import best_auroc

PROGRAM = "import typer, medcairn.cli.hospital as h; a = typer.Typer(); h.register(a); a()"


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    hospital.register(made)
    return made


def test_generate_says_what_it_wrote_and_what_is_best(app: typer.Typer, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    result = CliRunner().invoke(
        app, ["hospital", "generate", "--patients", "30", "--seed", "4", "--out", out]
    )
    assert result.exit_code == 0
    best = best_auroc("readmission_30d", patients=30, seed=4)
    assert f"best reachable AUROC {best:.3f}" in result.stdout
    assert "30 patients" in result.stdout


def test_generate_as_json(app: typer.Typer, tmp_path: Path) -> None:
    arguments = ["hospital", "generate", "--patients", "2", "--out", str(tmp_path / "o"), "--json"]
    result = CliRunner().invoke(app, [*arguments, "--as-of", "2024-01-31"])
    told = json.loads(result.stdout)
    assert told["patients"] == 2
    assert told["transaction_time"] == "2024-01-31T00:00:00Z"


@pytest.mark.parametrize("command", ["generate", "serve"])
def test_help_has_an_example(app: typer.Typer, command: str) -> None:
    result = CliRunner().invoke(app, ["hospital", command, "--help"])
    assert "Example: medcairn hospital" in result.stdout


def test_serve_needs_to_know_who_may_export(app: typer.Typer, hospital_dir: Path) -> None:
    for options in ([], ["--open", "--client-id", "a"], ["--client-id", "a"]):
        result = CliRunner().invoke(app, ["hospital", "serve", str(hospital_dir), *options])
        assert isinstance(result.exception, UsageError)


def test_a_key_set_that_is_none_is_refused(app: typer.Typer, hospital_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "keys.json"
    for content in ("[]", "{", '{"keys":[{"kty":"EC"}]}'):
        broken.write_text(content)
        options = ["--client-id", "a", "--jwks", str(broken)]
        result = CliRunner().invoke(app, ["hospital", "serve", str(hospital_dir), *options])
        assert isinstance(result.exception, UsageError)


def test_serve_runs_until_it_is_stopped(hospital_dir: Path) -> None:
    arguments = ["hospital", "serve", str(hospital_dir), "--open", "--port", "0", "--json"]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            told = json.loads("".join(running.stdout.readline() for _ in range(4)))
            answer = httpx.get(f"{told['base_url']}/metadata", timeout=20)
            assert answer.json()["resourceType"] == "CapabilityStatement"
            assert told["open"] is True
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=20) == 0
