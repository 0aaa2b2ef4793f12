"""`medcairn demo`: the whole road, and what must hold at its end."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from endtoend.commands import run_medcairn
from medcairn.pipeline.stages import STEP_NAMES
from medcairn.pipeline.study import Study
from medcairn.tracking import open_client

PATIENTS = 1_000
"""As `make demo` has it: with 300 features fewer subjects do not meet the criteria."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    done = run_medcairn("demo", folder, "--patients", PATIENTS, "--json")
    summary: dict[str, Any] = json.loads(done.out)
    return folder / "study", summary


def test_every_step_ran_and_the_trail_is_clean(demo: tuple[Path, dict[str, Any]]) -> None:
    study, summary = demo
    assert [step["step"] for step in summary["steps"]] == list(STEP_NAMES)
    assert all(step["ran"] and step["seconds"] > 0 and step["peak_bytes"] > 0 for step in summary["steps"])
    assert summary["findings"] == 0
    assert "No change found" in run_medcairn("audit", "verify", "--study", study).out


def test_a_bundle_gives_the_probability_of_its_row_in_the_table(demo: tuple[Path, dict[str, Any]]) -> None:
    traffic = demo[1]["traffic"]
    assert traffic["bundles"]["requests"] == 25
    assert traffic["vectors"]["requests"] > 100
    assert traffic["largest_difference"] == 0


def test_the_model_does_not_beat_what_anyone_could_reach(demo: tuple[Path, dict[str, Any]]) -> None:
    """The interval of the model's AUROC must not lie above the best reachable on the same rows."""
    summary = demo[1]
    auroc = summary["validation"]["metrics"]["auroc"]
    assert summary["best_auroc_rows"] >= 0.95 * summary["validation"]["rows"]
    assert auroc["low"] < summary["best_auroc"]
    assert auroc["value"] > 0.6


def test_the_traced_prediction_leads_to_the_export_and_two_signatures(
    demo: tuple[Path, dict[str, Any]],
) -> None:
    study, summary = demo
    shown = run_medcairn("audit", "trace", summary["traced_prediction"], "--study", study).out
    for stage in ("package", "validate", "train", "features", "lakehouse", "deid", "export"):
        assert f"({stage};" in shown
    assert shown.count("approved by Demo") == 2


def test_the_model_moved_state_by_state_and_the_registry_followed(demo: tuple[Path, dict[str, Any]]) -> None:
    study, _ = demo
    shown = run_medcairn("audit", "show", "--study", study, "--type", "model.transitioned", "--json")
    states = [entry["record"]["state"] for entry in json.loads(shown.out)["entries"]]
    assert states == ["candidate", "validated", "approved", "shadow"]
    client = open_client(Study.open(study).tracking_uri)
    version = client.get_model_version_by_alias("demo.readmission_30d", "shadow")
    package = json.loads((study / "deployments/readmission_30d/deployment.json").read_bytes())
    assert version.tags["medcairn.package_digest"] == package["package_digest"]


def test_the_demonstration_goes_on_where_it_stopped(demo: tuple[Path, dict[str, Any]]) -> None:
    study, summary = demo
    again = json.loads(run_medcairn("demo", study.parent, "--patients", PATIENTS, "--json").out)
    ran = {step["step"] for step in again["steps"] if step["ran"]}
    assert ran == {"monitor", "audit"}
    assert again["validation"] == summary["validation"]


def test_a_changed_prediction_record_is_named(demo: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(demo[0], tmp_path / "study")
    db = sqlite3.connect(tmp_path / "study" / "phi" / "predictions.db")
    latest = "(SELECT max(rowid) FROM prediction)"
    db.execute(f"UPDATE prediction SET record = cast(record || ' ' AS BLOB) WHERE rowid = {latest}")
    db.commit()
    db.close()
    result = run_medcairn("audit", "verify", "--study", tmp_path / "study", check=False)
    assert result.code == 5
    assert "A prediction's record was changed: prediction " in result.out


def test_reports_and_package_are_there(demo: tuple[Path, dict[str, Any]]) -> None:
    study, _ = demo
    for path in (
        "reports/validation/report.pdf",
        "reports/validation/report.html",
        "reports/validation/report.json",
        "reports/monitoring/report.html",
        "packages/readmission_30d/1/model-card.html",
        "packages/readmission_30d/1/Dockerfile",
        "packages/readmission_30d/1/kubernetes/deployment.yaml",
        "deployments/readmission_30d/deployment.json",
    ):
        assert (study / path).stat().st_size > 100, path
