"""The people of a study: users add, users list; and how every command gets a password."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, say
from medcairn.cli.study import StudyFolder

PASSWORD_VARIABLE = "MEDCAIRN_PASSWORD"  # noqa: S105 - the name of a variable
_MOST_BYTES = 4096


def register(app: typer.Typer) -> None:
    """Add the group users."""
    users = typer.Typer(help="The people who may act in a study and sign.", no_args_is_help=True)
    users.command("add")(add)
    users.command("list")(list_users)
    app.add_typer(users, name="users")


def add(
    name: Annotated[str, typer.Argument(help="Short name for signing in; no spaces.")],
    printed_name: Annotated[str, typer.Option(help="The full name that stands under a signature.")],
    role: Annotated[
        list[str],
        typer.Option(
            help="data_scientist, clinical_reviewer, quality_reviewer, operator, auditor or administrator; "
            "may be given more than once."
        ),
    ],
    study_folder: StudyFolder = Path(),
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the password from this file; asked for otherwise."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add a person with a password and a signing key of their own.

    The password is asked for, or read from --password-file or the variable MEDCAIRN_PASSWORD.

    Example: medcairn users add ada --printed-name "Ada Okafor" --role clinical_reviewer --study diabetes
    """
    from medcairn.access import People, Role
    from medcairn.audit import EventType
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.study import Study, acting_person

    if not set(role) <= set(Role):
        raise UsageError("There is no such role", hint="Roles: " + ", ".join(Role))
    study = Study.open(study_folder)
    people = People(study.people_file)
    password = read_password(password_file, confirm=True)
    person = people.add(name, printed_name=printed_name, roles=[Role(one) for one in role], password=password)
    with study.ledger() as ledger:
        ledger.append(EventType.PERSON_ADDED, actor=acting_person(), record=person.as_json())
    if as_json:
        print_json(person.as_json())
        return
    say(f"Added {person.name} ({person.printed_name}): {', '.join(sorted(person.roles))}")


def list_users(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """List the people of a study with their roles.

    Example: medcairn users list --study diabetes
    """
    from medcairn.access import People
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    found = People(study.people_file).list() if study.people_file.exists() else ()
    if as_json:
        print_json({"people": [person.as_json() for person in found]})
        return
    if not found:
        note("Nobody yet. Add somebody with `medcairn users add`")
    for person in found:
        say(f"{person.name:<20} {person.printed_name:<30} {', '.join(sorted(person.roles))}")


def read_password(password_file: Path | None, *, confirm: bool = False) -> str:
    """A password from ``password_file``, else from MEDCAIRN_PASSWORD, else asked for on the terminal.

    Never from the command line, which other users of the machine can see. ``confirm`` asks twice. Raises
    :class:`~medcairn.core.errors.UsageError` when there is no way to get one.
    """
    from medcairn.core.errors import UsageError

    if password_file is not None:
        return _from_file(password_file)
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to ask for the password on",
            hint="Give --password-file FILE or set MEDCAIRN_PASSWORD",
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))


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


__all__ = ["PASSWORD_VARIABLE", "read_password", "register"]
