"""Running the command that fetches a key, so that nothing it writes can end up anywhere but in memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import IO, cast

OUTPUT_LIMIT = 64 * 1024


class Ending(Enum):
    """How the command ended."""

    ENDED = auto()
    NOT_STARTED = auto()
    TIMED_OUT = auto()
    TOO_MUCH = auto()


@dataclass(frozen=True)
class Outcome:
    """The ending, the exit status (negative: the signal that ended it), and what was written to stdout."""

    ending: Ending
    status: int = 0
    output: bytes = field(default=b"", repr=False)


def run_key_command(command: tuple[str, ...], timeout_seconds: float) -> Outcome:
    """Run ``command`` without a shell and give its standard output, at most 64 KiB of it.

    It inherits the environment, which is where such programs find their own credentials, and has no standard
    input to wait for. What it writes to standard error is thrown away: it may quote the key or a token. When
    the time is over it is killed with everything that it started.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return Outcome(Ending.NOT_STARTED)
    out_of_time = threading.Event()
    timer = threading.Timer(timeout_seconds, _stop, (process, out_of_time))
    timer.start()
    try:
        output = cast("IO[bytes]", process.stdout).read(OUTPUT_LIMIT + 1)
        if len(output) <= OUTPUT_LIMIT:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not reaped: its id stays its own
    finally:
        timer.cancel()
        timer.join()
        _kill(process)
        status = process.wait()
        cast("IO[bytes]", process.stdout).close()
    if out_of_time.is_set():
        return Outcome(Ending.TIMED_OUT)
    if len(output) > OUTPUT_LIMIT:
        return Outcome(Ending.TOO_MUCH)
    return Outcome(Ending.ENDED, status, output)


def _stop(process: subprocess.Popen[bytes], out_of_time: threading.Event) -> None:
    out_of_time.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started; they share a session of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


__all__ = ["OUTPUT_LIMIT", "Ending", "Outcome", "run_key_command"]
