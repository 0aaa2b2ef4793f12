"""``medcairn phi check``: looks for PHI in files and texts, as the guard in front of MLflow does."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, print_json, say

if TYPE_CHECKING:
    from medcairn.core.canonical import JSON
    from medcairn.phi import PhiDetector, PhiFinding
    from medcairn.phi.artifacts import ArtifactRefused

KEY_VARIABLE = "MEDCAIRN_PHI_KEY"
FOUND = 4


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(help="Look for PHI in what is about to be logged or shared.", no_args_is_help=True)
    group.command("check")(check)
    group.callback()(_group)
    app.add_typer(group, name="phi")


def _group() -> None:
    """Keeps ``check`` a command of the group while it is the only one."""


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, or - for standard input.")],
    name: Annotated[
        str, typer.Option("--name", help="What standard input is, as the name of a file.")
    ] = "stdin.txt",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Look through pickles (never loaded) instead of refusing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Tell the class and place of identifiers, never their values. Exit code 4 when there are any.

    A file that cannot be read, or is of a kind that is not allowed, counts as found. The keyed hash is the
    same for equal values under one key: set MEDCAIRN_PHI_KEY to compare runs, otherwise the key is random.

    Example: medcairn phi check predictions.csv model.onnx
    """
    from medcairn.phi import PhiDetector

    key = os.environ.get(KEY_VARIABLE, "").encode() or os.urandom(32)
    detector = PhiDetector(key)
    results = [_checked(file, name, detector, allow_pickle=allow_pickle) for file in files]
    if as_json:
        print_json({"files": results})
    else:
        for result in results:
            _tell(result)
    if any(result["findings"] or result["refused"] for result in results):
        raise typer.Exit(FOUND)


def _checked(file: str, name: str, detector: PhiDetector, *, allow_pickle: bool) -> dict[str, JSON]:
    from medcairn.core.errors import UsageError
    from medcairn.phi.artifacts import ArtifactLimits, ArtifactRefused, scan_artifact

    path = Path(file)
    if file != "-" and not path.is_file():
        raise UsageError("There is no such file", file=path)
    opened = nullcontext(sys.stdin.buffer) if file == "-" else path.open("rb")
    shown = name if file == "-" else path.name
    findings: list[PhiFinding] = []
    refused: ArtifactRefused | None = None
    with opened as stream:
        try:
            limits = ArtifactLimits(allow_pickle=allow_pickle)
            findings = scan_artifact(shown, stream, detector, limits=limits)
        except ArtifactRefused as refusal:
            refused = refusal
    return {
        "file": file,
        "findings": [
            {"class": one.phi_class.value, "location": str(one.location), "keyed_hash": one.keyed_hash}
            for one in findings
        ],
        "refused": None if refused is None else dict(refused.recordable_fields()),
    }


def _tell(result: dict[str, JSON]) -> None:
    findings, refused = result["findings"], result["refused"]
    if isinstance(refused, dict):
        say(f"{result['file']}: refused, {refused['artifact_type']}: {refused['reason']}")
    elif not findings:
        say(f"{result['file']}: nothing found")
    elif isinstance(findings, list):
        for one in findings:
            if isinstance(one, dict):
                say(f"{result['file']}: {one['class']:<15} {one['location']}  {one['keyed_hash']}")


__all__ = ["register"]
