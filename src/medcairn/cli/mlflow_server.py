"""MLflow behind the PHI guard: mlflow-server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcairn.cli.output import note


def register(app: typer.Typer) -> None:
    """Add mlflow-server."""
    app.command("mlflow-server")(mlflow_server)


def mlflow_server(
    folder: Annotated[
        Path,
        typer.Option(
            "--study", help="The folder whose people sign in and whose ledger hears of it; a study's."
        ),
    ] = Path(),
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            envvar="MLFLOW_BACKEND_STORE_URI",
            help="sqlite:///FILE or postgresql://…; by default tracking.db in the folder. Passwords belong"
            " in the variable, not on the command line.",
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts", help="A folder, s3://… or wasbs://…; clients reach it through the server alone."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    allow_hosts: Annotated[
        str,
        typer.Option(
            "--allow-hosts", help="Names of this server, separated by commas; needed beyond loopback."
        ),
    ] = "",
) -> None:
    """Serve MLflow with sign-in, a PHI guard on every write route, and an audit event for every request.

    Example: medcairn mlflow-server --study diabetes --port 5000
    """
    from medcairn.tracking.server.running import ServerOptions, serve

    note(f"MLflow behind the PHI guard on http://{host}:{port}   Stop: Ctrl-C")
    hosts = tuple(name.strip() for name in allow_hosts.split(",") if name.strip())
    serve(ServerOptions(folder, backend, artifacts, host, port, workers, hosts))


__all__ = ["register"]
