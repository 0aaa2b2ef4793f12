"""The versions of a study's model and their states: list, history, promote, roll-back, retire, sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say
from medcairn.cli.people import Code, PasswordFile, read_code, read_password
from medcairn.cli.study import StudyFolder

if TYPE_CHECKING:
    from medcairn.pipeline.model_registry import ModelRegistry
    from medcairn.registry import Move

commands = typer.Typer(no_args_is_help=True, help="The versions of a study's model, and their states.")

Version = Annotated[str, typer.Argument(metavar="VERSION", help="The version's number.")]
Signer = Annotated[str, typer.Option("--as", metavar="NAME", help="Who signs; see `medcairn users list`.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence. The ledger keeps it; no names of patients.")]


def register(app: typer.Typer) -> None:
    """Add the model group."""
    app.add_typer(commands, name="model")


@commands.command("list")
def list_versions(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Say which versions there are, their states, and what the next state of each waits for.

    Example: medcairn model list --study diabetes
    """
    models = _registry(study_folder)
    found = models.versions()
    if as_json:
        print_json({"model": models.name, "versions": [one.as_json() for one in found]})
        return
    say(models.name)
    for one in found:
        state = one.state.value if one.state else "not validated"
        waiting = ", ".join(check.value for check in one.waiting_for)
        say(f"  {one.version.version:>3}  {state:<12}" + (f"waits for: {waiting}" if waiting else ""))
    if not found:
        say("  no version yet: medcairn run --until train")


@commands.command()
def history(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Say which moves the ledger tells of: when, who, from which state to which, and why.

    Example: medcairn model history --study diabetes
    """
    found = _registry(study_folder).history()
    if as_json:
        print_json({"model": found.model, "transitions": [one.as_json() for one in found.transitions]})
        return
    for one in found.transitions:
        when, who = one.recorded_at[:19].replace("T", " "), one.actor.removeprefix("person:")
        for move in one.moves:
            say(f"{when}  version {move.version:>3}  {_moved(move):<24} {who:<12} {one.reason}".rstrip())


@commands.command()
def promote(
    version: Version,
    to: Annotated[str, typer.Option(help="canary or production.")],
    signer: Signer,
    reason: Reason,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a version come into canary or production, with your e-signature, if every check before it holds.

    Example: medcairn model promote 1 --to canary --as oscar --reason "Two weeks in shadow" --study diabetes
    """
    from medcairn.core.errors import UsageError
    from medcairn.core.lifecycle import LifecycleState

    if to not in set(LifecycleState):
        raise UsageError("There is no such state", hint="--to canary or --to production")
    models = _registry(study_folder)
    password, code = _credentials(models, signer, password_file, code)
    move = models.promote(version, LifecycleState(to), by=signer, password=password, reason=reason, code=code)
    _tell(models, (move,), as_json=as_json)


@commands.command("roll-back")
def roll_back(
    version: Version,
    signer: Signer,
    reason: Reason,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a canary or the version in production back into shadow; the one before it comes back.

    Example: medcairn model roll-back 2 --as oscar --reason "Alerts doubled overnight" --study diabetes
    """
    models = _registry(study_folder)
    password, code = _credentials(models, signer, password_file, code)
    moves = models.roll_back(version, by=signer, password=password, reason=reason, code=code)
    _tell(models, moves, as_json=as_json)


@commands.command()
def retire(
    version: Version,
    signer: Signer,
    reason: Reason,
    study_folder: StudyFolder = Path(),
    password_file: PasswordFile = None,
    code: Code = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a version out of use for good; it is not served any more.

    Example: medcairn model retire 1 --as bea --reason "Replaced by version 2" --study diabetes
    """
    models = _registry(study_folder)
    password, code = _credentials(models, signer, password_file, code)
    move = models.retire(version, by=signer, password=password, reason=reason, code=code)
    _tell(models, (move,), as_json=as_json)


@commands.command()
def sync(study_folder: StudyFolder = Path(), as_json: JsonFlag = False) -> None:
    """Let MLflow's registry show what the ledger says, where it was out of reach when a model moved.

    Example: medcairn model sync --study diabetes
    """
    shown = _registry(study_folder).sync()
    if as_json:
        print_json({"versions": shown})
        return
    say(f"MLflow's registry shows the states of {shown} versions")


def _registry(study_folder: Path) -> ModelRegistry:
    from medcairn.pipeline.model_registry import ModelRegistry

    return ModelRegistry(study_folder)


def _credentials(
    models: ModelRegistry, name: str, password_file: Path | None, code: str | None
) -> tuple[str, str | None]:
    from medcairn.pipeline.people import people_of

    password = read_password(password_file, whose=name)
    return password, read_code(people_of(models.study), name, code)


def _moved(move: Move) -> str:
    return f"{move.previous.value if move.previous else 'new'} → {move.state.value}"


def _tell(models: ModelRegistry, moves: tuple[Move, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"model": models.name, "moves": [move.as_json() for move in moves]})
        return
    for move in moves:
        say(f"{models.name} version {move.version}: {_moved(move)}")
    say(f"A receipt of the entry lies in {models.study.receipts_folder}: keep a copy of it elsewhere")


__all__ = ["register"]
