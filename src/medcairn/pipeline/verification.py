"""Verification of a study: the ledger, every artifact that it names, and every prediction it acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medcairn.audit import (
    EventType,
    Evidence,
    Finding,
    LedgerCheck,
    read_events,
    read_receipts,
    verify_ledger,
)
from medcairn.audit.acts import MAKERS
from medcairn.audit.events import StoredEvent
from medcairn.core.artifacts import MANIFEST, ArtifactRef, changed_parts, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_file
from medcairn.core.errors import MedcairnError, UsageError
from medcairn.pipeline.people import ABOUT_PEOPLE, signing_keys
from medcairn.pipeline.study_ledger import WitnessAnswer, ask, ledger_of
from medcairn.serving import prediction_digests


@dataclass(frozen=True)
class StudyCheck:
    """What was checked, and what was found: an empty ``findings`` means no change was seen.

    ``witnesses`` are those of ``study.yaml``: with what they hold, or why they could not be asked.
    """

    ledger: LedgerCheck
    artifacts: int
    predictions: int
    findings: tuple[Finding, ...]
    witnesses: tuple[WitnessAnswer, ...] = ()

    def as_json(self) -> dict[str, JSON]:
        return {
            "tree_size": self.ledger.tree_size,
            "root_hash": self.ledger.root_hash.hex(),
            "checkpoints": self.ledger.checkpoints,
            "artifacts": self.artifacts,
            "predictions": self.predictions,
            "witnesses": [answer.as_json() for answer in self.witnesses],
            "findings": [finding.as_json() for finding in self.findings],
        }


def verify_study(
    root: Path,
    *,
    public_key: bytes | None = None,
    since: str | None = None,
    receipts: Path | None = None,
) -> StudyCheck:
    """Check everything in the study folder ``root`` that the ledger speaks of.

    ``public_key`` is the ledger's first seal key, ``since`` a signed checkpoint and ``receipts`` a folder of
    receipts, as the reader kept them elsewhere. Artifacts are the latest of each path: an earlier one was
    replaced by a run that recorded it. Signatures must be by keys that the ledger tells of. The witnesses of
    ``study.yaml`` are asked what they hold; one that is away is no finding, and is told.

    Raises :class:`UsageError` when there is no such folder of receipts.
    """
    address, witnesses = ledger_of(root)
    answers = ask(witnesses)  # first: what they hold was in the ledger before
    events: list[StoredEvent] = []
    keys: Mapping[str, Sequence[str]] | None = None
    with suppress(MedcairnError):  # the ledger's own check says so
        wanted = (*MAKERS, EventType.PREDICTION_MADE, *ABOUT_PEOPLE)
        events = list(read_events(address, *wanted))
        keys = signing_keys(events)
    if receipts is not None and not receipts.is_dir():
        raise UsageError("There is no such folder of receipts", folder=receipts)
    evidence = Evidence(
        public_key=public_key,
        since=since,
        receipts=tuple(read_receipts(receipts)) if receipts is not None else (),
        witnesses=[answer.attestation for answer in answers if answer.attestation is not None],
        people=keys,
        artifacts=partial(_check_artifact, root),
    )
    ledger = verify_ledger(address, evidence=evidence)
    findings = list(ledger.findings)
    made_artifacts = (stored for stored in events if stored.event.type in MAKERS)
    latest = {ref.path for stored in made_artifacts for ref in stored.event.outputs}
    made = [stored for stored in events if stored.event.type is EventType.PREDICTION_MADE]
    findings += _check_predictions(root / "phi" / "predictions.db", made)
    return StudyCheck(ledger, len(latest), len(made), tuple(findings), answers)


def public_key_from_hex(text: str) -> bytes:
    """The 32 bytes of a public key. Raises :class:`UsageError`."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise UsageError("--public-key must be 64 hex digits")
    return key


def _check_artifact(root: Path, ref: ArtifactRef) -> Iterator[tuple[str, str]]:
    """(what, where) for everything that is not as it was recorded."""
    folder = root / ref.path
    if not (folder / MANIFEST).is_file():
        yield "An artifact is missing", ref.path
        return
    if digest_file(folder / MANIFEST) != ref.seal:
        yield "An artifact's manifest is not the one recorded", f"{ref.path}/{MANIFEST}"
        return
    for path, what in changed_parts(folder, read_manifest(folder)):
        yield f"A file of an artifact is {what}", f"{ref.path}/{path}"


def _check_predictions(path: Path, made: list[StoredEvent]) -> Iterator[Finding]:
    if not made and not path.exists():
        return
    try:
        kept = dict(prediction_digests(path))
    except MedcairnError as failure:
        yield Finding(failure.message, "phi/predictions.db")
        return
    for stored in made:
        # A record without an event is no finding: it is written first, so a crash in between leaves one,
        # and its prediction was never given out.
        identifier = str(stored.event.record["prediction_id"])
        if kept.get(identifier) != stored.event.record["record_digest"]:
            what = "is missing" if identifier not in kept else "was changed"
            yield Finding(f"A prediction's record {what}", f"prediction {identifier}, entry {stored.index}")


__all__ = ["StudyCheck", "public_key_from_hex", "verify_study"]
