"""The two Synthea sets, as a new user would load them: every resource counted, the usual labs found."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pyarrow.compute as pc
import pytest

from endtoend.commands import run_medcairn
from medcairn.core.delta import read_delta

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CODES = {
    "85354-9": "systolic_bp",
    "55284-4": "systolic_bp",
    "2339-0": "glucose",
    "38483-4": "creatinine",
    "18262-6": "ldl",
}


def patients_with(source: Path) -> dict[str, set[str]]:
    """Which patients the source's own lines give each of :data:`CODES` for."""
    found: dict[str, set[str]] = defaultdict(set)
    with gzip.open(source / "Observation.ndjson.gz") as lines:
        for line in lines:
            observation = json.loads(line)
            for coding in observation["code"]["coding"]:
                if coding["code"] in CODES:
                    found[CODES[coding["code"]]].add(observation["subject"]["reference"])
    return found


@pytest.mark.parametrize("name", ["synthea", "synthea-uscore"])
def test_every_resource_is_loaded_and_the_usual_codes_are_found(name: str, tmp_path: Path) -> None:
    source, study = SHARED / name, tmp_path / "study"
    if not source.is_dir():
        pytest.skip("the shared Synthea sets are not beside this checkout")
    run_medcairn("init", study, "--from", source, "--as-of", "2021-06-30", "--name", "real")
    done = run_medcairn("run", "--study", study, "--until", "lakehouse")
    assert "leak scan clean" in done.out
    assert "0 quarantined" in done.out
    counts = json.loads((source / "counts.json").read_bytes())["files"]
    expected = {path.split(".")[0]: file["count"] for path, file in counts.items()}
    bronze = study / "lake" / "bronze"
    loaded = {
        log.parent.name: read_delta(log.parent, columns=["id"]).num_rows
        for log in bronze.glob("*/_delta_log")
    }
    assert loaded == expected
    observations = read_delta(study / "lake" / "silver" / "observation")
    known = observations.filter(pc.is_valid(observations["canonical_value"]))
    for concept, patients in patients_with(source).items():
        subjects = pc.unique(known.filter(pc.equal(known["concept"], concept))["subject_id"])
        assert len(subjects) == len(patients), concept
    assert run_medcairn("audit", "verify", "--study", study).code == 0
