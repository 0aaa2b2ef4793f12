"""The place where the ledger is kept: audit checkpoint, audit migrate, audit allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.audit import PostgresAddress

OwnerVariable = Annotated[
    str | None,
    typer.Option(
        "--address-env",
        metavar="NAME",
        help="Environment variable with the owner's connection string, instead of the study's own.",
    ),
]


def register(commands: typer.Typer) -> None:
    """Add the commands to the audit group."""
    commands.command("checkpoint")(checkpoint)
    commands.command("migrate")(migrate)
    commands.command("allow")(allow)


def checkpoint(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Seal the ledger as it is now, and hand the checkpoint to the witnesses of study.yaml.

    Exit code 6 when a witness did not take it: it is sealed all the same, and the next one makes up for it.

    Example: medcairn audit checkpoint --study diabetes
    """
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    with study.ledger() as ledger:
        sealed = ledger.checkpoint()
    root_hash, witnesses = sealed.root_hash.hex(), len(study.witnesses)
    if as_json:
        print_json({"tree_size": sealed.tree_size, "root_hash": root_hash, "witnesses": witnesses})
        return
    say(f"{sealed.tree_size} entries are sealed, root {root_hash[:16]}; witnesses that took it: {witnesses}")


def migrate(
    study_folder: StudyFolder = Path(), address_env: OwnerVariable = None, as_json: JsonFlag = False
) -> None:
    """Bring the tables of a PostgreSQL ledger to this version of medcairn. Only their owner may.

    Example: medcairn audit migrate --address-env LEDGER_OWNER --study diabetes
    """
    from medcairn.audit.stores.postgres import migrate as take_steps

    address = _shared_address(study_folder, address_env)
    steps = take_steps(address)
    if as_json:
        print_json({"schema": address.schema, "steps": steps})
        return
    say(f"{address.schema}: {steps} steps taken" if steps else f"{address.schema} is up to date")


def allow(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role of the database that is there.")],
    study_folder: StudyFolder = Path(),
    read_only: Annotated[bool, typer.Option("--read-only", help="To read, and not to add.")] = False,
    address_env: OwnerVariable = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a database role read a PostgreSQL ledger and add to it; it can change nothing. Only its owner may.

    Example: medcairn audit allow diabetes_service --address-env LEDGER_OWNER --study diabetes
    """
    from medcairn.audit.stores.postgres import allow as grant

    address = _shared_address(study_folder, address_env)
    grant(address, role, write=not read_only)
    may = "read" if read_only else "read and add"
    if as_json:
        print_json({"schema": address.schema, "role": role, "may": may})
        return
    say(f"{address.schema}: {role} may {may}, and change nothing")


def _shared_address(study_folder: Path, variable: str | None) -> PostgresAddress:
    from medcairn.audit import PostgresAddress
    from medcairn.audit.study_address import postgres_address
    from medcairn.core.errors import UsageError
    from medcairn.core.ledger_settings import PostgresLedger
    from medcairn.pipeline.study import Study

    study = Study.open(study_folder)
    store = study.settings.ledger.store
    if isinstance(store, PostgresLedger) and variable is not None:
        return postgres_address(store, variable)
    address = study.ledger_address
    if not isinstance(address, PostgresAddress):
        raise UsageError("The ledger of this study is a SQLite file, which has no roles and no migrations")
    return address


__all__ = ["register"]
