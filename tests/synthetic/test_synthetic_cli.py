"""``medcairn hospital`` from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from medcairn.cli import hospital
from medcairn.core.errors import UsageError
from medcairn.synthetic import best_auroc
from medcairn.synthetic.server import switches

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


@pytest.mark.parametrize("command", ["generate", "serve", "faults"])
def test_help_has_an_example(app: typer.Typer, command: str) -> None:
    result = CliRunner().invoke(app, ["hospital", command, "--help"])
    assert "Example: medcairn hospital" in result.stdout


def test_help_says_that_others_can_test_with_the_server(app: typer.Typer) -> None:
    shown = " ".join(CliRunner().invoke(app, ["hospital", "--help"]).stdout.split())
    assert "a test server for any Bulk Data client" in shown
    assert "medcairn hospital faults" in shown


def test_faults_lists_every_switch(app: typer.Typer) -> None:
    lines = CliRunner().invoke(app, ["hospital", "faults"]).stdout.splitlines()
    listed = json.loads(CliRunner().invoke(app, ["hospital", "faults", "--json"]).stdout)["faults"]
    assert [item["name"] for item in listed] == [item.name for item in switches()]
    assert len(lines) == len(listed) + 1
    for line, item in zip(lines, listed, strict=False):
        assert line == f"{item['name'] + item['form']:<26}{item['does']}"


def test_a_fault_that_is_none_is_refused(app: typer.Typer, hospital_dir: Path) -> None:
    arguments = ["hospital", "serve", str(hospital_dir), "--open", "--fault", "moon"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UsageError)
    assert "medcairn hospital faults" in result.exception.hint


def test_serve_needs_to_know_who_may_export(app: typer.Typer, hospital_dir: Path) -> None:
    for options in (
        [],
        ["--open", "--client-id", "a"],
        ["--client-id", "a"],
        ["--jwks", "http://127.0.0.1:9/jwks"],
        ["--client-id", "a", "--jwks", "x", "--client-secret-file", "y"],
        ["--client-id", "a", "--jwks", "https://example.org/jwks"],
        ["--client-id", "a", "--client-secret-file", "absent"],
    ):
        result = CliRunner().invoke(app, ["hospital", "serve", str(hospital_dir), *options])
        assert isinstance(result.exception, UsageError)


def test_a_key_set_that_is_none_is_refused(app: typer.Typer, hospital_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "keys.json"
    for content in ("[]", "{", '{"keys":[{"kty":"EC"}]}'):
        broken.write_text(content)
        options = ["--client-id", "a", "--jwks", str(broken)]
        result = CliRunner().invoke(app, ["hospital", "serve", str(hospital_dir), *options])
        assert isinstance(result.exception, UsageError)


@contextmanager
def _served(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """What `serve --json` says, while it serves."""
    arguments = ["hospital", "serve", str(folder), "--port", "0", "--json", *options]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            yield json.loads("".join(iter(running.stdout.readline, "}\n")) + "}")
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=20) == 0


def test_serve_runs_until_it_is_stopped(hospital_dir: Path) -> None:
    with _served(hospital_dir, "--open") as told:
        answer = httpx.get(f"{told['base_url']}/metadata", timeout=20)
        assert answer.json()["resourceType"] == "CapabilityStatement"
        assert told["open"] is True


def test_serve_has_the_faults_that_it_is_told_to_have(hospital_dir: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    registered = ("--client-id", "a", "--client-secret-file", str(secret))
    with _served(hospital_dir, *registered, "--fault", "unavailable=1", "--fault", "phases=token") as told:
        form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
        ask = partial(httpx.post, f"{told['base_url']}/auth/token", data=form, auth=("a", "hush"), timeout=20)
        assert [ask().status_code for _ in range(2)] == [503, 200]
        root = told["base_url"].removesuffix("/fhir")
        asked = httpx.get(f"{root}/requests", timeout=20).json()["requests"]
        assert [item["status"] for item in asked] == [503, 200]
        assert told["elsewhere_url"] != root
