"""Commands as a user gives them, each in a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from medcairn.cli.main import run

PASSWORD = "correct horse battery staple"
"""Of people who exist only in these tests."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        value: dict[str, object] = json.loads(self.out)
        return value


def run_medcairn(*arguments: object, check: bool = True, **environment: str) -> Result:
    """Run the command line in a process of its own, as a user would."""
    command = [sys.executable, "-m", "medcairn.cli.main", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=600
    )
    assert "Traceback" not in done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


def run_here(*arguments: object) -> Result:
    """Run the command line within this process: for commands that only read, as many as one likes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*map(str, arguments)])
    assert code == 0, err.getvalue()
    return Result(code, out.getvalue(), err.getvalue())


def digests(study: Path) -> dict[str, str]:
    """Each artifact's digest, by name."""
    status = run_medcairn("status", "--study", study, "--json").json()
    steps = status["steps"]
    assert isinstance(steps, list)
    return {ref["name"]: ref["digest"] for step in steps for ref in step["outputs"]}
