"""Tracking against a real MLflow store in SQLite, read back with MLflow's own client."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from mlflow import MlflowClient

from medcairn.core.digests import digest_bytes
from medcairn.core.errors import ExternalError, StorageError
from medcairn.core.labels import Label
from medcairn.tracking import (
    MlflowTracker,
    NoTracker,
    Run,
    Tracker,
    database_uri,
    open_client,
    open_tracker,
    store_call,
)
from medcairn.tracking.protocol import Loggable, logged_text


class Colour(StrEnum):
    BLUE = "blue"


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """One folder with one database for all tests of this file."""
    folder = tmp_path_factory.mktemp("tracking")
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def uri(place: Path) -> str:
    return database_uri(place / "mlflow.db")


@pytest.fixture(scope="session")
def client(uri: str) -> MlflowClient:
    return open_client(uri)


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    """An experiment of its own for each test."""
    return str(request.node.name.split("[")[0])


@pytest.fixture
def tracker(uri: str, place: Path, experiment: str) -> Iterator[MlflowTracker]:
    yield open_tracker(uri, place / "mlartifacts", experiment)


def test_what_is_logged_is_read_back_equal(tracker: MlflowTracker, client: MlflowClient, place: Path) -> None:
    digest = digest_bytes(b"x")
    with tracker.start_run("training") as run:
        run.log_params({"seed": 7, "rate": 0.05, "early": False, "colour": Colour.BLUE, "set": Label("core")})
        run.log_metrics({"auroc": 0.7125, "brier": 1 / 3})
        run.log_metrics({"fold_auroc": 0.6}, step=0)
        run.log_metrics({"fold_auroc": 0.8}, step=1)
        run.set_tags({"medcairn.dataset_digest": digest})
        run.log_artifact(b"\x00\xff picture", "plots/roc.png")
        run.log_artifact(b"{}", "environment.json")
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {
        "seed": "7",
        "rate": "0.05",
        "early": "False",
        "colour": "blue",
        "set": "core",
    }
    assert found.data.metrics == {"auroc": 0.7125, "brier": 1 / 3, "fold_auroc": 0.8}
    history = client.get_metric_history(run.id, "fold_auroc")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.6), (1, 0.8)]
    assert found.data.tags["medcairn.dataset_digest"] == digest
    artifacts = Path(found.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(place / "mlartifacts")
    assert (artifacts / "plots/roc.png").read_bytes() == b"\x00\xff picture"
    assert (artifacts / "environment.json").read_bytes() == b"{}"


def test_nested_runs_point_to_their_parent(tracker: MlflowTracker, client: MlflowClient) -> None:
    with tracker.start_run("training") as parent, tracker.start_run("candidate", parent) as child:
        pass
    assert client.get_run(child.id).data.tags["mlflow.parentRunId"] == parent.id
    assert "mlflow.parentRunId" not in client.get_run(parent.id).data.tags


@pytest.mark.parametrize(
    ("failure", "status"), [(ValueError("x"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_run_ends_as_its_block_ended(
    failure: BaseException, status: str, tracker: MlflowTracker, client: MlflowClient
) -> None:
    with pytest.raises(type(failure)), tracker.start_run("training") as run:
        raise failure
    assert client.get_run(run.id).info.status == status


def test_runs_cut_off_by_kill_9_are_closed_by_the_next_start(
    uri: str, place: Path, experiment: str, tracker: MlflowTracker, client: MlflowClient
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from medcairn.tracking import open_tracker\n"
        "tracker = open_tracker(sys.argv[1], Path(sys.argv[2]), sys.argv[3])\n"
        "with tracker.start_run('training') as run, tracker.start_run('candidate', run):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, uri, str(place / "mlartifacts"), experiment], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    found = client.get_experiment_by_name(experiment)
    assert found is not None

    def statuses() -> list[str]:
        return sorted(run.info.status for run in client.search_runs([found.experiment_id]))

    assert statuses() == ["RUNNING", "RUNNING"]
    with tracker.start_run("something-else"):
        assert statuses() == ["RUNNING", "RUNNING", "RUNNING"], "another work's runs are left alone"
    with tracker.start_run("training"):
        assert statuses() == ["FINISHED", "KILLED", "KILLED", "RUNNING"]


@pytest.mark.parametrize("value", ["Jane Canary", Path("x"), None, b"x", ["a"]])
def test_a_value_that_may_come_from_data_is_refused(value: object, tracker: MlflowTracker) -> None:
    keepers: tuple[Tracker, ...] = (tracker, NoTracker())
    for keeper in keepers:
        with keeper.start_run("training") as run:
            _refuses(run, value)


def _refuses(run: Run, value: object) -> None:
    given: dict[str, Loggable] = {"name": value}  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        run.log_params(given)
    with pytest.raises(TypeError):
        run.set_tags(given)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "Jane Canary.png"])
def test_an_artifact_stays_in_its_run(name: str, tracker: MlflowTracker) -> None:
    with tracker.start_run("training") as run, pytest.raises(ValueError, match=r"relative path|label"):
        run.log_artifact(b"x", name)


def test_a_refusal_of_the_store_is_ours_and_drops_its_text(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    with tracker.start_run("training") as run:
        run.log_params({"seed": 1})
        with pytest.raises(ExternalError) as refused:
            run.log_params({"seed": 2})  # MLflow does not let a parameter change
    assert refused.value.fields["kind"] == "MlflowException"
    assert refused.value.__context__ is None
    assert client.get_run(run.id).data.params["seed"] == "1"


def test_a_file_that_is_no_database_is_an_external_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database " * 100)
    with pytest.raises(ExternalError) as refused:
        open_tracker(database_uri(tmp_path / "mlflow.db"), tmp_path, "study")
    assert refused.value.__context__ is None


def test_a_deleted_experiment_is_brought_back(
    uri: str, place: Path, experiment: str, tracker: MlflowTracker, client: MlflowClient
) -> None:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    client.delete_experiment(found.experiment_id)
    with open_tracker(uri, place / "mlartifacts", experiment).start_run("training") as run:
        pass
    assert client.get_run(run.id).info.experiment_id == found.experiment_id


def run_quietly(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "DO_NOT", "GIT_PYTHON"))}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


def test_without_mlflow_everything_but_opening_works() -> None:
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'mlflow': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from pathlib import Path\n"
        "from medcairn.tracking import NoTracker, open_tracker\n"
        "import medcairn.registry, medcairn.training\n"
        "with NoTracker().start_run('training') as run: run.log_params({'seed': 1})\n"
        "from medcairn.core.errors import UsageError\n"
        "try: open_tracker('sqlite:///x.db', Path('.'), 'study')\n"
        "except UsageError as error: print(error.__context__, error)\n"
    )
    done = run_quietly(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("None MLflow is not installed")
    assert "medcairn[mlflow]" in done.stdout
    assert not Path("x.db").exists()


def test_opening_a_new_store_says_nothing_and_warns_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import medcairn.tracking as t\n"
        "assert 'mlflow' not in sys.modules\n"
        "place = Path(sys.argv[1])\n"
        "tracker = t.open_tracker(t.database_uri(place / 'mlflow.db'), place / 'art', 'study')\n"
        "with tracker.start_run('training') as run: run.log_artifact(b'x', 'a/b.txt')\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert is_telemetry_disabled()\n"
    )
    done = run_quietly(code, str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_logged_text_of_each_kind() -> None:
    assert [logged_text(v) for v in (1, 0.5, True, Colour.BLUE, Label("a/b"))] == [
        "1",
        "0.5",
        "True",
        "blue",
        "a/b",
    ]


def test_a_full_disk_is_a_storage_error() -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "no space for Jane Canary")

    with pytest.raises(StorageError) as refused:
        store_call("log-artifact", full)
    assert refused.value.__context__ is None
