"""Signing: approve and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.people import Code, PasswordFile, read_code, read_password
from medcairn.cli.study import StudyFolder

Signer = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who signs; see `medcairn users list`.")
]


def register(app: typer.Typer) -> None:
    """Add approve and sign."""
    app.command("approve")(approve)
    app.command("sign")(sign)


What = Annotated[
    str,
    typer.Option(help="candidate: the validated model; protocol: how it will be validated; change-control."),
]
Show = Annotated[
    bool, typer.Option("--show", help="Print the record that would be signed, and sign nothing.")
]
_EVERYTHING = ("candidate", "protocol", "change-control")


def approve(
    signer: Signer = None,
    what: What = "candidate",
    show: Show = False,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve with your e-signature: the validated candidate, or the protocol before it is executed.

    Example: medcairn approve --as ada --study diabetes
    """
    if show:
        _show(study_folder, what)
        return
    _sign(signer, "approved", what, study_folder, password_file, code, as_json=as_json)


def sign(
    signer: Signer = None,
    meaning: Annotated[
        str, typer.Option(help="authored, reviewed, approved or responsibility.")
    ] = "reviewed",
    what: What = "candidate",
    show: Show = False,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign with the meaning that you give.

    Example: medcairn sign --as ada --meaning reviewed --what protocol --study diabetes
    """
    if show:
        _show(study_folder, what)
        return
    _sign(signer, meaning, what, study_folder, password_file, code, as_json=as_json)


def _show(study_folder: Path, what: str) -> None:
    from medcairn.core.digests import digest_json
    from medcairn.pipeline.signing_desk import record_to_sign
    from medcairn.pipeline.study import Study

    record = record_to_sign(Study.open(study_folder), _known(what)).signed
    print_json({"digest": digest_json(dict(record)), "record": record})


def _sign(
    name: str | None,
    meaning: str,
    what: str,
    study_folder: Path,
    password_file: Path | None,
    code: str | None,
    *,
    as_json: bool,
) -> None:
    from medcairn.access import Meaning
    from medcairn.core.errors import UsageError
    from medcairn.pipeline.people import people_of
    from medcairn.pipeline.signing_desk import sign as sign_it
    from medcairn.pipeline.study import Study

    if name is None:
        raise UsageError("Who signs?", hint="--as NAME; see `medcairn users list`")
    if meaning not in set(Meaning):
        raise UsageError("There is no such meaning", hint="Meanings: " + ", ".join(Meaning))
    study = Study.open(study_folder)
    password = read_password(password_file, whose=name)
    code = read_code(people_of(study), name, code)
    signature = sign_it(study, _known(what), name, password, meaning=Meaning(meaning), code=code)
    if as_json:
        print_json({"signature": signature.as_json()})
        return
    say(f"{signature.printed_name} signed record {signature.record.short}: {signature.meaning.value}")
    say(f"A receipt of the entry lies in {study.receipts_folder}: keep a copy of it elsewhere")
    say(f"Next: medcairn run --study {study_folder}")


def _known(what: str) -> str:
    from medcairn.core.errors import UsageError

    if what not in _EVERYTHING:
        raise UsageError("There is no such record to sign", hint="--what " + ", ".join(_EVERYTHING))
    return what


__all__ = ["register"]
