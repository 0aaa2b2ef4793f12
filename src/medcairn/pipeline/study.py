"""A study: a folder with a ``study.yaml``, its state beside it, and its ledger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medcairn.audit import EventType, Ledger, LedgerAddress, read_events
from medcairn.audit.events import StoredEvent
from medcairn.audit.study_address import LEDGER_FILE, ledger_address
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.clock import Clock, Ids, RandomIds, SystemClock
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import UsageError
from medcairn.core.files import private_folder, storage_errors, write_file
from medcairn.core.labels import Label
from medcairn.core.settings import SETTINGS_FILE, Settings, parse_settings, read_settings
from medcairn.pipeline.study_ledger import (
    NamedWitness,
    ledger_origin_of,
    witnesses_of,
)
from medcairn.registry import Gates, read_gates


@dataclass(frozen=True)
class Study:
    """Where everything of a study lies. Reads nothing until asked."""

    root: Path
    settings: Settings
    clock: Clock
    ids: Ids

    @classmethod
    def open(cls, root: Path, *, clock: Clock | None = None, ids: Ids | None = None) -> Study:
        """The study in ``root``.

        Raises :class:`~medcairn.core.errors.SettingsError` when its ``study.yaml`` cannot be used.
        """
        return cls(root, read_settings(root), clock or SystemClock(), ids or RandomIds())

    @property
    def task(self) -> str:
        """The task's name: of a file its name without the ending. Paths below the study are named for it."""
        return Path(self.settings.features.task).name.removesuffix(".yaml").removesuffix(".yml")

    def rules(self, name: str) -> str | Path:
        """A built-in set of rules by its name, or the file of the study that ``name`` points to."""
        return self.within(Path(name)) if name.endswith((".yaml", ".yml")) else name

    @property
    def ledger_address(self) -> LedgerAddress:
        """Where the ledger is kept: a file of the study, or a PostgreSQL schema.

        Raises :class:`~medcairn.core.errors.SettingsError` when the address is not where ``study.yaml`` says.
        """
        return ledger_address(self.root, self.settings)

    @property
    def ledger_file(self) -> Path:
        """The ledger's file, of a study that keeps it in one."""
        return self.root / LEDGER_FILE

    @property
    def witnesses(self) -> tuple[NamedWitness, ...]:
        """Who keeps the ledger's checkpoints elsewhere."""
        return witnesses_of(self.root, self.settings)

    @property
    def seal_key_file(self) -> Path:
        return self.root / "keys" / "ledger.key"

    @property
    def people_file(self) -> Path:
        return self.root / "people.db"

    @property
    def predictions_file(self) -> Path:
        return self.root / "phi" / "predictions.db"

    @property
    def receipts_folder(self) -> Path:
        """Receipts of signed entries; of use once a copy lies elsewhere."""
        return self.root / "receipts"

    @property
    def crosswalk_file(self) -> Path:
        return self.root / "phi" / "crosswalk.db"

    @property
    def key_history_file(self) -> Path:
        return self.root / "keys" / "pseudonym-keys.json"

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{(self.root / 'mlflow.db').resolve()}"

    @property
    def model_name(self) -> str:
        """The registered model's name."""
        return f"{self.settings.study.name}.{self.task}"

    def gates(self) -> Gates:
        """The gates before a model's states.

        Raises :class:`~medcairn.core.errors.SettingsError` when they cannot be used.
        """
        return read_gates(self.rules(self.settings.approval.gates))

    def within(self, path: Path) -> Path:
        """``path`` of the settings, taken relative to the study."""
        return path if path.is_absolute() else self.root / path

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, open for appending; its checkpoints go to the study's witnesses."""
        with Ledger.open(
            self.ledger_address,
            self.seal_key_file,
            clock=self.clock,
            ids=self.ids,
            witnesses=self.witnesses,
        ) as ledger:
            yield ledger

    def events(self, *types: EventType) -> list[StoredEvent]:
        """What the ledger holds, oldest first."""
        return list(read_events(self.ledger_address, *types))

    def artifacts(self) -> dict[str, ArtifactRef]:
        """The latest artifact of each name that a finished step recorded."""
        latest: dict[str, ArtifactRef] = {}
        for stored in self.events(EventType.STAGE_FINISHED):
            for ref in stored.event.outputs:
                latest[ref.name] = ref
        return latest


def init_study(
    root: Path, settings_text: str, *, clock: Clock | None = None, ids: Ids | None = None
) -> Study:
    """Make a study in ``root``: settings, keys, PHI zone, ledger.

    Raises :class:`UsageError` when the folder holds a study already, and
    :class:`~medcairn.core.errors.SettingsError` when the settings cannot be used; nothing is made then.
    """
    settings = parse_settings(settings_text)
    if (root / SETTINGS_FILE).exists():
        raise UsageError("There is a study here already", hint="Go on with `medcairn run`", folder=root)
    study = Study(root, settings, clock or SystemClock(), ids or RandomIds())
    made = not root.exists()
    try:
        _fill(study, settings_text)
    except BaseException:
        if made:
            shutil.rmtree(root, ignore_errors=True)
        raise
    return study


def _fill(study: Study, settings_text: str) -> None:
    with storage_errors():
        study.root.mkdir(parents=True, exist_ok=True)
    private_folder(study.root / "phi")
    private_folder(study.root / "keys")
    key_file = study.within(study.settings.deid.key_file)
    if not key_file.exists():
        write_file(key_file, os.urandom(32).hex().encode() + b"\n", private=True)
    _check_witnesses_are_new(study)
    ledger = Ledger.create(
        study.ledger_address,
        study.seal_key_file,
        origin=ledger_origin_of(study.settings),
        clock=study.clock,
        ids=study.ids,
        witnesses=study.witnesses,
    )
    with ledger:
        record = {"study": study.settings.study.name, "settings_digest": digest_bytes(settings_text.encode())}
        ledger.append(EventType.STUDY_CREATED, actor=acting_person(), record=record)
    # Last, because a folder with a study.yaml is a study.
    write_file(study.root / SETTINGS_FILE, settings_text.encode())


def _check_witnesses_are_new(study: Study) -> None:
    """What a witness keeps of another ledger of this name would speak against the new one for ever."""
    for witness in study.witnesses:
        if witness.attestation().notes:
            raise UsageError(
                "A witness keeps checkpoints of another ledger of this name",
                hint="Give the study another name, or the witness another place",
                witness=witness.name,
            )


def acting_person() -> str:
    """The account under which the command runs, as an actor."""
    name = os.environ.get("MEDCAIRN_ACTOR") or os.environ.get("USER") or f"uid-{os.getuid()}"
    try:
        return f"person:{Label(name)}"
    except ValueError:
        return f"person:uid-{os.getuid()}"


__all__ = ["Study", "acting_person", "init_study"]
