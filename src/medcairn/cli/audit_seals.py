"""What people keep of the trail, and the key that seals it: audit receipt, audit rotate-key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.people import By, Code, PasswordFile, acting
from medcairn.cli.study import StudyFolder


def register(commands: typer.Typer) -> None:
    """Add the commands to the audit group."""
    commands.command("receipt")(receipt)
    commands.command("rotate-key")(rotate_key)


def receipt(
    entry: Annotated[int, typer.Argument(min=0, help="The entry's number, counted from 0.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to keep it in.")] = Path(),
    study_folder: StudyFolder = Path(),
    as_json: JsonFlag = False,
) -> None:
    """Take a receipt: proof that an entry stands in the ledger, which holds without the ledger.

    Keep it where others cannot change it; `medcairn audit verify --receipts DIR` holds the ledger against it.

    Example: medcairn audit receipt 17 --out ~/receipts --study diabetes
    """
    from medcairn.core.files import storage_errors
    from medcairn.pipeline.study import Study

    with Study.open(study_folder).ledger() as ledger:
        made = ledger.receipt(entry)
    with storage_errors():
        out.mkdir(parents=True, exist_ok=True)
        path = made.write(out)
    if as_json:
        print_json({"file": str(path), "receipt": made.as_json()})
        return
    say(f"{path}: entry {entry} is sealed")


def rotate_key(
    by: By,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Replace the key that seals the ledger; the old one signs the new one and is overwritten.

    Example: medcairn audit rotate-key --by root --study diabetes
    """
    from medcairn.access import Action
    from medcairn.pipeline.study import Study

    who = acting(study_folder, by, password_file, code)
    person = who.people.permit(who.person, Action.ROTATE_KEYS, clock=who.clock)
    with Study.open(study_folder).ledger() as ledger:
        done = ledger.rotate_key(actor=f"person:{person.name}")
    new = str(done.event.record["new_public_key"])
    if as_json:
        print_json({"entry": done.index, "public_key": new})
        return
    say(f"Entry {done.index}: the ledger is sealed by the key {new} from here on")


__all__ = ["register"]
