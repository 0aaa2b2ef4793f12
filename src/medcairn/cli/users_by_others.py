"""What people do for each other's accounts: users prove, trained, roles, reset, revoke-key, remove."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import note, say
from medcairn.cli.people import (
    By,
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

if TYPE_CHECKING:
    from medcairn.core.labels import Label


def register(users: typer.Typer) -> None:
    """Add the commands to the group users."""
    users.command("prove")(prove)
    users.command("trained")(trained)
    users.command("roles")(roles)
    users.command("reset")(reset)
    users.command("revoke-key")(revoke_key)
    users.command("remove")(remove)


def prove(
    name: Name,
    method: Annotated[str, typer.Option(help="document_in_person, document_by_video or employer_record.")],
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """Seal that you made sure who a person is, and that the key shown is theirs: ask them what they saw.

    No document or number is kept.

    Example: medcairn users prove ada --method document_in_person --by quinn --study diabetes
    """
    from medcairn.access import ProofMethod
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    if method not in set(ProofMethod):
        raise UsageError("There is no such method", hint="Methods: " + ", ".join(ProofMethod))
    study = Study.open(study_folder)
    people = people_of(study)
    found = people.find(name)
    if found is not None:
        note(f"The signing key of {name} begins with {found.public_key[:16]}")
    people.standing.prove_identity(
        name,
        method=ProofMethod(method),
        by=by,
        password=read_password(password_file, whose=by),
        code=read_code(people, by, code),
        clock=study.clock,
    )
    say(f"Recorded: {by} made sure who {name} is")


def trained(
    name: Name,
    course: Annotated[str, typer.Argument(help="The course's short name, as the access policy has it.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="The last day on which it counts.")],
    by: By,
    completed: Annotated[
        str | None, typer.Option("--on", metavar="DATE", help="When it was completed; today if not given.")
    ] = None,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """Record that a person completed a training.

    Example: medcairn users trained ada esignature-accountability --until 2027-12-31 --by quinn
    """
    by_whom = acting(study_folder, by, password_file, code)
    training = by_whom.people.standing.record_training(
        name,
        _label(course),
        completed_on=_day(completed) if completed else by_whom.clock.now().date(),
        expires_on=_day(until),
        by=by_whom.person,
        clock=by_whom.clock,
    )
    say(f"Recorded: {name} completed {training.course}, good to {training.expires_on}")


def roles(
    name: Name,
    role: Roles,
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """Give a person exactly these roles.

    Example: medcairn users roles ada --role clinical_reviewer --role auditor --by root --study diabetes
    """
    wanted = checked_roles(role)
    by_whom = acting(study_folder, by, password_file, code)
    person = by_whom.people.administration.set_roles(name, wanted, by=by_whom.person, clock=by_whom.clock)
    say(f"{person.name}: {', '.join(sorted(person.roles))}")


def reset(
    name: Name,
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """For a forgotten password: prints a temporary one. The old signing key ends; what it signed stays valid.

    Example: medcairn users reset ada --by root --study diabetes
    """
    by_whom = acting(study_folder, by, password_file, code)
    temporary = by_whom.people.administration.reset(name, by=by_whom.person, clock=by_whom.clock)
    say(f"Temporary password of {name}, shown once: {temporary}")
    say(f"Next, by {name}: medcairn users password {name} --study {study_folder}")


def revoke_key(
    name: Name,
    by: By,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From when on it may be in other hands; now if not given."),
    ] = None,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """A signing key may be in other hands: nothing signed since then verifies any more.

    Example: medcairn users revoke-key ada --by ada --since 2026-05-01T08:00:00Z --study diabetes
    """
    by_whom = acting(study_folder, by, password_file, code)
    moment = _moment(since) if since else None
    by_whom.people.administration.revoke_key(name, by=by_whom.person, since=moment, clock=by_whom.clock)
    say(f"The signing key of {name} is revoked; the next password that {name} sets makes a new one")


def remove(
    name: Name,
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """Somebody leaves. What they signed stays valid, and their name is never given again.

    Example: medcairn users remove ada --by root --study diabetes
    """
    by_whom = acting(study_folder, by, password_file, code)
    by_whom.people.administration.remove(name, by=by_whom.person, clock=by_whom.clock)
    say(f"{name} has no access any more")


def _day(text: str) -> date:
    return _moment(text).date()


def _moment(text: str) -> datetime:
    """A day or an instant (ISO 8601), UTC where it says nothing else."""
    from medcairn.core.errors import UsageError

    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    if found is None:
        raise UsageError("A day looks like 2026-05-31, a time like 2026-05-31T08:00:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _label(text: str) -> Label:
    from medcairn.core.errors import UsageError
    from medcairn.core.labels import Label

    label: Label | None = None
    with suppress(ValueError):
        label = Label(text)
    if label is None:
        raise UsageError("A course has a short name without spaces")
    return label


__all__ = ["register"]
