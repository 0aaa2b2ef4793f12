"""Looks up in MLflow's stores which experiment a run, logged model, trace or dataset belongs to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.server.handlers import _get_model_registry_store, _get_tracking_store

_NAME_SECONDS = 2.0
_MOST_KEPT = 10_000

Found = TypeVar("Found")


def _store() -> Any:
    """MLflow's tracking store; only some of its methods have types."""
    return _get_tracking_store()


def _registry() -> Any:
    return _get_model_registry_store()


def artifact_locations() -> Iterator[str]:
    """Where the artifacts of each experiment lie, deleted ones too."""
    token: str | None = None
    while True:
        page = _store().search_experiments(view_type=ViewType.ALL, max_results=1000, page_token=token)
        yield from (str(experiment.artifact_location) for experiment in page)
        token = page.token
        if not token:
            return


class MlflowResources:
    """Answers from the store that MLflow's handlers use.

    What belongs to which experiment never changes and is kept; the name of an experiment is read anew after
    two seconds, because another process may have renamed it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._belongs: dict[tuple[str, str], Sequence[str]] = {}
        self._folders: dict[tuple[str, str], str] = {}
        self._names: dict[str, tuple[float, str]] = {}

    def experiment_name(self, experiment_id: str) -> str | None:
        now = self._monotonic()
        with self._lock:
            until, name = self._names.get(experiment_id, (0.0, ""))
        if now < until:
            return name
        found = _or_none(lambda: str(_store().get_experiment(experiment_id).name))
        if found is not None:
            with self._lock:
                self._names = self._names if len(self._names) < _MOST_KEPT else {}
                self._names[experiment_id] = (now + _NAME_SECONDS, found)
        return found

    def experiments_of(self, sort: str, thing: str) -> Sequence[str] | None:
        with self._lock:
            kept = self._belongs.get((sort, thing))
        if kept is not None:
            return kept
        found = _or_none(lambda: _LOOKUPS[sort](thing))
        if found is not None and sort != "dataset":  # which can be added to experiments
            with self._lock:
                self._belongs = self._belongs if len(self._belongs) < _MOST_KEPT else {}
                self._belongs[(sort, thing)] = found
        return found

    def folder(self, model: str, version: str) -> str | None:
        """Where the files of a model version lie, below the root of all artifacts."""
        place = self._folders.get((model, version))
        if place is None:
            uri = _or_none(lambda: str(_registry().get_model_version_download_uri(model, version)))
            if uri is None:
                return None
            place = urlsplit(uri).path.lstrip("/")
            with self._lock:
                self._folders[(model, version)] = place
        return place


def _or_none(look: Callable[[], Found]) -> Found | None:
    try:
        return look()
    except MlflowException:
        return None


_LOOKUPS: dict[str, Callable[[str], Sequence[str]]] = {
    "run": lambda thing: [str(_store().get_run(thing).info.experiment_id)],
    "logged_model": lambda thing: [str(_store().get_logged_model(thing).experiment_id)],
    "trace": lambda thing: [str(_store().get_trace_info(thing).experiment_id)],
    "dataset": lambda thing: list(_store().get_dataset_experiment_ids(thing)),
}

__all__ = ["MlflowResources", "artifact_locations"]
