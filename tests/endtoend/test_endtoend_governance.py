"""From a signed protocol to production and back, through the command line, with each forbidden step tried."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from access.conftest import CHEAP
from endtoend.commands import PASSWORD
from medcairn.access import Passwords
from medcairn.audit import EventType, StoredEvent
from medcairn.cli.main import run
from medcairn.pipeline.study import Study

GATES = """
protocol: [{signatures: 1, roles: [quality_reviewer]}]
approval:
  - {signatures: 1, roles: [clinical_reviewer]}
  - {signatures: 1, roles: [quality_reviewer]}
change_control: [{signatures: 1, roles: [quality_reviewer]}]
approval_days: 365
before:
  validated: [protocol_pinned, protocol_signed, validation_passed]
  approved: [validation_passed, protocol_signed, signatures_hold, author_did_not_approve, approved]
  shadow: [validation_passed, approvals_current, package_unchanged]
  canary: [validation_passed, approvals_current, package_unchanged, mover_did_not_approve]
  production: [validation_passed, approvals_current, package_unchanged, mover_did_not_approve]
"""
PEOPLE = {"ada": "clinical_reviewer", "bea": "quality_reviewer", "oscar": "operator", "root": "administrator"}
OK, REFUSED, USAGE = 0, 4, 2
PLAN = """
name: upkeep
version: "1"
task: readmission_30d
until: 2099-12-31
most_changes: 2
changes:
  retrain: true
  algorithms: [logistic_regression, random_forest, gradient_boosting]
  hyperparameters: {logistic_regression: {free: true}, random_forest: {free: true}}
  threshold: {at_least: 0, at_most: 1}
performance: {rows: {at_least: 1}}
"""


def criteria(least: float) -> str:
    return yaml.safe_dump(
        {
            "name": "tour",
            "version": "1",
            "task": "readmission_30d",
            "summary": "What this test asks for.",
            "specificity": 0.8,
            "criteria": [
                {
                    "id": "rows",
                    "metric": "rows",
                    "bound": "estimate",
                    "at_least": least,
                    "rationale": "There are so many held-out rows.",
                }
            ],
        }
    )


@dataclass(frozen=True)
class Tour:
    """A study with strict gates and four people, and the commands on it, given within this process."""

    root: Path
    console: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object, code: int = OK) -> str:
        """What the command printed, on either stream; its exit code must be as expected."""
        self.console.readouterr()
        found = run([*map(str, arguments), "--study", str(self.root)])
        printed = self.console.readouterr()
        assert found == code, (arguments, printed.out, printed.err)
        return printed.out + printed.err

    def told(self, *kinds: EventType) -> list[StoredEvent]:
        return Study.open(self.root).events(*kinds)

    def states(self) -> dict[str, str]:
        versions = json.loads(self("model", "list", "--json"))["versions"]
        return {one["version"]: one["state"] for one in versions}

    def change(self, section: str, **values: object) -> None:
        file = self.root / "study.yaml"
        settings = yaml.safe_load(file.read_text("utf-8"))
        settings[section] = {**settings.get(section, {}), **values}
        file.write_text(yaml.safe_dump(settings), "utf-8")


@pytest.fixture
def tour(copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tour:
    monkeypatch.setenv("MEDCAIRN_PASSWORD", PASSWORD)
    monkeypatch.setenv("MEDCAIRN_ACTOR", "dan")
    monkeypatch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
    tour = Tour(copied, capsys)
    tour.change("approval", gates="gates.yaml")
    tour.change("validation", criteria="tour")
    (copied / "gates.yaml").write_text(GATES, "utf-8")
    (copied / "criteria").mkdir()
    (copied / "criteria" / "tour.yaml").write_text(criteria(1), "utf-8")
    for name, role in PEOPLE.items():
        tour("users", "add", name, "--printed-name", f"Dr {name.title()}", "--role", role)
    return tour


def promote(tour: Tour, version: int, to: str, *, by: str = "oscar", code: int = OK) -> str:
    return tour("model", "promote", version, "--to", to, "--as", by, "--reason", "It did well", code=code)


@pytest.mark.part11("11.10(f)", "11.10(g)")
def test_from_a_signed_protocol_to_production_and_back(tour: Tour) -> None:
    # Nothing is executed before the protocol is signed, and each person signs it once.
    assert "protocol" in tour("run", "--until", "validate", code=REFUSED)
    shown = json.loads(tour("approve", "--what", "protocol", "--show"))
    tour("approve", "--what", "protocol", "--as", "oscar", code=REFUSED)
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("approve", "--what", "protocol", "--as", "bea", code=USAGE)
    tour("run", "--until", "validate")
    # Two people with the roles approve the model; then it goes as far as shadow by itself.
    tour("approve", "--as", "bea")
    assert "check=approved" in tour("package", code=REFUSED)
    tour("approve", "--as", "root", code=REFUSED)
    tour("approve", "--as", "ada")
    tour("run", "--until", "deploy")
    assert tour.states() == {"1": "shadow"}
    # People take it further, one step at a time, and not those who approved it.
    promote(tour, 1, "production", code=REFUSED)
    promote(tour, 1, "canary", by="root", code=REFUSED)
    promote(tour, 1, "canary", by="ada", code=REFUSED)
    promote(tour, 7, "canary", code=USAGE)
    promote(tour, 1, "canary")
    changed = tour.root / "packages" / "readmission_30d" / "1" / "model-card.md"
    kept = changed.read_bytes()
    changed.write_bytes(kept + b"\n")
    assert "package_unchanged" in promote(tour, 1, "production", code=REFUSED)
    changed.write_bytes(kept)
    promote(tour, 1, "production")
    _a_second_version_comes_and_goes(tour, shown["digest"])
    moves = json.loads(tour("model", "history", "--json"))["transitions"]
    by_people = [move for move in moves if move["actor"] != "pipeline"]
    states = ["canary", "production", "canary", "production", "shadow", "retired"]
    assert [move["state"] for move in by_people] == states
    assert all(move["reason"] and move["signed"] for move in by_people)
    refused = [
        str(one.event.record["check"])
        for one in tour.told(EventType.GATE_REFUSED)
        if "check" in one.event.record
    ]
    assert refused == ["protocol_signed", "approved", "package_unchanged"]
    assert "No change found" in tour("audit", "verify")


def _a_second_version_comes_and_goes(tour: Tour, first_protocol: str) -> None:
    """It takes the place of the first in production, is rolled back, and retired."""
    tour.change("training", seed=7)
    shown = json.loads(tour("approve", "--what", "protocol", "--show"))
    assert shown["digest"] != first_protocol, "another protocol needs another signature"
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("run", "--until", "validate")
    for name in ("ada", "bea"):
        tour("approve", "--as", name)
    tour("run", "--until", "deploy")
    promote(tour, 2, "canary")
    promote(tour, 2, "production")
    assert tour.states() == {"1": "shadow", "2": "production"}
    tour("model", "roll-back", 2, "--as", "oscar", "--reason", "Alerts doubled overnight")
    assert tour.states() == {"1": "production", "2": "shadow"}
    tour("model", "retire", 2, "--as", "bea", "--reason", "Not good enough")
    assert tour.states() == {"1": "production", "2": "retired"}
    assert "retired" in tour("serve", tour.root / "packages/readmission_30d/2", "--port", 0, code=REFUSED)


@pytest.mark.part11("11.10(a)", "11.10(f)")
def test_a_model_that_failed_goes_nowhere_whoever_asks(tour: Tour) -> None:
    (tour.root / "criteria" / "tour.yaml").write_text(criteria(10_000), "utf-8")
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("run", "--until", "validate")
    assert tour.states() == {"1": "candidate"}
    for name in ("ada", "bea"):
        tour("approve", "--as", name)
    assert "validation_passed" in tour("package", code=REFUSED)
    for name in PEOPLE:
        for to in ("canary", "production"):
            promote(tour, 1, to, by=name, code=REFUSED)
    assert tour.states() == {"1": "candidate"}
    attempts = tour.told(EventType.GATE_REFUSED, EventType.SIGNING_REFUSED)
    assert len(attempts) == 1 + 2 * len(PEOPLE)


@pytest.mark.part11("11.10(f)")
def test_a_change_within_the_signed_plan_needs_no_new_approval_and_one_outside_is_named(tour: Tour) -> None:
    tour.change("approval", change_control="plan.yaml")
    (tour.root / "plan.yaml").write_text(PLAN, "utf-8")
    # The plan stands for nothing before people signed it, nor for the first version.
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("run", "--until", "validate")
    assert "check=approved" in tour("package", code=REFUSED)
    for name in ("ada", "bea"):
        tour("approve", "--as", name)
    tour("run", "--until", "package")
    trained = json.loads(tour("model", "list", "--json"))["versions"][0]["model"]
    present = json.loads((tour.root / "models" / "readmission_30d" / "model.json").read_bytes())["algorithm"]
    other = "random_forest" if present == "logistic_regression" else "logistic_regression"
    # The purpose in other words is another record to approve, of the same model and the same MLflow run.
    tour.change("study", purpose="Rank discharged adults by their risk of return")
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("run", "--until", "validate")
    for name in ("ada", "bea"):
        tour("approve", "--as", name)
    tour("run", "--until", "package")
    # Another fit is within the plan, once the plan is signed by those whom the gates name.
    tour.change("training", models=[other])
    tour("run", "--until", "validate")
    assert "check=approved" in tour("package", code=REFUSED)
    tour("approve", "--what", "change-control", "--as", "bea")
    tour("run", "--until", "package")
    first, second = json.loads(tour("model", "list", "--json"))["versions"]
    assert (first["model"], second["state"]) == (trained, "approved")
    assert second["model"] != trained
    last = json.loads(tour("model", "history", "--json"))["transitions"][-1]
    assert (last["version"], last["authority"]) == ("2", "change_control_plan")
    # Other acceptance criteria are not, and the clause is named.
    (tour.root / "criteria" / "tour.yaml").write_text(criteria(2), "utf-8")
    tour("approve", "--what", "protocol", "--as", "bea")
    tour("run", "--until", "validate")
    assert "check=acceptance_criteria" in tour("package", code=REFUSED)
    assert tour.told(EventType.GATE_REFUSED)[-1].event.record["check"] == "acceptance_criteria"
    assert "No change found" in tour("audit", "verify")
    report = json.loads(tour("report", "fda-audit", "e2e.readmission_30d", "2", "--json"))
    told = json.dumps(report)
    assert "change_control_plan" in told
    assert "acceptance_criteria" in told
