"""``medcairn hospital``: a synthetic hospital to try everything on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

if TYPE_CHECKING:
    from medcairn.synthetic import GenerateReport
    from medcairn.synthetic.server.tokens import Jwks

_group = typer.Typer(
    name="hospital",
    help="A synthetic hospital: invented patients with known risks, and a FHIR server with Bulk Data export.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group)


@_group.command()
def generate(
    out: Annotated[Path, typer.Option("--out", help="New folder for the NDJSON files.")],
    patients: Annotated[int, typer.Option("--patients", min=1, help="How many patients.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 1,
    as_of: Annotated[
        datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day on which the data end.")
    ] = datetime(2025, 6, 30),  # noqa: DTZ001 - a calendar day
    as_json: JsonFlag = False,
) -> None:
    """Write invented patients as FHIR R4 NDJSON, with the best AUROC that a model can reach.

    The same seed gives the same bytes; more patients never change the earlier ones.

    Example: medcairn hospital generate --patients 1000 --seed 1 --out hospital
    """
    from medcairn.synthetic import write_ndjson

    with progress(quiet=as_json) as shown:
        report = write_ndjson(out, patients=patients, seed=seed, as_of=as_of.date(), progress=shown)
    if as_json:
        print_json(report.facts())
    else:
        _tell(report, out)


def _tell(report: GenerateReport, out: Path) -> None:
    say(f"{report.patients:,} patients, {report.resources:,} resources in {out}")
    for resource_type, count in report.counts.items():
        say(f"  {resource_type:<20}{count:>12,}")
    for task, best in report.best_auroc.items():
        events, outcomes = report.index_events[task], report.outcomes[task]
        known = "not known: too few patients" if best is None else f"{best:.3f}"
        say(f"{task}: {events:,} index events, {outcomes:,} with the outcome; best reachable AUROC {known}")
    say(f"Next: medcairn hospital serve {out} --open")


@_group.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of <Type>.<NNN>.ndjson files.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8740,
    client_id: Annotated[str, typer.Option("--client-id", help="Client to let in; needs --jwks.")] = "",
    jwks: Annotated[Path | None, typer.Option("--jwks", help="The client's public JWK Set.")] = None,
    open_access: Annotated[bool, typer.Option("--open", help="Let anybody export, without a token.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Serve a folder as a FHIR server with Bulk Data export, on 127.0.0.1, until stopped.

    Example: medcairn hospital serve hospital --client-id trial --jwks trial.jwks.json

    Example: medcairn hospital serve hospital --open --port 8740
    """
    import signal
    import threading

    from medcairn.core.errors import UsageError
    from medcairn.synthetic.server import HospitalServer

    if open_access == bool(client_id or jwks):
        raise UsageError("Say who may export", hint="Give --client-id with --jwks, or --open, and not both")
    clients = {} if open_access else {client_id: _read_jwks(client_id, jwks)}
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with HospitalServer(folder, clients, port=port, open_access=open_access) as server:
        if as_json:
            print_json({"base_url": server.base_url, "open": open_access})
        else:
            say(f"FHIR base URL: {server.base_url}")
            note("Serving on this machine alone; stop with Ctrl-C")
        server.wait(stopped)


def _read_jwks(client_id: str, path: Path | None) -> Jwks:
    import json

    from medcairn.core.errors import UsageError

    if path is None or not client_id:
        raise UsageError("A client needs both --client-id and --jwks")
    value: object = None
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise UsageError("The file of the JWK Set is missing or is no JSON object", file=path)
    return value
