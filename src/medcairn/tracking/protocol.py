"""What training needs of a tracker, and the tracker that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Protocol

from medcairn.core.errors import shown
from medcairn.core.labels import Label

Loggable = int | float | bool | Enum | Label
"""What a parameter or a tag may be. A plain ``str`` may have come from data and is refused."""


class Run(Protocol):
    """One MLflow run that is open for writing."""

    @property
    def id(self) -> Label:
        """The id that the store gave."""
        ...

    def log_params(self, params: Mapping[str, Loggable]) -> None:
        """Record settings. A name can be given once.

        Raises ``TypeError`` for a value that is no :data:`Loggable`.
        """
        ...

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Record measured numbers; ``step`` is the fold, or 0 for a figure of the whole."""
        ...

    def log_artifact(self, data: bytes, name: str) -> None:
        """Keep ``data`` as a file; ``name`` is a relative POSIX path such as ``plots/roc.png``."""
        ...

    def set_tags(self, tags: Mapping[str, Loggable]) -> None:
        """Record what the run is about. A tag can be set again."""
        ...


class Tracker(Protocol):
    """Opens runs."""

    def start_run(self, name: str, parent: Run | None = None) -> AbstractContextManager[Run]:
        """A run called ``name``, nested under ``parent`` when given.

        The run ends with the block: finished, failed when the block raised, killed when the user stopped it.
        """
        ...


class _NoRun:
    """A run that keeps nothing, and refuses what a real one would refuse."""

    @property
    def id(self) -> Label:
        return Label("none")

    def log_params(self, params: Mapping[str, Loggable]) -> None:
        for value in params.values():
            logged_text(value)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        pass

    def log_artifact(self, data: bytes, name: str) -> None:
        Label(name)

    def set_tags(self, tags: Mapping[str, Loggable]) -> None:
        self.log_params(tags)


class NoTracker:
    """Keeps nothing; for use without MLflow."""

    @contextmanager
    def start_run(self, name: str, parent: Run | None = None) -> Iterator[Run]:
        Label(name)
        yield _NoRun()


def logged_text(value: Loggable) -> str:
    """The text under which ``value`` is stored.

    Raises ``TypeError`` for a value that may carry source data: a plain ``str``, a path, any other object.
    """
    if not isinstance(value, (int, float, Enum, Label)):
        raise TypeError("a tracked value must be a number, an enum or a Label")
    return shown(value)


__all__ = ["Loggable", "NoTracker", "Run", "Tracker", "logged_text"]
