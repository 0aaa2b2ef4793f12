"""A tracker that writes to MLflow."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.tracking.client import open_client, store_call
from medcairn.tracking.protocol import Loggable, Run, logged_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT_TAG = "mlflow.parentRunId"
_KEY_TAG = "medcairn.run_key"
_COMPLETE_TAG = "medcairn.complete"
_PAGE = 1000


class _MlflowRun:
    """One open MLflow run."""

    def __init__(self, client: MlflowClient, run_id: Label, key: Label) -> None:
        self._client = client
        self._id = run_id
        self.key = key

    @property
    def id(self) -> Label:
        return self._id

    def log_params(self, params: Mapping[str, Loggable]) -> None:
        from mlflow.entities import Param

        rows = [Param(Label(name), logged_text(value)) for name, value in params.items()]
        store_call("log-params", self._client.log_batch, self._id, params=rows)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(Label(name), float(value), now, step) for name, value in metrics.items()]
        store_call("log-metrics", self._client.log_batch, self._id, metrics=rows)

    def log_artifact(self, data: bytes, name: str) -> None:
        place = PurePosixPath(Label(name))
        if place.is_absolute() or ".." in place.parts:
            raise ValueError("an artifact's name is a relative path without ..")
        folder = None if place.parent == PurePosixPath(".") else place.parent.as_posix()
        with storage_errors(), tempfile.TemporaryDirectory(prefix="medcairn-") as staging:
            file = Path(staging) / place.name
            file.write_bytes(data)
            store_call("log-artifact", self._client.log_artifact, self._id, str(file), folder)

    def set_tags(self, tags: Mapping[str, Loggable]) -> None:
        from mlflow.entities import RunTag

        rows = [RunTag(Label(name), logged_text(value)) for name, value in tags.items()]
        store_call("set-tags", self._client.log_batch, self._id, tags=rows)


Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended, in MLflow's words."""


@dataclass(frozen=True)
class PastRun:
    """A run that happened already: what :meth:`MlflowTracker.record_run` writes down."""

    name: Label
    started: datetime
    ended: datetime
    status: Status
    params: Mapping[str, Loggable] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, Loggable] = field(default_factory=dict)


class MlflowTracker:
    """Runs in one MLflow experiment. Made by :func:`open_tracker`."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id

    @contextmanager
    def start_run(self, name: str, parent: Run | None = None) -> Iterator[Run]:
        """A run called ``name``; without a parent, runs of that name that were cut off are closed first."""
        key = parent.key if isinstance(parent, _MlflowRun) else Label(name)
        if parent is None:
            self.close_cut_off_runs(name)
        tags = {_KEY_TAG: str(key)} | ({_PARENT_TAG: str(parent.id)} if parent is not None else {})
        created = store_call(
            "start-run", self._client.create_run, self._experiment_id, tags=tags, run_name=Label(name)
        )
        run = _MlflowRun(self._client, Label(created.info.run_id), key)
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            store_call("end-run", self._client.set_terminated, run.id, status)

    def record_run(self, past: PastRun, parent: Label | None = None) -> Label:
        """Write down a run that happened already, nested under the run ``parent`` when given; its id.

        Raises :class:`~medcairn.core.errors.ExternalError` when the store refuses.
        """
        from mlflow.entities import Metric, Param, RunTag

        begun, ended = _millis(past.started), _millis(past.ended)
        tags = {name: logged_text(value) for name, value in past.tags.items()}
        tags |= {_PARENT_TAG: str(parent)} if parent is not None else {}
        created = store_call(
            "start-run",
            self._client.create_run,
            self._experiment_id,
            start_time=begun,
            tags=tags,
            run_name=past.name,
        )
        run_id = Label(created.info.run_id)
        store_call(
            "log-run",
            self._client.log_batch,
            run_id,
            [Metric(Label(name), value, ended, 0) for name, value in past.metrics.items()],
            [Param(Label(name), logged_text(value)) for name, value in past.params.items()],
            [RunTag(_COMPLETE_TAG, "true")],
        )
        store_call("end-run", self._client.set_terminated, run_id, past.status, ended)
        return run_id

    def recorded_runs(self, tags: Mapping[str, Loggable]) -> dict[Label, dict[str, str]]:
        """The tags of each run that :meth:`record_run` wrote whole and that has ``tags``, by its id."""
        wanted = {_COMPLETE_TAG: Label("true"), **tags}
        found = store_call(
            "search-runs",
            self._client.search_runs,
            [self._experiment_id],
            " and ".join(f"tags.\"{name}\" = '{logged_text(value)}'" for name, value in wanted.items()),
            max_results=_PAGE,
        )
        return {Label(run.info.run_id): dict(run.data.tags) for run in found}

    def nest(self, run_id: Label, parent: Label) -> None:
        """Show the run ``run_id`` under ``parent``."""
        store_call("nest-run", self._client.set_tag, run_id, _PARENT_TAG, parent)

    def close_cut_off_runs(self, name: str) -> int:
        """Mark as KILLED the runs called ``name``, and those under them, that still say RUNNING.

        A process that was killed cannot end its MLflow run. A study is worked on by one process at a time,
        so what is still running when the next one begins was cut off. Returns how many were closed.
        """
        found = store_call(
            "search-runs",
            self._client.search_runs,
            [self._experiment_id],
            f"attributes.status = 'RUNNING' and tags.\"{_KEY_TAG}\" = '{Label(name)}'",
            max_results=_PAGE,
        )
        for run in found:
            store_call("end-run", self._client.set_terminated, run.info.run_id, "KILLED")
        return len(found)


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def open_tracker(tracking_uri: str, artifact_root: Path, experiment: str) -> MlflowTracker:
    """A tracker that writes to the MLflow store at ``tracking_uri`` (``sqlite:///…/mlflow.db``).

    Artifacts of a new experiment go below ``artifact_root``. ``experiment`` is made when it is absent, and
    brought back when it was deleted.

    Raises :class:`~medcairn.core.errors.UsageError` when MLflow is not installed,
    :class:`~medcairn.core.errors.ExternalError` when the store cannot be used.
    """
    client = open_client(tracking_uri)
    return MlflowTracker(client, store_call("open", _experiment, client, artifact_root, experiment))


def _experiment(client: MlflowClient, artifact_root: Path, name: str) -> str:
    found = client.get_experiment_by_name(Label(name))
    if found is None:
        location = (artifact_root.resolve() / name).as_uri()
        return str(client.create_experiment(Label(name), artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


__all__ = ["MlflowTracker", "PastRun", "Status", "open_tracker"]
