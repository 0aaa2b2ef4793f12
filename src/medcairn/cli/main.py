"""The ``medcairn`` command: assembles the groups and turns errors into exit codes."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback

import typer

from medcairn.core.errors import ExternalError, MedcairnError
from medcairn.core.files import storage_error
from medcairn.core.labels import Label

DEBUG_VARIABLE = "MEDCAIRN_DEBUG"

app = typer.Typer(
    name="medcairn",
    help="From a FHIR server to a validated, signed, served and monitored clinical model, with one trail.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

GROUPS = (
    "demo",
    "study",
    "stages",
    "export",
    "deid",
    "view",
    "lakehouse",
    "tables",
    "features",
    "users",
    "tokens",
    "approve",
    "model",
    "report",
    "serve",
    "mlflow_server",
    "audit",
    "phi",
    "hospital",
    "doctor",
)
"""Command modules in the order in which ``--help`` lists them; each adds its commands by ``register``."""

for _group in GROUPS:
    importlib.import_module(f"medcairn.cli.{_group}").register(app)


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run with ``arguments`` and return the exit code; every failure is one clear message."""
    error: MedcairnError
    try:
        result = app(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except MedcairnError as failure:
        error = failure
    except typer.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as failure:
        translated = storage_error(failure)
        if translated is None:
            translated_kind = type(failure).__name__
            error = ExternalError("The operating system refused an operation", hint=translated_kind)
        else:
            error = translated
    except Exception as failure:
        if type(failure).__module__.startswith(("click", "typer")) and hasattr(failure, "show"):
            failure.show()
            return int(getattr(failure, "exit_code", 2))
        if os.environ.get(DEBUG_VARIABLE):
            raise
        error = _defect(failure)
    _show(error, as_json="--json" in arguments)
    return error.exit_code


def _defect(failure: Exception) -> MedcairnError:
    """An error that nobody expected: its kind and its place in our code. Its text may quote data."""
    frames = traceback.extract_tb(failure.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}medcairn{os.sep}" in frame.filename] or frames
    place = f"{ours[-1].filename.rpartition(f'{os.sep}medcairn{os.sep}')[2]}:{ours[-1].lineno}"
    return MedcairnError(
        "This is a defect of medcairn",
        hint=f"Please report it. {DEBUG_VARIABLE}=1 shows all of it, which may quote data",
        kind=Label(type(failure).__name__),
        place=Label(place),
    )


def _show(error: MedcairnError, *, as_json: bool) -> None:
    if as_json:
        fields = {name: str(value) for name, value in error.fields.items()}
        document = {
            "error": {"code": error.code, "message": error.message, "hint": error.hint, "fields": fields}
        }
        typer.echo(json.dumps(document), err=True)
    else:
        typer.echo(f"medcairn: {error}", err=True)


def _interrupted() -> int:
    typer.echo("medcairn: stopped. What was finished is kept; run the same command again to go on", err=True)
    return 130


if __name__ == "__main__":
    main()
