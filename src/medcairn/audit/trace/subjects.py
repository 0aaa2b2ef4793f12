"""From a subject's pseudonym to everything that was made with that subject's data.

The ledger knows no subjects, so the tables themselves are asked: every de-identified artifact that still
lies where the ledger says, with the seal that it recorded. What was replaced since cannot be asked, and is
named. A table that holds no row of the subject ends the way forward there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medcairn.audit.events import StoredEvent
from medcairn.audit.trace.index import follow
from medcairn.audit.trace.rows import Features, about, feature_rows, same_features
from medcairn.audit.trace.trail import Direction, Trail
from medcairn.core.artifacts import MANIFEST, ArtifactRef, Zone, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_file
from medcairn.core.errors import UsageError


@dataclass(frozen=True)
class Holding:
    """What an artifact holds of the subject: rows (or lines) by table, and of a table with splits by split.

    Counts are over all files of a table, which may keep superseded rows; a table without any has 0.
    ``rows`` is None when the artifact was replaced since and cannot be asked.
    """

    artifact: ArtifactRef
    rows: Mapping[str, int] | None
    splits: Mapping[str, int]

    @property
    def holds(self) -> bool:
        return self.rows is not None and any(self.rows.values())

    @property
    def lacks(self) -> bool:
        """Whether it has tables, and none of them holds the subject."""
        return self.rows is not None and bool(self.rows) and not self.holds

    def as_json(self) -> dict[str, JSON]:
        rows = None if self.rows is None else {table: count for table, count in self.rows.items() if count}
        return {"artifact": self.artifact.as_json(), "rows": rows, "splits": dict(self.splits)}


@dataclass(frozen=True)
class SubjectTrail:
    """A subject's trail, what each artifact holds of the subject, and predictions from the same features.

    ``predictions`` are ids of predictions whose features are exactly those of one of the subject's rows:
    evidence for a prediction about this subject, as the service does not record for whom it is asked.
    """

    trail: Trail
    holdings: tuple[Holding, ...]
    predictions: tuple[str, ...]

    def as_json(self) -> dict[str, JSON]:
        return {
            **self.trail.as_json(),
            "holdings": [holding.as_json() for holding in self.holdings],
            "predictions_from_the_same_features": list(self.predictions),
        }


def follow_subject(
    root: Path,
    events: Callable[[], Iterable[StoredEvent]],
    pseudonym: str,
    *,
    direction: Direction = Direction.BOTH,
    every: bool = False,
    predictions: Callable[[], Iterable[tuple[str, Features]]] = tuple,
) -> SubjectTrail:
    """The trail of the subject ``pseudonym`` in the study at ``root``, from the first artifact that holds it.

    ``events`` and ``predictions`` (id and features of each) are called when they are to be read.
    Raises :class:`UsageError` when no artifact that can be asked holds the subject.
    """
    latest: dict[str, ArtifactRef] = {}
    for stored in events():
        latest.update((ref.path, ref) for ref in stored.event.outputs)
    asked = [_holding(root, ref, pseudonym) for ref in latest.values() if ref.zone is Zone.DEIDENTIFIED]
    held = [holding.artifact for holding in asked if holding.holds]
    if not held:
        raise UsageError(
            "Nothing in the ledger has this id, and no table of the study has such a subject",
            hint="`medcairn audit show` lists the events with their ids",
        )
    without = frozenset(str(holding.artifact.digest) for holding in asked if holding.lacks)
    trail = follow(events(), held[0].digest, direction=direction, every=every, without=without)
    rows = [row for ref in held for row in feature_rows(root / ref.path, pseudonym)]
    return SubjectTrail(
        replace(trail, identifier=pseudonym),
        tuple(holding for holding in asked if holding.holds or holding.rows is None),
        tuple(same_features(rows, predictions())) if rows else (),
    )


def _holding(root: Path, ref: ArtifactRef, pseudonym: str) -> Holding:
    manifest = root / ref.path / MANIFEST
    if not manifest.is_file() or digest_file(manifest) != ref.seal:
        return Holding(ref, None, {})
    rows: dict[str, int] = {}
    splits: dict[str, int] = {}
    for part in read_manifest(manifest.parent).parts:
        found = about(manifest.parent / part.path, pseudonym)
        if found is not None:
            table = part.path.split("/", 1)[0].split(".", 1)[0]
            rows[table] = rows.get(table, 0) + found.rows
            splits = dict(found.splits) or splits
    return Holding(ref, rows, splits)


__all__ = ["Holding", "SubjectTrail", "follow_subject"]
