"""The people of a study: users add, invite, list, show, password, second-factor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli import users_by_others
from medcairn.cli.output import JsonFlag, note, print_json, say
from medcairn.cli.people import (
    Code,
    Name,
    PasswordFile,
    Roles,
    acting,
    checked_roles,
    read_code,
    read_password,
)
from medcairn.cli.study import StudyFolder

NEW_PASSWORD_VARIABLE = "MEDCAIRN_NEW_PASSWORD"  # noqa: S105 - the name of a variable

PrintedName = Annotated[str, typer.Option(help="The full name that stands under a signature.")]
MaybeBy = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="The administrator who adds, where the policy asks."),
]


def register(app: typer.Typer) -> None:
    """Add the group users."""
    users = typer.Typer(help="The people who may act in a study and sign.", no_args_is_help=True)
    users.command("add")(add)
    users.command("invite")(invite)
    users.command("list")(list_users)
    users.command("show")(show)
    users.command("password")(password)
    users.command("second-factor")(second_factor)
    users_by_others.register(users)
    app.add_typer(users, name="users")


def add(
    name: Name,
    printed_name: PrintedName,
    role: Roles,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Add a person who sits here, with a password and a signing key of their own.

    The password is asked for, or read from --password-file or the variable MEDCAIRN_PASSWORD.

    Example: medcairn users add ada --printed-name "Ada Okafor" --role clinical_reviewer --study diabetes
    """
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    wanted = checked_roles(role)
    study = Study.open(study_folder)
    people = people_of(study)
    chosen = read_password(password_file, confirm=True)
    person = people.add(name, printed_name=printed_name, roles=wanted, password=chosen, clock=study.clock)
    if as_json:
        print_json(person.as_json())
        return
    say(f"Added {person.name} ({person.printed_name}): {', '.join(sorted(person.roles))}")
    say(f"Whoever vouches for {person.name} sees this signing key: {person.public_key[:16]}")


def invite(
    name: Name,
    printed_name: PrintedName,
    role: Roles,
    by: MaybeBy = None,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Add a person who is elsewhere: prints a temporary password, with which they set one of their own.

    Example: medcairn users invite bea --printed-name "Bea Lind" --role operator --by root --study diabetes
    """
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    wanted = checked_roles(role)
    study = Study.open(study_folder)
    people = people_of(study)
    administrator = acting(study_folder, by, password_file, code).person if by else None
    invitation = people.invite(
        name, printed_name=printed_name, roles=wanted, by=administrator, clock=study.clock
    )
    if as_json:
        print_json({**invitation.person.as_json(), "temporary_password": invitation.password})
        return
    say(f"Invited {invitation.person.name}. Temporary password, shown once: {invitation.password}")
    say(f"Next, by {name}: medcairn users password {name} --study {study_folder}")


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


def show(name: Name, study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Show what a person has: roles, keys over time, proofs of identity, trainings.

    Example: medcairn users show ada --study diabetes
    """
    from medcairn.access import People
    from medcairn.core.clock import instant
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    people = People(study.people_file)
    person = people.find(name)
    if person is None:
        raise UsageError("There is nobody of this name", hint="`medcairn users list` shows who there is")
    keys = [key for key in people.keys().keys if key.owner == person.name]
    proofs, trainings = people.standing.proofs(name), people.standing.trainings(name)
    if as_json:
        print_json(
            {
                **person.as_json(),
                "keys": [key.as_json() for key in keys],
                "identity_proofs": [one.as_json() for one in proofs],
                "trainings": [one.as_json() for one in trainings],
            }
        )
        return
    say(f"{person.name}: {person.printed_name}, {', '.join(sorted(person.roles))}")
    for key in keys:
        ended = (
            f"{key.revoked_for} {instant(key.revoked_at)}" if key.revoked_at and key.revoked_for else "good"
        )
        say(f"  key {key.public_key[:16]}  {ended}")
    for proof in proofs:
        say(f"  identity proven by {proof.endorser}, {proof.method.value}, {instant(proof.at)}")
    for one in trainings:
        say(f"  training {one.course} completed {one.completed_on}, good to {one.expires_on}")


def password(
    name: Name,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    new_password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Change your password; your signing key is encrypted anew under it.

    Without a terminal the new one comes from --new-password-file or MEDCAIRN_NEW_PASSWORD.

    Example: medcairn users password ada --study diabetes
    """
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    people = people_of(study)
    old = read_password(password_file, whose=name)
    given_code = read_code(people, name, code)
    note("Now the new password")
    new = read_password(new_password_file, confirm=True, variable=NEW_PASSWORD_VARIABLE)
    person = people.change_password(name, old, new, code=given_code, clock=study.clock)
    if as_json:
        print_json(person.as_json())
        return
    say(f"The password of {person.name} is changed")
    say(f"Whoever vouches for {person.name} sees this signing key: {person.public_key[:16]}")


def second_factor(
    name: Name,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    remove_by: Annotated[
        str | None,
        typer.Option("--remove-by", metavar="NAME", help="An administrator takes it away: device lost."),
    ] = None,
) -> None:
    """Set up one-time codes from an authenticator app, and print recovery codes for paper.

    Example: medcairn users second-factor ada --study diabetes
    """
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    if remove_by is not None:
        by_whom = acting(study_folder, remove_by, password_file, code)
        by_whom.people.second_factors.remove(name, by=by_whom.person, clock=by_whom.clock)
        say(f"{name} has no second factor now")
        return
    study = Study.open(study_folder)
    people = people_of(study)
    mine = read_password(password_file, whose=name)
    enrolment = people.second_factors.begin(name, mine, code=read_code(people, name, code), clock=study.clock)
    say("Put this into an authenticator app; it is shown once:")
    say(f"  {enrolment.secret}")
    say(f"  {enrolment.uri}")
    shown = str(typer.prompt("The code that the app shows now", err=True))
    codes = people.second_factors.confirm(name, mine, shown, clock=study.clock)
    say("Set up. Recovery codes, each good once, for when the device is lost; shown once:")
    for one in codes:
        say(f"  {one}")


__all__ = ["register"]
