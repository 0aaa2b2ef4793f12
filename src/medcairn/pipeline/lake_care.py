"""Maintenance of a study's lake: on a linked copy, which takes the sealed one's place and is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from medcairn.audit import EventType
from medcairn.core.artifacts import MANIFEST, ArtifactRef, draft_artifact, read_manifest
from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.pipeline.runner import only_run
from medcairn.pipeline.study import Study, acting_person

LAYERS = ("bronze", "silver")


class _Report(Protocol):
    def facts(self) -> Mapping[str, JSON]: ...


Report = TypeVar("Report", bound=_Report)


def on_draft_of_lake(study_dir: Path, operation: Callable[[Path], Report], what: str) -> list[Report]:
    """Run ``operation`` on the folder of each layer of the study's lake, and record ``what`` was done.

    The content of the tables is the same afterwards, and so is each artifact's identity; its seal is new.
    A failure leaves both layers as they were or done, never half done.

    Raises :class:`UsageError` when the study has no lake yet or another run is going on.
    """
    study = Study.open(study_dir)
    layers = [name for name in LAYERS if (study.root / "lake" / name / MANIFEST).is_file()]
    if not layers:
        raise UsageError("This study has no lake yet", hint="Run `medcairn lakehouse` first")
    reports = []
    with only_run(study), study.ledger() as ledger:
        run_id = study.ids.new()
        for name in layers:
            path = f"lake/{name}"
            final = study.root / path
            before = read_manifest(final)
            with draft_artifact(final, kind=before.kind, zone=before.zone, base=final) as draft:
                report = operation(draft.folder)
                draft.facts, draft.content = dict(before.facts), before.content
            after = draft.manifest
            assert after is not None  # set by draft_artifact when its block ends
            ref = ArtifactRef(Label(name), after.kind, after.zone, after.digest, after.seal, path)
            ledger.append(
                EventType.ARTIFACT_MADE,
                actor=acting_person(),
                run_id=run_id,
                stage="lakehouse",
                outputs=(ref,),
                record={"maintenance": what, "seal_before": before.seal, **report.facts()},
            )
            reports.append(report)
        ledger.checkpoint()
    return reports


__all__ = ["LAYERS", "on_draft_of_lake"]
