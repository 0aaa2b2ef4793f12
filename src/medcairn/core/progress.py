"""Progress of long work, as the stages report it. The command line decides how it is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress of one piece of work."""

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """A new phase starts: ``what`` in a few constant words, ``total`` units when known."""
        ...

    def advance(self, done: int) -> None:
        """``done`` more units of the present phase are finished."""
        ...


class NoProgress:
    """Shows nothing."""

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        pass

    def advance(self, done: int) -> None:
        pass


__all__ = ["NoProgress", "Progress"]
