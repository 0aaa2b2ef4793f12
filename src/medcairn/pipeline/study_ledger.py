"""The witnesses of a study's ledger, by the section ``ledger`` of its ``study.yaml``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from medcairn.audit import LedgerAddress
from medcairn.audit.seals import SignedNote
from medcairn.audit.study_address import address_in
from medcairn.audit.witness import (
    Attestation,
    FolderWitness,
    LeafHashes,
    ObjectWitness,
    TimestampWitness,
    Witness,
)
from medcairn.core.canonical import JSON
from medcairn.core.errors import (
    ExternalError,
    IntegrityError,
    MedcairnError,
    UsageError,
    raise_alone,
)
from medcairn.core.files import storage_errors
from medcairn.core.labels import Label
from medcairn.core.ledger_settings import (
    FolderWitnessSection,
    ObjectsWitnessSection,
    TimestampWitnessSection,
)
from medcairn.core.settings import SETTINGS_FILE, Settings, read_settings


class WitnessAway(ExternalError):
    """A witness could not be reached, or did not take or give what it was asked for."""

    code = "witness_away"


@dataclass(frozen=True)
class NamedWitness:
    """A witness of ``study.yaml``. ``name`` is its kind and its place in the list, from 1: ``folder-1``.

    It is opened when it is used, so that one that is away stands in nobody's way before.
    """

    name: Label
    opened: Callable[[], Witness]

    def publish(self, note: str, tree_size: int, leaf_hashes: LeafHashes) -> None:
        """Hand it a checkpoint. Raises :class:`WitnessAway`."""
        with self._reached():
            self.opened().publish(note, tree_size, leaf_hashes)

    def attestation(self) -> Attestation:
        """What it holds. Raises :class:`WitnessAway`."""
        with self._reached():
            return replace(self.opened().attestation(), place=f"witness {self.name}")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        why, hint = "", ""
        try:
            yield
        except MedcairnError as failure:
            why, hint = failure.code, failure.hint
        except OSError:
            why = "operating_system"
        if why:
            away = WitnessAway("A witness cannot be reached", hint=hint, witness=self.name, why=Label(why))
            raise_alone(away)


@dataclass(frozen=True)
class WitnessAnswer:
    """What a witness answered when it was asked what it holds; ``why`` it did not."""

    name: Label
    attestation: Attestation | None
    why: Label | None = None

    def as_json(self) -> dict[str, JSON]:
        if self.attestation is None:
            return {"witness": self.name, "compared": False, "why": self.why}
        return {
            "witness": self.name,
            "compared": True,
            "checkpoints": len(self.attestation.notes),
            "stamps": len(self.attestation.stamped),
            "latest_size": self.latest_size,
        }

    @property
    def latest_size(self) -> int:
        """The size of the largest tree of which it holds a checkpoint; 0 when it holds none."""
        sizes = [0]
        for note in self.attestation.notes if self.attestation else ():
            with suppress(IntegrityError):
                sizes.append(SignedNote.parsed(note).checkpoint.tree_size)
        return max(sizes)


def ask(witnesses: Sequence[NamedWitness]) -> tuple[WitnessAnswer, ...]:
    """What each holds; one that is away is told as such."""
    return tuple(_answer(witness) for witness in witnesses)


def _answer(witness: NamedWitness) -> WitnessAnswer:
    try:
        return WitnessAnswer(witness.name, witness.attestation())
    except WitnessAway as failure:
        return WitnessAnswer(witness.name, None, Label(str(failure.fields["why"])))


def ledger_origin_of(settings: Settings) -> str:
    """The name that the study's ledger has in its checkpoints."""
    return f"medcairn/{settings.study.name}"


def witnesses_of(root: Path, settings: Settings) -> tuple[NamedWitness, ...]:
    """The witnesses that ``study.yaml`` names, in its order. None of them is asked anything yet."""
    origin = ledger_origin_of(settings)
    found = []
    for number, section in enumerate(settings.ledger.witnesses, start=1):
        found.append(NamedWitness(_name(section.kind, number), _opener(root, section, origin)))
    return tuple(found)


def ledger_of(root: Path) -> tuple[LedgerAddress, tuple[NamedWitness, ...]]:
    """Address and witnesses of the ledger of a folder.

    One without ``study.yaml`` is that of a service that runs apart from its study: a file, and no witnesses.
    """
    study = (root / SETTINGS_FILE).is_file()
    return address_in(root), witnesses_of(root, read_settings(root)) if study else ()


def stamps_of(root: Path, settings: Settings) -> dict[str, bytes]:
    """The notes and stamps that time-stamping services gave, by ``witness name/file name``."""
    found: dict[str, bytes] = {}
    for number, section in enumerate(settings.ledger.witnesses, start=1):
        if isinstance(section, TimestampWitnessSection):
            with storage_errors():
                files = sorted((root / section.folder).glob("*.note")) + sorted(
                    (root / section.folder).glob("*.tsr")
                )
                name = _name(section.kind, number)
                found |= {f"{name}/{path.name}": path.read_bytes() for path in files}
    return found


def _name(kind: str, number: int) -> Label:
    return Label(f"{kind}-{number}")


def _opener(
    root: Path,
    section: FolderWitnessSection | ObjectsWitnessSection | TimestampWitnessSection,
    origin: str,
) -> Callable[[], Witness]:
    if isinstance(section, FolderWitnessSection):
        return lambda: _folder(root / section.path, origin)
    if isinstance(section, TimestampWitnessSection):
        return lambda: TimestampWitness(section.url, root / section.folder, roots=root / section.roots_file)
    return lambda: _objects(root, section, origin)


def _folder(path: Path, origin: str) -> Witness:
    """Never made: where a disk is not mounted, its folder would grow on the disk below."""
    if not path.is_dir():
        raise UsageError("The witness's folder is not there", hint="Mount the disk, or make the folder")
    return FolderWitness(path, origin)


def _objects(root: Path, section: ObjectsWitnessSection, origin: str) -> Witness:
    from medcairn.export.sources.objects.access import StoreAccess, open_store
    from medcairn.export.sources.objects.address import parse_address

    address = parse_address(section.url)
    access = StoreAccess(
        None if section.credentials_file is None else root / section.credentials_file,
        section.endpoint,
        section.region,
        ca_file=None if section.ca_file is None else root / section.ca_file,
    )
    name = origin.rpartition("/")[2]
    return ObjectWitness(open_store(address, access, for_witness=True), f"{address.prefix}/{name}")


__all__ = [
    "NamedWitness",
    "WitnessAnswer",
    "WitnessAway",
    "ask",
    "ledger_of",
    "ledger_origin_of",
    "stamps_of",
    "witnesses_of",
]
