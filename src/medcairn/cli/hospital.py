"""``medcairn hospital``: a synthetic hospital to try everything on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, progress, say

if TYPE_CHECKING:
    from medcairn.synthetic import GenerateReport
    from medcairn.synthetic.server.clients import Jwks

_ABOUT = """A synthetic hospital: invented patients with known risks, and a FHIR server to export them from.

The server is a test server for any Bulk Data client: Bulk Data Access IG 2.0 with what 3.0 and STU4
add, SMART Backend Services, plain FHIR search, and every fault that real servers show as a switch.

Example: medcairn hospital generate --patients 1000 --out hospital

Example: medcairn hospital serve hospital --open --fault rate-limit=2 --fault retry-after=1735689600

Example: medcairn hospital serve hospital --open --fault drop-connection=1 --fault short-body=1

Example: medcairn hospital faults

What the server was asked, as JSON: curl http://127.0.0.1:8740/requests
"""

_group = typer.Typer(
    name="hospital",
    help=_ABOUT,
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
    client_id: Annotated[
        str, typer.Option("--client-id", help="Client to let in; needs a key or secret.")
    ] = "",
    jwks: Annotated[
        str,
        typer.Option("--jwks", help="The client's public JWK Set: a file, or an address on this machine."),
    ] = "",
    secret_file: Annotated[
        Path | None, typer.Option("--client-secret-file", help="File with the client's secret, instead.")
    ] = None,
    open_access: Annotated[bool, typer.Option("--open", help="Let anybody export, without a token.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="NAME or NAME=VALUE, repeated; `medcairn hospital faults` lists them."),
    ] = None,
    polls: Annotated[int, typer.Option("--polls", min=0, help="How often an export is told to wait.")] = 2,
    as_json: JsonFlag = False,
) -> None:
    """Serve a folder as a FHIR server with Bulk Data export, on 127.0.0.1, until stopped.

    A second listener on another port stands for another host. All requests so far are at /requests.

    Example: medcairn hospital serve hospital --client-id trial --jwks trial.jwks.json

    Example: medcairn hospital serve hospital --open --port 8740 --fault transient=2 --fault phases=file
    """
    import signal
    import threading

    from medcairn.core.errors import UsageError
    from medcairn.synthetic.server import HospitalServer, read_faults

    if open_access == bool(client_id or jwks or secret_file):
        raise UsageError(
            "Say who may export",
            hint="Give --client-id with --jwks or --client-secret-file, or --open, and not both",
        )
    clients, secrets = ({}, {}) if open_access else _registered(client_id, jwks, secret_file)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with HospitalServer(
        folder,
        clients,
        client_secrets=secrets,
        port=port,
        open_access=open_access,
        polls=polls,
        faults=read_faults(fault or []),
    ) as server:
        if as_json:
            print_json(
                {"base_url": server.base_url, "open": open_access, "elsewhere_url": server.elsewhere_url}
            )
        else:
            say(f"FHIR base URL: {server.base_url}")
            note("Serving on this machine alone; stop with Ctrl-C")
        server.wait(stopped)


@_group.command()
def faults(as_json: JsonFlag = False) -> None:
    """List the faults that the server can be told to have, one a line.

    Example: medcairn hospital faults
    """
    from medcairn.synthetic.server import switches

    found = switches()
    if as_json:
        print_json({"faults": [{"name": item.name, "form": item.form, "does": item.text} for item in found]})
        return
    for item in found:
        say(f"{item.name + item.form:<26}{item.text}")
    say("[=N] without a number, or =always, never passes. Numbers may end in K, M or G.")


def _registered(
    client_id: str, jwks: str, secret_file: Path | None
) -> tuple[dict[str, Jwks | str], dict[str, str]]:
    """The one client, by its keys or by its secret."""
    from medcairn.core.errors import UsageError

    if not client_id or bool(jwks) == bool(secret_file):
        raise UsageError("A client needs --client-id, and either --jwks or --client-secret-file")
    if secret_file is not None:
        return {}, {client_id: _read(secret_file).decode("utf-8", errors="replace").strip()}
    is_address = jwks.startswith(("http://", "https://"))
    return {client_id: jwks if is_address else _read_jwks(Path(jwks))}, {}


def _read_jwks(path: Path) -> Jwks:
    import json

    from medcairn.core.errors import UsageError

    value: object = None
    try:
        value = json.loads(_read(path))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError("The file of the JWK Set is no JSON object", file=path)
    return value


def _read(path: Path) -> bytes:
    from medcairn.core.errors import UsageError

    content: bytes | None = None
    try:
        content = path.read_bytes()
    except OSError:
        content = None
    if content is None:
        raise UsageError("A file of the client cannot be read", file=path)
    return content


__all__ = ["register"]
