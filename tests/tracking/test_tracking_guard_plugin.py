"""How the guard comes into MLflow: not at all when it is off, and never half."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.core.errors import UsageError
from medcairn.tracking.guard import GuardMode, guard_mode
from medcairn.tracking.guard.methods import is_searched, method_lists
from medcairn.tracking.guard.stores import public_methods
from tracking.guarded_process import environment, install_plugin, python


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


_ABOUT = """
import sys, json
import mlflow
from mlflow.tracking.registry import StoreRegistry
from mlflow.tracing import provider
from mlflow.store.artifact import artifact_repository_registry as artifacts
from mlflow.tracking._tracking_service import utils
hooks = [StoreRegistry.get_store_builder, provider._get_span_processors,
         artifacts.ArtifactRepositoryRegistry.get_artifact_repository]
def names(registry):
    return {scheme: f"{made.__module__}.{made.__qualname__}" for scheme, made in registry.items()
            if scheme != "medcairn-phi-guard"}
print(json.dumps({
    "replaced": [hook.__module__ for hook in hooks if hasattr(hook, "__medcairn_phi_guard__")],
    "stores": names(utils._tracking_store_registry._registry),
    "artifacts": names(artifacts._artifact_repository_registry._registry),
    "scheme": utils._get_tracking_scheme("http://127.0.0.1:1"),
    "modules": sorted(name for name in sys.modules if name.startswith("medcairn")),
}))
"""


def test_an_installed_plugin_that_is_off_changes_nothing(plugin: Path) -> None:
    without, with_it = (python(_ABOUT, env=environment(*path)) for path in ((), (plugin,)))
    before, after = json.loads(without.stdout), json.loads(with_it.stdout)
    assert after.pop("modules") == [
        *("medcairn", "medcairn.core", "medcairn.core.errors", "medcairn.core.labels", "medcairn.tracking"),
        *(f"medcairn.tracking.guard{part}" for part in ("", ".mode", ".plugin")),
    ]
    before.pop("modules")
    assert before == after
    assert after["replaced"] == []
    assert after["scheme"] == "http"
    assert with_it.stderr == without.stderr


def test_switched_on_it_stands_in_front_of_every_way_out(plugin: Path) -> None:
    done = python(_ABOUT, env=environment(plugin, MEDCAIRN_PHI_GUARD="block"))
    found = json.loads(done.stdout)
    assert len(found["replaced"]) == 3
    assert found["scheme"] == "http"


@pytest.mark.parametrize("value", ["blok", "1", "true"])
def test_a_slip_in_the_switch_closes(value: str, plugin: Path) -> None:
    done = python("import mlflow", env=environment(plugin, MEDCAIRN_PHI_GUARD=value))
    assert done.returncode == 1
    assert "Set it to block, warn or off (variable" in done.stderr or "block, warn or off" in done.stderr


def test_without_its_detectors_mlflow_is_not_imported(plugin: Path) -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("medcairn.phi"): raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import mlflow
"""
    done = python(code, env=environment(plugin, MEDCAIRN_PHI_GUARD="warn"))
    assert done.returncode == 1
    assert "The PHI guard cannot be installed in this MLflow" in done.stderr


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (None, GuardMode.OFF),
        ("", GuardMode.OFF),
        ("off", GuardMode.OFF),
        (" Warn ", GuardMode.WARN),
        ("BLOCK", GuardMode.BLOCK),
    ],
)
def test_the_switch(value: str | None, mode: GuardMode, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("MEDCAIRN_PHI_GUARD", raising=False)
    else:
        monkeypatch.setenv("MEDCAIRN_PHI_GUARD", value)
    assert guard_mode() is mode


def test_another_value_of_the_switch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCAIRN_PHI_GUARD", "Jane")
    with pytest.raises(UsageError) as refused:
        guard_mode()
    assert "Jane" not in str(refused.value)


def _everything(kind: type) -> set[str]:
    subclasses: list[type] = kind.__subclasses__()
    return set(public_methods(kind)).union(*(_everything(below) for below in subclasses))


def test_every_method_of_the_installed_mlflow_is_known() -> None:
    """A version of MLflow with a method that is new must be looked at before it is allowed."""
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.model_registry import abstract_store as registry
    from mlflow.store.tracking import abstract_store as tracking
    from mlflow.store.workspace import abstract_store as workspace

    kinds = (registry.AbstractStore, tracking.AbstractStore, workspace.AbstractStore, ArtifactRepository)
    ours = set().union(*(_everything(kind) for kind in kinds))
    listed = method_lists()
    assert ours - set().union(*listed.values()) == set()
    assert sum(map(len, listed.values())) == len(set().union(*listed.values())), "a method is listed twice"


def test_a_method_that_nobody_knows_is_searched() -> None:
    assert is_searched("log_everything_new")
    assert is_searched("log_batch")
    assert not is_searched("search_runs")
    assert not is_searched("delete_tag")
