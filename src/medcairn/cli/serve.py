"""The prediction service: serve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcairn.cli.output import JsonFlag, note, print_json, say

if TYPE_CHECKING:
    from medcairn.audit import Ledger
    from medcairn.core.artifacts import ArtifactRef
    from medcairn.core.ledger_settings import LedgerSection
    from medcairn.packaging import Package
    from medcairn.serving import ServedModel


def register(app: typer.Typer) -> None:
    """Add serve."""
    app.command("serve")(serve)


def serve(
    package_folder: Annotated[
        Path, typer.Argument(metavar="PACKAGE_DIR", help="A folder that package made.")
    ],
    study_folder: Annotated[
        Path, typer.Option("--study", help="The study whose ledger and PHI zone keep the predictions.")
    ] = Path(),
    state_folder: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Instead of a study: keep ledger and predictions here."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8750,
    as_json: JsonFlag = False,
) -> None:
    """Serve a packaged model over HTTP until stopped. Every answer is recorded before it is given.

    Example: medcairn serve diabetes/packages/diabetes_onset_1y/1 --study diabetes
    """
    # Before any numeric library is imported: threads cost more than they bring for one row at a time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from medcairn.core.clock import RandomIds, SystemClock

    def ready(base_url: str) -> None:
        if as_json:
            print_json({"base_url": base_url, "model": served.as_json()})
        else:
            say(f"Serving {served.name} version {served.version} on {base_url}")
            note(f"Try: curl {base_url}/health/ready   Stop: Ctrl-C")

    with _kept(package_folder, study_folder, state_folder) as kept:
        # Only now: these take seconds, and a package that was changed should be refused at once.
        from medcairn.pipeline.online import bundle_features
        from medcairn.serving import SealedSink, SqlitePredictionRecorder, create_app, run_server
        from medcairn.training import portable

        served = _served(kept.package)
        if host not in {"127.0.0.1", "::1", "localhost"}:
            note("The service has no sign-in of its own: let only a trusted proxy or network reach it")
        with (
            SealedSink(
                kept.ledger,
                kept.ledger.checkpoint,
                every_entries=kept.often.seal_every_entries,
                every_seconds=60 * kept.often.seal_every_minutes,
            ) as sink,
            SqlitePredictionRecorder(
                kept.predictions, sink, service=served.name, package=kept.reference
            ) as recorder,
        ):
            app = create_app(
                served,
                scorer=portable.load(kept.package.model_dir),
                recorder=recorder,
                clock=SystemClock(),
                ids=RandomIds(),
                bundle_features=bundle_features(package_folder),
            )
            run_server(app, host=host, port=port, on_ready=ready)


@dataclass(frozen=True)
class _Kept:
    """The checked package, and where its predictions go."""

    package: Package
    reference: ArtifactRef | None
    ledger: Ledger
    often: LedgerSection
    predictions: Path


@contextmanager
def _kept(package_folder: Path, study_folder: Path, state_folder: Path | None) -> Iterator[_Kept]:
    from medcairn.core.ledger_settings import LedgerSection
    from medcairn.packaging import check_signers, open_package
    from medcairn.pipeline.approval import trusted_keys
    from medcairn.pipeline.model_registry import check_servable
    from medcairn.pipeline.signing import approvals_of
    from medcairn.pipeline.study import Study

    if state_folder is not None:
        package = open_package(package_folder)
        origin, predictions = f"medcairn/{package.name}", state_folder / "phi" / "predictions.db"
        with _state_ledger(state_folder, origin=origin) as ledger:
            yield _Kept(package, None, ledger, LedgerSection(), predictions)
        return
    study = Study.open(study_folder)
    package = open_package(package_folder)
    check_signers(package, trusted_keys(approvals_of(study, package.authority.signed)))
    check_servable(study, package.version)
    reference = _reference(study.root, study.artifacts(), package)
    with study.ledger() as ledger:
        yield _Kept(package, reference, ledger, study.settings.ledger, study.predictions_file)


@contextmanager
def _state_ledger(folder: Path, *, origin: str) -> Iterator[Ledger]:
    """The ledger of a service that runs apart from its study; made at the first start."""
    from medcairn.audit import Ledger
    from medcairn.core.clock import RandomIds, SystemClock
    from medcairn.core.files import private_folder

    file, key = folder / "ledger.db", folder / "keys" / "ledger.key"
    if file.exists():
        opened = Ledger.open(file, key, clock=SystemClock(), ids=RandomIds())
    else:
        private_folder(key.parent)
        opened = Ledger.create(file, key, origin=origin, clock=SystemClock(), ids=RandomIds())
    with opened as ledger:
        yield ledger


def _reference(root: Path, artifacts: dict[str, ArtifactRef], package: Package) -> ArtifactRef | None:
    """The ledger's pointer to this package, so that a prediction can be traced through it."""
    from medcairn.core.artifacts import read_manifest
    from medcairn.core.errors import IntegrityError

    for reference in artifacts.values():
        if (root / reference.path).resolve() == package.folder.resolve():
            if read_manifest(package.folder).seal != reference.seal:
                raise IntegrityError("The package is not the one that the ledger recorded")
            return reference
    note("The study's ledger does not know this package; its predictions cannot be traced to the export")
    return None


def _served(package: Package) -> ServedModel:
    from medcairn.serving import KnownScore, ServedModel

    return ServedModel(
        name=package.name,
        version=package.version,
        digest=package.digest,
        card_json=package.card_json,
        card_page=package.card_page,
        known_scores=tuple(KnownScore(v.features, v.probability) for v in package.test_vectors),
    )


__all__ = ["register"]
