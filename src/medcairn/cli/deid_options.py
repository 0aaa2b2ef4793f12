"""The options that the ``deid`` commands share: key, pseudonyms, policy, day, output folder."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import date

    from medcairn.deid import CrosswalkRun, KeyRun, KeySource, Policy

KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="The pseudonym key: 32 random bytes, raw, hex or base64; mode 0600."),
]
KeyEnv = Annotated[
    str | None,
    typer.Option("--key-env", metavar="NAME", help="Or the environment variable that holds it."),
]
KeyCommand = Annotated[
    str | None,
    typer.Option("--key-command", metavar="COMMAND", help="Or the command that prints it: a KMS client."),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="A policy of your own; by default the shipped one."),
]


def key_source(file: Path | None, variable: str | None, command: str | None) -> KeySource:
    """Where the key is, from the three options. Raises :class:`UsageError` unless one of them is given."""
    from medcairn.core.errors import UsageError
    from medcairn.deid import KeySource

    words: tuple[str, ...] | None = None
    if command is not None:
        try:
            words = tuple(shlex.split(command))
        except ValueError:
            words = ()
    if file is None and variable is None and command is None:
        raise UsageError(
            "Where is the pseudonym key?",
            hint="Give --key-file FILE, --key-env NAME or --key-command COMMAND",
        )
    return KeySource(file=file, variable=variable, command=words)


@contextlib.contextmanager
def held_pseudonyms(
    kind: str,
    key: tuple[Path | None, str | None, str | None],
    crosswalk: Path | None,
    out_dir: Path,
    source_dir: Path,
) -> Iterator[KeyRun | CrosswalkRun]:
    """How the pseudonyms of a run are made, from the options."""
    from medcairn.core.errors import UsageError
    from medcairn.deid import HmacPlan, KeyRun, hold_crosswalk, load_key

    if kind not in ("hmac", "random"):
        raise UsageError("There is no such kind of pseudonym", hint="Use hmac or random")
    if (kind == "random") != (crosswalk is not None):
        raise UsageError("Random pseudonyms and a crosswalk belong together", hint="Give --crosswalk FILE")
    if crosswalk is None:
        yield KeyRun(HmacPlan(load_key(key_source(*key))))
        return
    if any(way is not None for way in key):
        raise UsageError("Random pseudonyms come from no key", hint="Take the key's option away")
    with hold_crosswalk(crosswalk, out_dir=out_dir, source_dir=source_dir) as run:
        yield run


def read_policy_option(path: Path | None) -> Policy:
    """The policy of a file, or the shipped one."""
    from medcairn.deid import read_policy, safe_harbor

    return safe_harbor() if path is None else read_policy(path)


def day_option(text: str | None) -> date:
    """The day of ``--as-of``. Raises :class:`UsageError` when it is missing or no day."""
    from datetime import date

    from medcairn.core.errors import UsageError

    hint = "Give --as-of YYYY-MM-DD, for example the day of the export; ages over 89 depend on it"
    if text is None:
        raise UsageError("The day on which ages are reckoned is missing", hint=hint)
    day: date | None = None
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(text)
    if day is None:
        raise UsageError("The day on which ages are reckoned cannot be read", hint=hint)
    return day


def may_be_replaced(folder: Path) -> None:
    """A result takes the place of an earlier one, never that of somebody's other files."""
    from medcairn.core.artifacts import MANIFEST
    from medcairn.core.errors import UsageError

    taken = folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    if taken and not (folder / MANIFEST).is_file():
        raise UsageError(
            "The output folder holds files that are no result of medcairn",
            hint="Give a folder that is new or empty",
            folder=folder,
        )


__all__ = [
    "KeyCommand",
    "KeyEnv",
    "KeyFile",
    "PolicyFile",
    "day_option",
    "held_pseudonyms",
    "key_source",
    "may_be_replaced",
    "read_policy_option",
]
