"""What every command shares: the console, JSON output, progress, and errors turned into exit codes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.core.canonical import JSON
from medcairn.core.progress import NoProgress, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def say(text: str = "") -> None:
    """A line for people, on standard output."""
    typer.echo(text)


def note(text: str) -> None:
    """A line about what is going on, on standard error, so that standard output stays the result."""
    typer.echo(text, err=True)


def print_json(value: Mapping[str, JSON]) -> None:
    """The result for machines: one JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def amount(done: int, total: int | None, unit: str) -> str:
    """How much is done, of how much: ``1,200/3,000 rows``; bytes as MB."""
    scale, name = (1_000_000, "MB") if unit == "bytes" else (1, unit)
    of = f"/{total // scale:,}" if total is not None else ""
    return f"{done // scale:,}{of} {name}".rstrip()


class BarProgress:
    """A progress bar on a terminal."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._total: int | None = None
        self._unit, self._done = "", 0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._total, self._unit, self._done = total, unit, 0
        self._task = self._bars.add_task(what, total=total, amount=amount(0, total, unit))

    def advance(self, done: int) -> None:
        if self._task is not None:
            self._done += done
            shown = amount(self._done, self._total, self._unit)
            self._bars.update(self._task, completed=self._done, amount=shown)


class LineProgress:
    """Plain lines in a pipe: one when a phase begins, then at most one every ten seconds."""

    _EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        self._what, self._unit, self._done, self._shown = "", "", 0, 0.0

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self._what, self._unit, self._done, self._shown = what, unit, 0, time.monotonic()
        note(f"  {what}" + (f" ({amount(total, None, unit)})" if total else ""))

    def advance(self, done: int) -> None:
        self._done += done
        if time.monotonic() - self._shown > self._EVERY_SECONDS:
            self._shown = time.monotonic()
            note(f"  {self._what}: {amount(self._done, None, self._unit)}")


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """Bars on a terminal, plain lines in a pipe, nothing when ``quiet`` (as with ``--json``)."""
    if quiet:
        yield NoProgress()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
        )
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            yield BarProgress(bars)
    else:
        yield LineProgress()


__all__ = ["BarProgress", "JsonFlag", "LineProgress", "amount", "note", "print_json", "progress", "say"]
