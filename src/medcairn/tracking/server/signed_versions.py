"""What may not change without an e-signature: signed versions, protected aliases, stages.

What is signed is read from the ledger: a version is from the ``model.transitioned`` event on that
approves it, because nothing is approved there without an e-signature. This server never signs and never moves
a model; it refuses what the ledger does not show.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from medcairn.access import Action
from medcairn.audit import EventType, StoredEvent
from medcairn.core.canonical import JSON
from medcairn.tracking.server.departments import Asked
from medcairn.tracking.server.identity import Caller
from medcairn.tracking.server.refusals import Check, RequestRefused
from medcairn.tracking.server.routes import Body, Route

STATE_TAG = "medcairn.state"
"""The tag by which the registry shows the state of a version."""

_BEFORE_APPROVAL = frozenset({"candidate", "validated"})
_STAGES = {"production": "production", "staging": "approved", "archived": "retired", "none": ""}
_EDITS = (
    "model-versions/update",
    "model-versions/set-tag",
    "model-versions/delete-tag",
    "model-versions/delete",
)
_MODEL_EDITS = ("registered-models/rename", "registered-models/delete")


class SignedVersions(Protocol):
    """What the ledger knows about versions of registered models."""

    def state(self, model: str, version: str) -> str | None:
        """The present lifecycle state of a signed version; None for one that was never signed."""
        ...

    def signed(self, model: str) -> Mapping[str, str]:
        """Every version of a model that a signature was ever given for, with its present state."""
        ...

    def all_signed(self) -> Iterable[tuple[str, str]]:
        """Model and version of everything that a signature was ever given for."""
        ...


class ModelFiles(Protocol):
    """Where MLflow keeps the files of a model version."""

    def folder(self, model: str, version: str) -> str | None:
        """The path below the root of all artifacts; None when there is no such version."""
        ...


class LedgerVersions:
    """Reads ``model.transitioned`` events; ``events`` gives those of the kinds asked for, in order, each time
    anew.

    A study counts every model that it trained, MLflow's registry those that were registered: the step that
    registers one records its number there, and that is the number which requests name.
    """

    def __init__(self, events: Callable[..., Iterable[StoredEvent]]) -> None:
        self._events = events

    def state(self, model: str, version: str) -> str | None:
        return self.signed(model).get(version)

    def signed(self, model: str) -> Mapping[str, str]:
        return {version: state for (name, version), state in self._states().items() if name == model}

    def all_signed(self) -> Iterable[tuple[str, str]]:
        return self._states()

    def _states(self) -> dict[tuple[str, str], str]:
        states: dict[tuple[str, str], str] = {}
        signed: set[tuple[str, str]] = set()
        registered: dict[str, str] = {}
        for stored in self._events(EventType.MODEL_TRANSITIONED, EventType.STAGE_FINISHED):
            record = stored.event.record
            if stored.event.type is EventType.STAGE_FINISHED:
                if "registry_version" in record:
                    registered[str(record.get("model_version"))] = str(record["registry_version"])
                continue
            for moved in _moves(record):
                version = str(record.get("model")), str(moved.get("version"))
                states[version] = str(moved.get("state"))
                if states[version] not in _BEFORE_APPROVAL | {"retired"}:
                    signed.add(version)
        return {
            (model, registered.get(f"{model}/{number}", number)): state
            for (model, number), state in states.items()
            if (model, number) in signed
        }


class SignedVersionGuard:
    """Refuses what would change a signed version, or say of one what the ledger does not."""

    def __init__(
        self, versions: SignedVersions, files: ModelFiles, protected_aliases: Mapping[str, str]
    ) -> None:
        self._versions, self._files = versions, files
        self._aliases = {alias.lower(): state for alias, state in protected_aliases.items()}

    def check(self, caller: Caller, route: Route, asked: Asked) -> None:
        """Raises :class:`RequestRefused` (403)."""
        top = dict(asked.top())
        if route.about == "artifact" or route.body is Body.ARTIFACT:
            self._check_file(top)
            return
        path = route.template.partition("/mlflow/")[2]
        model, version = str(top.get("name", "")), str(top.get("version", ""))
        if path == "registered-models/alias":
            self._check_alias(caller, route, model, version, str(top.get("alias", "")))
        elif path == "model-versions/transition-stage":
            self._check_stage(caller, model, version, top)
        elif path in _EDITS:
            state = self._versions.state(model, version)
            if state is not None and not _says_state(path, top, state):
                raise _refused("A signed version is not changed; register a new one")
        elif path in _MODEL_EDITS and self._versions.signed(model):
            raise _refused("A model with signed versions keeps its name and its versions")

    def _check_file(self, top: Mapping[str, JSON]) -> None:
        """No file of a signed version is replaced or taken away, nor is one put beside them.

        Runs and logged models have ids of their own, so paths are compared without the experiment's.
        """
        path = str(top.get("artifact_path", ""))
        if "run_uuid" in top:
            path = f"experiment/{top['run_uuid']}/artifacts/{top.get('path', '')}"
        for model, version in self._versions.all_signed():
            folder = self._files.folder(model, version)
            if folder is not None and _overlap(path, folder):
                raise _refused("This is where the files of a signed version lie")

    def _check_alias(self, caller: Caller, route: Route, model: str, version: str, alias: str) -> None:
        state = self._aliases.get(alias.lower())
        if state is None:
            return
        if Action.PROMOTE_MODEL not in caller.actions:
            raise _refused("Only who promotes models moves a protected alias")
        signed = self._versions.signed(model)
        if route.method == "DELETE" and state in signed.values():
            raise _refused("The ledger shows a version in the state of this alias")
        if route.method != "DELETE" and signed.get(version) != state:
            raise _refused("No signature in the ledger puts this version into the state of this alias")

    def _check_stage(self, caller: Caller, model: str, version: str, top: Mapping[str, JSON]) -> None:
        stage = str(top.get("stage", "")).lower()
        if Action.PROMOTE_MODEL not in caller.actions:
            raise _refused("Only who promotes models moves a version to a stage")
        if (self._versions.state(model, version) or "") != _STAGES.get(stage, "unknown"):
            raise _refused("No signature in the ledger puts this version into this stage")
        if str(top.get("archive_existing_versions", top.get("archiveExistingVersions"))).lower() == "true":
            raise _refused("Versions are archived one by one, each by its own signature")


def _overlap(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder``, lies in it or holds it."""
    experiment, _, touched = posixpath.normpath(path.strip("/")).partition("/")
    signed_experiment, _, signed = posixpath.normpath(folder.strip("/")).partition("/")
    if not touched:
        return experiment in (".", signed_experiment)
    return f"{touched}/".startswith(f"{signed}/") or f"{signed}/".startswith(f"{touched}/")


def _moves(record: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """The version that a move is about, and those that moved in the same act."""
    beside = record.get("beside")
    others = (
        [each for each in beside if isinstance(each, Mapping)] if isinstance(beside, (list, tuple)) else []
    )
    return [record, *others]


def _says_state(path: str, top: Mapping[str, JSON], state: str) -> bool:
    """Whether a request sets the tag that shows the state, to what the ledger says."""
    return path.endswith("/set-tag") and top.get("key") == STATE_TAG and top.get("value") == state


def _refused(message: str) -> RequestRefused:
    return RequestRefused(403, Check.SIGNED_VERSION, message)


__all__ = ["STATE_TAG", "LedgerVersions", "ModelFiles", "SignedVersionGuard", "SignedVersions"]
