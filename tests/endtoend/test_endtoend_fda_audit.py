"""The audit report of a study that really ran: its words, its bytes, and nobody in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

from endtoend.commands import run_medcairn

MODEL = "e2e.readmission_30d"


def test_the_report_of_a_real_study(validated: Path, tmp_path: Path) -> None:
    command = ("report", "fda-audit", MODEL, "1", "--study", validated, "--json")
    report = run_medcairn(*command, "--out", tmp_path / "a").json()["report"]
    run_medcairn(*command, "--out", tmp_path / "b")
    for name in ("fda-audit.json", "fda-audit.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert isinstance(report, dict)
    facts = {fact["name"]: fact for part in report["sections"] for fact in part["facts"]}
    tables = {table["name"]: table["rows"] for part in report["sections"] for table in part["tables"]}
    assert facts["verdict"]["value"] in {"passed", "failed"}
    assert {row["name"] for row in tables["hyperparameters"]}
    assert {"auroc", "calibration_slope"} <= {row["metric"] for row in tables["metrics"]}
    assert tables["subgroups"]
    assert all(row["rule"] for row in tables["criteria"])
    unknown = {name for name, fact in facts.items() if "unknown" in fact}
    assert unknown <= {
        "intended_use", "package", "library_versions", "time_range", "protocol_digest", "deployment",
        "monitoring", "recorded_verification",
    }  # fmt: skip
    told = (tmp_path / "a" / "fda-audit.json").read_text() + _text(tmp_path / "a" / "fda-audit.pdf")
    cohort = pq.read_table(validated / "lake" / "gold" / "readmission_30d" / "features.parquet")
    assert not [one for one in set(cohort["subject_id"].to_pylist()) if str(one) in told]


def test_another_version_is_a_clear_error(validated: Path) -> None:
    refused = run_medcairn("report", "fda-audit", MODEL, "7", "--study", validated, check=False)
    assert refused.code == 2
    assert f"{MODEL} 1" in refused.err


def _text(pdf: Path) -> str:
    tool = shutil.which("pdftotext")
    if tool is None:
        return ""
    return subprocess.run([tool, pdf, "-"], capture_output=True, text=True, check=True).stdout
