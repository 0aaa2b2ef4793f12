"""API tokens for services: tokens issue, list, revoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, say
from medcairn.cli.people import By, Code, PasswordFile, acting
from medcairn.cli.study import StudyFolder


def register(app: typer.Typer) -> None:
    """Add the group tokens."""
    tokens = typer.Typer(help="API tokens with which services act.", no_args_is_help=True)
    tokens.command("issue")(issue)
    tokens.command("list")(list_tokens)
    tokens.command("revoke")(revoke)
    app.add_typer(tokens, name="tokens")


def issue(
    service: Annotated[str, typer.Argument(help="The service's short name; it stands in the trail.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help="predict, read_metrics, read_reports, run_pipeline, verify_ledger, trace_prediction or "
            "export_audit; may be given more than once."
        ),
    ],
    by: By,
    days: Annotated[int, typer.Option(help="How many days it is good for, at most 366.")] = 90,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a token for a service and print it, once; only a hash of it is kept.

    Example: medcairn tokens issue ward-3 --scope predict --by root --study diabetes
    """
    from medcairn.access import Scope
    from medcairn.core.errors import UsageError

    if not set(scope) <= set(Scope):
        raise UsageError("There is no such scope", hint="Scopes: " + ", ".join(Scope))
    by_whom = acting(study_folder, by, password_file, code)
    issued = by_whom.people.tokens.issue(
        service, [Scope(one) for one in scope], days=days, by=by_whom.person, clock=by_whom.clock
    )
    if as_json:
        print_json({**issued.token.as_json(), "token": issued.text})
        return
    note(f"Token {issued.token.id} for {service}, good to {issued.token.expires_at:%Y-%m-%d}; shown once:")
    say(issued.text)


def list_tokens(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """List every token that ever was, without its secret.

    Example: medcairn tokens list --study diabetes
    """
    from medcairn.access import People
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    found = People(study.people_file).tokens.list() if study.people_file.exists() else ()
    if as_json:
        print_json({"tokens": [token.as_json() for token in found]})
        return
    if not found:
        note("No tokens yet. Make one with `medcairn tokens issue`")
    for token in found:
        state = (
            f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at else f"to {token.expires_at:%Y-%m-%d}"
        )
        say(f"{token.id}  {token.service:<20} {state:<20} {', '.join(sorted(token.scopes))}")


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `medcairn tokens list` shows it.")],
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
) -> None:
    """End a token now.

    Example: medcairn tokens revoke 0a1b2c3d4e5f --by root --study diabetes
    """
    by_whom = acting(study_folder, by, password_file, code)
    by_whom.people.tokens.revoke(token_id, by=by_whom.person, clock=by_whom.clock)
    say(f"Token {token_id} is revoked")


__all__ = ["register"]
