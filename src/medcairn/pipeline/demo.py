"""The whole road on the synthetic hospital: what ``medcairn demo`` does, and what it can say about it."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from medcairn.access import Meaning, Role
from medcairn.audit import EventType, trace
from medcairn.audit.trace import reaches
from medcairn.core.canonical import JSON
from medcairn.core.errors import GateRefused, IntegrityError, UsageError
from medcairn.core.files import write_file
from medcairn.core.progress import Progress
from medcairn.core.settings import SETTINGS_FILE, BulkSource
from medcairn.deid import read_key
from medcairn.export import new_client_key, public_jwks
from medcairn.pipeline.actions import ACTIONS
from medcairn.pipeline.approval import approval_record
from medcairn.pipeline.best_reachable import best_on_held_out
from medcairn.pipeline.people import people_of
from medcairn.pipeline.runner import StepOutcome, run_steps
from medcairn.pipeline.serving_process import serving_process
from medcairn.pipeline.signing import approvals_of
from medcairn.pipeline.signing_desk import sign
from medcairn.pipeline.stages import STEPS, Step, step_named, steps_until
from medcairn.pipeline.study import Study, init_study
from medcairn.pipeline.traffic import TrafficReport, send_held_out
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server import HospitalServer

SEED = 20260101
AS_OF = date(2025, 6, 30)
TASK = "readmission_30d"
CLIENT_ID = "medcairn-demo"
BUNDLES = 25
"""How many held-out subjects are also sent as FHIR Bundles."""

SIGNERS = (
    ("demo-clinician", "Demo Clinician (demonstration, no real person)", Role.CLINICAL_REVIEWER),
    ("demo-quality", "Demo Quality Reviewer (demonstration, no real person)", Role.QUALITY_REVIEWER),
)

_SETTINGS = """\
# Made by `medcairn demo`: a study of the synthetic hospital. No person in it is real.
study:
  name: demo
  purpose: >-
    Demonstration on synthetic patients: risk of an unplanned readmission within 30 days of discharge.
    Not for use with patients.
  synthetic: true
source:
  kind: bulk
  base_url: {base_url}
  client_id: {client_id}
  key_file: keys/client.jwk
deid:
  as_of: {as_of}
features:
  task: {task}
split:
  held_out_fraction: 0.4
  later_fraction: 0.5
validation:
  criteria: {task}
"""


@dataclass
class DemoSummary:
    """What the demonstration saw. ``phases`` are (name, seconds) in order, over the whole command."""

    study: Path
    patients: int
    resources: int
    best_auroc: float | None = None
    best_auroc_rows: int = 0
    phases: list[tuple[str, float]] = field(default_factory=list)
    outcomes: list[StepOutcome] = field(default_factory=list)
    traffic: TrafficReport = field(default_factory=TrafficReport)
    validation: Mapping[str, JSON] = field(default_factory=dict)
    traced_prediction: str = ""
    trace_events: int = 0
    tree_size: int = 0
    findings: int = 0

    @property
    def package(self) -> Path:
        """The folder of the package that was served."""
        return self.study / Study.open(self.study).artifacts()["package"].path

    def as_json(self) -> dict[str, JSON]:
        return {
            "study": str(self.study),
            "patients": self.patients,
            "resources": self.resources,
            "best_auroc": self.best_auroc,
            "best_auroc_rows": self.best_auroc_rows,
            "phases": [{"name": name, "seconds": round(seconds, 2)} for name, seconds in self.phases],
            "steps": [outcome.as_json() for outcome in self.outcomes],
            "traffic": self.traffic.as_json(),
            "validation": self.validation,
            "traced_prediction": self.traced_prediction,
            "trace_events": self.trace_events,
            "tree_size": self.tree_size,
            "findings": self.findings,
        }


def run_demo(
    folder: Path,
    *,
    patients: int,
    progress: Progress,
    heard: Callable[[StepOutcome], None],
    told: Callable[[str], None],
) -> DemoSummary:
    """Run or go on with the demonstration in ``folder``.

    ``heard`` is told of each step that ends, ``told`` of what happens between steps.
    Raises what the steps raise; a criterion that is not met stops it at the packaging gate.
    """
    data = folder / "hospital"
    summary = DemoSummary(folder / "study", patients, 0)
    if not data.exists():
        told(f"The synthetic hospital: {patients:,} patients, none of them real")
        with _phase(summary, "generate the hospital"):
            write_ndjson(data, patients=patients, seed=SEED, as_of=AS_OF, progress=progress)
    _describe(summary, data)
    key = _client_key(folder / "client.jwk")
    with HospitalServer(data, clients={CLIENT_ID: public_jwks(key)}, port=_port(summary.study)) as server:
        study = _study(summary, server.base_url, key)
        told(f"FHIR server with Bulk Data export on {server.base_url}")
        _run(summary, study, steps_until("validate"), progress, heard)
    summary.validation = summary_of_validation(study)
    _compare_with_best(summary, study)
    if summary.validation.get("verdict") != "passed":
        raise GateRefused(
            "The candidate did not meet its acceptance criteria, so nobody signs it",
            hint="Read why in the report",
            report=study.root / "reports" / "validation" / "report.pdf",
        )
    with _phase(summary, "sign"):
        _sign(study, told)
    _run(summary, study, [step_named("package"), step_named("deploy")], progress, heard)
    with _phase(summary, "serve the held-out subjects"):
        summary.traffic = _serve(study, progress, told)
    _run(summary, study, STEPS[STEPS.index(step_named("monitor")) :], progress, heard)
    with _phase(summary, "trace one prediction"):
        _trace(summary, study)
    return summary


def summary_of_validation(study: Study) -> Mapping[str, JSON]:
    """What the last validation recorded."""
    for stored in reversed(study.events(EventType.STAGE_FINISHED)):
        if stored.event.stage == "validate":
            record = stored.event.record["validation"]
            assert isinstance(record, Mapping)  # written by the validate step
            return record
    return {}


def _describe(summary: DemoSummary, data: Path) -> None:
    """What the generator knows of the hospital it wrote."""
    about = json.loads((data / "hospital.json").read_bytes())
    if about["patients"] != summary.patients:
        raise UsageError(
            "This folder holds a demonstration of another size",
            hint="Name a new folder",
            patients=about["patients"],
        )
    summary.resources = sum(about["counts"].values())


def _compare_with_best(summary: DemoSummary, study: Study) -> None:
    """What a perfect model would reach on the same rows."""
    found = best_on_held_out(
        study.root / study.artifacts()["gold"].path,
        TASK,
        key=read_key(study.within(study.settings.deid.key_file)),
        patients=summary.patients,
        seed=SEED,
        as_of=AS_OF,
    )
    if found is not None:
        summary.best_auroc, summary.best_auroc_rows = found


def _study(summary: DemoSummary, base_url: str, key: bytes) -> Study:
    root = summary.study
    if (root / SETTINGS_FILE).exists():
        return Study.open(root)
    text = _SETTINGS.format(
        base_url=base_url,
        client_id=CLIENT_ID,
        as_of=AS_OF.isoformat(),
        task=TASK,
    )
    study = init_study(root, text)
    # From the seed, so that everyone sees the same figures. Real studies keep the random key of `init`.
    pseudonym_key = hashlib.sha256(f"medcairn demo {SEED}".encode()).hexdigest()
    write_file(root / "keys" / "pseudonym.key", pseudonym_key.encode() + b"\n", private=True)
    write_file(root / "keys" / "client.jwk", key, private=True)
    return study


def _port(root: Path) -> int:
    """The port that the study knows its server by; any free one for a new study."""
    if not (root / SETTINGS_FILE).exists():
        return 0
    source = Study.open(root).settings.source
    assert isinstance(source, BulkSource)  # as _SETTINGS has it
    return int(source.base_url.split(":")[2].split("/")[0])


def _client_key(path: Path) -> bytes:
    if not path.exists():
        write_file(path, new_client_key(), private=True)
    return path.read_bytes()


def _run(
    summary: DemoSummary,
    study: Study,
    steps: Sequence[Step],
    progress: Progress,
    heard: Callable[[StepOutcome], None],
) -> None:
    def both(outcome: StepOutcome) -> None:
        summary.outcomes.append(outcome)
        summary.phases.append((outcome.step.name, outcome.seconds))
        heard(outcome)

    run_steps(study, steps, ACTIONS, progress=progress, heard=both)


def _sign(study: Study, told: Callable[[str], None]) -> None:
    """Two demonstration people sign. Their passwords are random, and forgotten when this returns."""
    record = approval_record(study)
    people = people_of(study)
    signed = {found.person for found in approvals_of(study, record.digest)}
    for name, printed_name, role in SIGNERS:
        if name in signed:
            continue
        password = secrets.token_urlsafe(24)
        if people.find(name) is not None:
            name = f"{name}-{secrets.token_hex(3)}"  # their password is forgotten, so someone new signs
        people.add(name, printed_name=printed_name, roles=[role], password=password)
        signature = sign(study, "candidate", name, password, meaning=Meaning.APPROVED)
        told(f"{signature.printed_name} signed: {signature.meaning.value}")


def _serve(study: Study, progress: Progress, told: Callable[[str], None]) -> TrafficReport:
    artifacts = study.artifacts()
    gold, records = (study.root / artifacts[name].path for name in ("gold", "deid"))
    with serving_process(study, port=0) as base_url:
        told(f"The service answers on {base_url}")
        return send_held_out(base_url, gold, records, bundles=BUNDLES, progress=progress)


def _trace(summary: DemoSummary, study: Study) -> None:
    summary.traced_prediction = summary.traffic.prediction_ids[-1]
    origin = trace(study.events(), summary.traced_prediction)
    if not reaches(origin, EventType.STAGE_FINISHED, "export"):
        raise IntegrityError("The trail of a prediction does not lead back to the export")
    summary.trace_events = len({step.index for step in origin.walk()})
    verified = study.events(EventType.TRAIL_VERIFIED)[-1].event.record
    summary.tree_size, summary.findings = int(str(verified["tree_size"])), int(str(verified["findings"]))


@contextmanager
def _phase(summary: DemoSummary, name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    summary.phases.append((name, time.monotonic() - began))


__all__ = ["DemoSummary", "run_demo"]
