"""The MLflow registry follows what the ledger says; it decides nothing.

A model version's source are the artifacts of its MLflow run. Its state is shown by a tag and an alias, so
that people who look at MLflow see it; whoever needs proof asks the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medcairn.core.digests import Digest, digest_bytes
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.core.lifecycle import LifecycleState
from medcairn.tracking import open_client, store_call

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FOLDER = "model"
_DESCRIPTION = "model.json"
_STATE_TAG = "medcairn.state"
_DESCRIPTION_TAG = "medcairn.model_description_digest"


def register_model(
    tracking_uri: str, name: str, *, model_dir: Path, run_id: str, tags: Mapping[str, str]
) -> int:
    """Make a version of the registered model ``name`` from the folder ``model_dir``, and return its number.

    The folder's files are kept under ``model/`` of the MLflow run ``run_id``. Asked again for the same run
    and the same ``model.json``, it returns the version that is there, so a step that was cut off can be
    repeated. Tags are labels, numbers in text or digests.

    Raises :class:`UsageError` when the folder holds no model or MLflow is not installed, ``ValueError`` for
    a name or tag that is no label, :class:`~medcairn.core.errors.ExternalError` when the store refuses.
    """
    description = model_dir / _DESCRIPTION
    if not description.is_file():
        raise UsageError("This folder holds no model: it has no model.json", folder=model_dir)
    digest = digest_bytes(description.read_bytes())
    checked = {str(Label(key)): str(Label(value)) for key, value in tags.items()}
    client = open_client(tracking_uri)
    known = store_call("find-version", _known_version, client, Label(name), run_id, digest)
    if known is not None:
        set_tags(tracking_uri, name, known, checked)
        return known
    files = [file for file in sorted(model_dir.iterdir()) if file.is_file()]
    tagged = checked | {_DESCRIPTION_TAG: str(digest)}
    return store_call("register", _register, client, Label(name), files, run_id, tagged)


def set_alias(tracking_uri: str, name: str, alias: str, version: int) -> None:
    """Let ``alias`` of the registered model ``name`` point to ``version``, and to no other.

    Raises :class:`~medcairn.core.errors.ExternalError` when there is no such model or version.
    """
    client = open_client(tracking_uri)
    store_call("set-alias", client.set_registered_model_alias, Label(name), Label(alias), str(version))


def set_tags(tracking_uri: str, name: str, version: int, tags: Mapping[str, str]) -> None:
    """Set tags of a model version.

    Raises ``ValueError`` for a tag that is no label, and what :func:`set_alias` raises.
    """
    client = open_client(tracking_uri)
    for key, value in tags.items():
        tag = Label(key), Label(value)
        store_call("set-tag", client.set_model_version_tag, Label(name), str(version), *tag)


def follow(tracking_uri: str, name: str, version: int, state: LifecycleState) -> None:
    """Show in the registry that ``version`` is in ``state``: one tag, and the alias of that name.

    Aliases of other states that pointed to this version are taken away, so it has one state at a time.

    Raises :class:`~medcairn.core.errors.ExternalError` when there is no such model or version.
    """
    client = open_client(tracking_uri)
    found = store_call("read-version", client.get_model_version, Label(name), str(version))
    for other in LifecycleState:
        if other is not state and other.value in found.aliases:
            store_call("drop-alias", client.delete_registered_model_alias, Label(name), other.value)
    set_tags(tracking_uri, name, version, {_STATE_TAG: state.value})
    set_alias(tracking_uri, name, state.value, version)


def _known_version(client: MlflowClient, name: Label, run_id: str, digest: Digest) -> int | None:
    """The number of the version made from this run and description, or None."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run_id and version.tags.get(_DESCRIPTION_TAG) == digest:
            return int(version.version)
    return None


def _register(
    client: MlflowClient, name: Label, files: list[Path], run_id: str, tags: Mapping[str, str]
) -> int:
    for file in files:
        client.log_artifact(run_id, str(file), _FOLDER)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    source = f"{client.get_run(run_id).info.artifact_uri}/{_FOLDER}"
    created = client.create_model_version(name, source=source, run_id=run_id, tags=dict(tags))
    return int(created.version)


__all__ = ["follow", "register_model", "set_alias", "set_tags"]
