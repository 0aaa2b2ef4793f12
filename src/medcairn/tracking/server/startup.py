"""What must not be set when the server starts, because it would lead round the guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from medcairn.core.errors import PolicyError
from medcairn.core.labels import Label

_PROXIED = "mlflow-artifacts:"
_DATABASES = ("sqlite:", "postgresql:", "postgresql+psycopg:", "postgresql+psycopg2:")


@dataclass(frozen=True)
class _Rule:
    """One setting of MLflow's; ``holds`` is asked with its value, an absent one being empty."""

    variable: str
    holds: Callable[[str], bool]
    why: str


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("true", "1", "yes", "on")


def _is_off(value: str) -> bool:
    return not _is_on(value)


def _is_proxied(value: str) -> bool:
    return value.startswith(_PROXIED)


_RULES = (
    _Rule("_MLFLOW_SERVER_SERVE_ARTIFACTS", _is_on, "Artifacts go through the server: --serve-artifacts"),
    _Rule("_MLFLOW_SERVER_ARTIFACT_ROOT", _is_proxied, "Clients must not reach the artifact root themselves"),
    _Rule("_MLFLOW_SERVER_ARTIFACTS_ONLY", _is_off, "A server of artifacts alone keeps no runs"),
    _Rule("_MLFLOW_SERVER_FILE_STORE", lambda v: v.startswith(_DATABASES), "Stores: SQLite or PostgreSQL"),
    _Rule("_MLFLOW_SGI_NAME", lambda v: v in ("", "uvicorn"), "The guard is ASGI: no gunicorn, no waitress"),
    _Rule("_MLFLOW_SERVER_STATIC_PREFIX", lambda v: not v, "Routes are reviewed without a static prefix"),
    _Rule("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", _is_off, "Multipart uploads go straight to the store"),
    _Rule("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", _is_off, "Presigned downloads leave no event"),
    _Rule("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", lambda v: v.strip().lower() in ("false", "0"),
          "Jobs write to the store without passing the guard: set it to false"),
    _Rule("MLFLOW_ENABLE_WORKSPACES", _is_off, "Departments are by name here; workspaces change every route"),
    _Rule("MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS", _is_off, "Scorers would run code of clients"),
    _Rule("MLFLOW_ENABLE_REMOTE_ASSISTANT", _is_off, "The assistant sends what it reads to others"),
    _Rule("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", _is_off, "MLflow's checks of hosts stay on"),
    _Rule("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", lambda v: "*" not in v, "Origins are named one by one"),
    _Rule("MLFLOW_SERVER_ALLOWED_HOSTS", lambda v: "*" not in v.split(","), "Hosts are named one by one"),
)  # fmt: skip


class GuardNotWhole(PolicyError):
    """The server does not start, because something would get round the guard or through it."""

    code = "guard_not_whole"


def check_environment(environ: Mapping[str, str]) -> None:
    """Pass when no setting leads round the guard. Raises :class:`GuardNotWhole` that names the first."""
    for rule in _RULES:
        if not rule.holds(environ.get(rule.variable, "")):
            raise GuardNotWhole(rule.why, variable=Label(rule.variable))


def check_locations(locations: Iterable[str]) -> None:
    """Pass when the artifacts of every experiment lie behind the server.

    Raises :class:`GuardNotWhole` with the number of experiments whose clients would write past it.
    """
    direct = sum(1 for location in locations if not location.startswith(_PROXIED))
    if direct:
        raise GuardNotWhole(
            "Experiments of this store keep their artifacts where clients reach them past the guard",
            hint="Begin with a new store, or copy their runs into experiments with proxied artifacts",
            experiments=direct,
        )


__all__ = ["GuardNotWhole", "check_environment", "check_locations"]
