"""The service in a process of its own, for the length of a block."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from medcairn.core.errors import ExternalError
from medcairn.pipeline.study import Study

_STOP_SECONDS = 30


@contextmanager
def serving_process(study: Study, *, port: int) -> Iterator[str]:
    """Start ``medcairn serve`` on the study's package; gives its base URL, and stops it at the end.

    Port 0 takes a free one. Raises :class:`ExternalError` when it does not come up.
    """
    package = study.root / study.artifacts()["package"].path
    command = [sys.executable, "-m", "medcairn.cli.main", "serve", str(package), "--study", str(study.root)]
    command += ["--port", str(port), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True) as process,
    ):
        assert process.stdout is not None  # asked for with PIPE
        try:
            yield _base_url(process.stdout)
        finally:
            _stop(process)


def _base_url(output: IO[str]) -> str:
    """The address from the JSON document that the service prints when it listens."""
    text = ""
    for line in output:
        text += line
        if line.rstrip() == "}":
            break
    if not text.rstrip().endswith("}"):
        raise ExternalError("The service did not start", hint="Try it by hand: medcairn serve --help")
    return str(json.loads(text)["base_url"])


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


__all__ = ["serving_process"]
