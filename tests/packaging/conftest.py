"""A small approved candidate: model, gold and validation folders, and two people who signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from medcairn.access import Argon2Cost, Meaning, Passwords, People, Role
from medcairn.core.canonical import JSON
from medcairn.core.clock import FixedClock
from medcairn.core.digests import digest_bytes
from medcairn.core.files import write_json
from medcairn.core.labels import Label
from medcairn.core.scoring import Scorer
from medcairn.packaging import (
    Authority,
    ModelAbout,
    PackageReport,
    TrustedKeys,
    approval_record,
    build_package,
)

NAMES = ("creatinine_last_365d", "age_years", "hba1c_mean_90d")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSWORD = "mare horse battery"


@dataclass(frozen=True)
class LogisticScorer:
    feature_names: tuple[str, ...] = NAMES

    def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.nansum(rows, axis=1)
        return 1.0 / (1.0 + np.exp(-total / 100))


@dataclass(frozen=True)
class Candidate:
    """Folders of the stages before, and who approved."""

    folder: Path
    people: People
    scorer: Scorer = field(default_factory=LogisticScorer)
    author: Label = field(default_factory=lambda: Label("dan"))

    @property
    def trusted(self) -> TrustedKeys:
        return {name: [key] for name, key in self.people.public_keys().items()}

    def sign(self, *names: str) -> Authority:
        record = approval_record(
            name=Label("readmission_30d"),
            version=Label("1"),
            author=self.author,
            model_dir=self.folder / "model",
            gold_dir=self.folder / "gold",
            validation_dir=self.folder / "validation",
        )
        clock = FixedClock(NOW)
        signatures = tuple(
            self.people.sign(name, PASSWORD, record=record.digest, meaning=Meaning.APPROVED, clock=clock)
            for name in names
        )
        return Authority(record.digest, signatures)

    def build(self, out_dir: Path, authority: Authority, trusted: TrustedKeys | None = None) -> PackageReport:
        out_dir.mkdir(parents=True)
        return build_package(
            out_dir,
            name=Label("readmission_30d"),
            version=Label("1"),
            model_dir=self.folder / "model",
            gold_dir=self.folder / "gold",
            validation_dir=self.folder / "validation",
            scorer=self.scorer,
            authority=authority,
            trusted=self.trusted if trusted is None else trusted,
            about=ModelAbout(
                study="demo",
                purpose="Rank discharged adults by their risk of an unplanned return within 30 days.",
                author=self.author,
                synthetic=True,
                limitations=("Adults only.",),
            ),
            created_at=NOW,
            feature_set=b"name: clinical_core\n",
        )


def _measured(value: float) -> dict[str, JSON]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "method": "DeLong"}


def _write_validation(folder: Path, *, verdict: str) -> None:
    folder.mkdir()
    write_json(
        folder / "report.json",
        {
            "about": {"study": "demo"},
            "criteria": {"name": "readmission_30d"},
            "validation": {
                "verdict": verdict,
                "metrics": {
                    "rows": {"value": 240.0, "low": 240.0, "high": 240.0, "method": "count"},
                    "auroc": _measured(0.71),
                    "calibration_slope": {"unavailable": "the rows hold only one outcome class"},
                },
                "checks": [
                    {"id": "a", "rule": "auroc ≥ 0.65", "passed": verdict == "passed", "reason": "Met."}
                ],
                "subgroups": [
                    {"attribute": "sex", "group": "female", "rows": 130, "auroc": _measured(0.7)},
                    {"attribute": "sex", "group": "other", "rows": None, "auroc": {"unavailable": "few"}},
                ],
            },
        },
    )


def _write_gold(folder: Path) -> str:
    folder.mkdir()
    spec_digest = str(digest_bytes(b"spec"))
    write_json(
        folder / "feature_spec.json",
        {
            "task": {"name": "readmission_30d"},
            "feature_set": {"name": "clinical_core", "version": "1", "digest": spec_digest},
            "features": [
                {"name": name, "concept": None, "aggregate": "last", "window_days": 365} for name in NAMES
            ],
            "digest": spec_digest,
        },
    )
    write_json(folder / "flow.json", {"steps": [{"name": "adults", "subjects": 100}]})
    count = 120
    values = np.arange(count, dtype=np.float64)
    rare = np.where(values < 19, values + 5000.25, np.nan)
    table = pa.table(
        {
            "subject_id": [f"s{number}" for number in range(count)],
            "boolean_value": [number % 4 == 0 for number in range(count)],
            "split": ["train"] * 100 + ["held_out"] * 15 + ["tuning"] * 5,
            NAMES[0]: pa.array(values),
            NAMES[1]: pa.array(values * 2),
            NAMES[2]: pa.array(rare, from_pandas=True),
        }
    )
    pq.write_table(table, folder / "features.parquet")
    return spec_digest


@pytest.fixture
def people(tmp_path: Path) -> People:
    people = People(tmp_path / "people.db", passwords=Passwords(Argon2Cost(1, 64, 1)))
    reviewer, scientist = [Role.CLINICAL_REVIEWER], [Role.CLINICAL_REVIEWER, Role.DATA_SCIENTIST]
    people.add("ada", printed_name="Ada Okafor", roles=reviewer, password=PASSWORD)
    people.add("bea", printed_name="Bea <b>Lind</b>", roles=reviewer, password=PASSWORD)
    people.add("dan", printed_name="Dan Ruiz", roles=scientist, password=PASSWORD)
    return people


@pytest.fixture
def make_candidate(tmp_path: Path, people: People) -> Callable[[str], Candidate]:
    def make(verdict: str) -> Candidate:
        folder = tmp_path / f"candidate-{verdict}"
        folder.mkdir()
        spec_digest = _write_gold(folder / "gold")
        _write_validation(folder / "validation", verdict=verdict)
        (folder / "model").mkdir()
        (folder / "model" / "model.onnx").write_bytes(b"onnx")
        (folder / "model" / "manifest.json").write_bytes(b"{}")
        description: dict[str, JSON] = {
            "form": "onnx",
            "algorithm": "gradient_boosting",
            "features": list(NAMES),
            "feature_spec_digest": spec_digest,
            "seed": 1,
            "parameters": {},
            "parity": {"onnx": 1e-7},
            "versions": {"scikit-learn": "1.9"},
        }
        write_json(folder / "model" / "model.json", description)
        return Candidate(folder, people)

    return make


@pytest.fixture
def candidate(make_candidate: Callable[[str], Candidate]) -> Candidate:
    return make_candidate("passed")


@pytest.fixture
def package(tmp_path: Path, candidate: Candidate) -> Path:
    out = tmp_path / "package"
    candidate.build(out, candidate.sign("ada", "bea"))
    return out
