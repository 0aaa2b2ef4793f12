"""Signing the candidate: approve and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder

Signer = Annotated[str, typer.Option("--as", metavar="NAME", help="Who signs; see `medcairn users list`.")]
PasswordFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read the password from this file; asked for otherwise.")
]


def register(app: typer.Typer) -> None:
    """Add approve and sign."""
    app.command("approve")(approve)
    app.command("sign")(sign)


def approve(
    signer: Signer,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve the validated candidate with your e-signature; `medcairn package` needs enough of these.

    Example: medcairn approve --as ada --study diabetes
    """
    _sign(signer, "approved", study_folder, password_file, as_json=as_json)


def sign(
    signer: Signer,
    meaning: Annotated[
        str, typer.Option(help="authored, reviewed, approved or responsibility.")
    ] = "reviewed",
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign the validated candidate with the meaning that you give.

    Example: medcairn sign --as ada --meaning reviewed --study diabetes
    """
    _sign(signer, meaning, study_folder, password_file, as_json=as_json)


def _sign(name: str, meaning: str, study_folder: Path, password_file: Path | None, *, as_json: bool) -> None:
    from medcairn.access import Meaning
    from medcairn.cli.people import read_password
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.approval import sign_candidate
    from medcairn.pipeline.study import Study

    if meaning not in set(Meaning):
        raise UsageError("There is no such meaning", hint="Meanings: " + ", ".join(Meaning))
    study = Study.open(study_folder)
    signature = sign_candidate(study, name, read_password(password_file), meaning=Meaning(meaning))
    if as_json:
        print_json({"signature": signature.as_json()})
        return
    say(f"{signature.printed_name} signed record {signature.record.short}: {signature.meaning.value}")
    say(f"Next: medcairn package --study {study_folder}")


__all__ = ["register"]
