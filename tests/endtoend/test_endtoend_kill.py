"""kill -9 in the middle of a step: the rerun finishes, the trail is clean, the digests are the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from endtoend.commands import digests, run_medcairn
from endtoend.conftest import NewStudy
from medcairn.audit import EventType, read_events
from medcairn.core.errors import MedcairnError

DEADLINE_SECONDS = 240


def kill_in_step(study: Path, step: str, partial: str) -> None:
    """Start a run and kill it when ``step`` has begun and its partial folder holds something."""
    command = [sys.executable, "-m", "medcairn.cli.main", "run", "--study", str(study), "--until", "train"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if begun(study, step) and any((study / partial).rglob("*")):
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL, f"{step} was over before it could be killed"


def begun(study: Path, step: str) -> bool:
    try:
        return any(s.event.stage == step for s in read_events(study / "ledger.db", EventType.STAGE_STARTED))
    except MedcairnError:
        return False


KILLS = (
    ("export", "phi/export.partial", "phi/export"),
    ("deid", "lake/deid.partial", "lake/deid"),
    ("train", "mlartifacts", "models/readmission_30d"),
)


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_digests(
    new_study: NewStudy, validated: Path, tmp_path: Path
) -> None:
    study = new_study(tmp_path / "study")
    key = "keys/pseudonym.key"  # the same key, or the pseudonyms differ by design
    (study / key).write_bytes((validated / key).read_bytes())
    for step, partial, final in KILLS:
        kill_in_step(study, step, partial)
        assert not (study / final).exists()
    run_medcairn("run", "--study", study, "--until", "train")
    assert run_medcairn("audit", "verify", "--study", study).code == 0
    expected = {name: digest for name, digest in digests(validated).items() if name != "validation"}
    assert digests(study) == expected
