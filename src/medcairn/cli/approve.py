"""Signing the candidate: approve and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.people import Code, PasswordFile, read_code, read_password
from medcairn.cli.study import StudyFolder

Signer = Annotated[str, typer.Option("--as", metavar="NAME", help="Who signs; see `medcairn users list`.")]


def register(app: typer.Typer) -> None:
    """Add approve and sign."""
    app.command("approve")(approve)
    app.command("sign")(sign)


def approve(
    signer: Signer,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve the validated candidate with your e-signature; `medcairn package` needs enough of these.

    Example: medcairn approve --as ada --study diabetes
    """
    _sign(signer, "approved", study_folder, password_file, code, as_json=as_json)


def sign(
    signer: Signer,
    meaning: Annotated[
        str, typer.Option(help="authored, reviewed, approved or responsibility.")
    ] = "reviewed",
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign the validated candidate with the meaning that you give.

    Example: medcairn sign --as ada --meaning reviewed --study diabetes
    """
    _sign(signer, meaning, study_folder, password_file, code, as_json=as_json)


def _sign(
    name: str,
    meaning: str,
    study_folder: Path,
    password_file: Path | None,
    code: str | None,
    *,
    as_json: bool,
) -> None:
    from medcairn.access import Meaning
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.approval import sign_candidate
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.study import Study

    if meaning not in set(Meaning):
        raise UsageError("There is no such meaning", hint="Meanings: " + ", ".join(Meaning))
    study = Study.open(study_folder)
    password = read_password(password_file, whose=name)
    code = read_code(people_of(study), name, code)
    signature = sign_candidate(study, name, password, meaning=Meaning(meaning), code=code)
    if as_json:
        print_json({"signature": signature.as_json()})
        return
    say(f"{signature.printed_name} signed record {signature.record.short}: {signature.meaning.value}")
    say(f"A receipt of the entry lies in {study.receipts_folder}: keep a copy of it elsewhere")
    say(f"Next: medcairn package --study {study_folder}")


__all__ = ["register"]
