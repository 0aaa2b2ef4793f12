"""How every command learns who somebody is: passwords and one-time codes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medcairn.access import People, Person, Role
    from medcairn.core.clock import Clock

PASSWORD_VARIABLE = "MEDCAIRN_PASSWORD"  # noqa: S105 - the name of a variable
CODE_VARIABLE = "MEDCAIRN_CODE"
_MOST_BYTES = 4096

PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read the password from this file; asked for otherwise."),
]
Code = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", help="The one-time code, where a second factor is set up; asked for otherwise."
    ),
]
Name = Annotated[str, typer.Argument(help="Short name for signing in; no spaces.")]
Roles = Annotated[
    list[str],
    typer.Option(
        help="data_scientist, clinical_reviewer, quality_reviewer, operator, auditor or administrator; "
        "may be given more than once."
    ),
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does this, with their own password.")]


@dataclass(frozen=True)
class Acting:
    """A person who signed in to do something in a study."""

    people: People
    person: Person
    clock: Clock


def acting(study_folder: Path, name: str, password_file: Path | None, code: str | None) -> Acting:
    """``name``, who gives a password and, where set up, a one-time code."""
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    people = people_of(study)
    password = read_password(password_file, whose=name)
    person = people.authenticate(name, password, code=read_code(people, name, code), clock=study.clock)
    return Acting(people, person, study.clock)


def read_password(
    password_file: Path | None,
    *,
    confirm: bool = False,
    whose: str = "",
    variable: str = PASSWORD_VARIABLE,
) -> str:
    """A password from ``password_file``, else from the variable, else asked for on the terminal.

    Never from the command line, which other users of the machine can see. ``confirm`` asks twice. Raises
    :class:`~medcairn.core.errors.UsageError` when there is no way to get one.
    """
    from medcairn.core.errors import UsageError

    if password_file is not None:
        return _from_file(password_file)
    if variable in os.environ:
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask for the password on",
            hint=f"Give --password-file FILE or set {variable}",
        )
    asked = f"Password of {whose}" if whose else "Password"
    return str(typer.prompt(asked, hide_input=True, confirmation_prompt=confirm, err=True))


def read_code(people: People, name: str, code: str | None) -> str | None:
    """The one-time code given, else from MEDCAIRN_CODE, else asked for; None where none is set up."""
    if code is not None or CODE_VARIABLE in os.environ:
        return code or os.environ[CODE_VARIABLE]
    if not people.asks_code(name) or not sys.stdin.isatty():
        return None
    return str(typer.prompt(f"One-time code of {name}", hide_input=True, err=True))


def checked_roles(words: list[str]) -> list[Role]:
    """The roles of these names. Raises :class:`~medcairn.core.errors.UsageError`."""
    from medcairn.access import Role
    from medcairn.core.errors import UsageError

    if not set(words) <= set(Role):
        raise UsageError("There is no such role", hint="Roles: " + ", ".join(Role))
    return [Role(word) for word in words]


def _from_file(path: Path) -> str:
    """The file's first and only line, without its line end."""
    from medcairn.core.errors import UsageError

    text: str | None = None
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    if text is None:
        raise UsageError("The password file cannot be read", file=path)
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password or len(text) > _MOST_BYTES:
        raise UsageError("A password file holds the password on one line and nothing else", file=path)
    return password


__all__ = [
    "CODE_VARIABLE",
    "PASSWORD_VARIABLE",
    "Acting",
    "By",
    "Code",
    "Name",
    "PasswordFile",
    "Roles",
    "acting",
    "checked_roles",
    "read_code",
    "read_password",
]
