"""A package, served by the command and asked by the smoke test: the stages fit together."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medcairn.audit import EventType, read_events, read_receipt
from medcairn.cli.main import run
from medcairn.deployment import smoke_test
from medcairn.packaging import open_package
from medcairn.serving import Purpose, read_predictions

# The model is a formula and no file, so two modules are replaced: the loader, and the features of Bundles.
# With them the imports that take seconds stay away; the whole command is tried with the pipeline.
COMMAND = """
import sys
from types import ModuleType
import numpy as np
from medcairn.cli.main import run


class Logistic:
    feature_names = ("creatinine_last_365d", "age_years", "hba1c_mean_90d")

    def score(self, rows):
        return 1.0 / (1.0 + np.exp(-np.nansum(rows, axis=1) / 100))


training, online = ModuleType("medcairn.training"), ModuleType("medcairn.pipeline.online")
training.portable = ModuleType("medcairn.training.portable")
training.portable.load = lambda folder: Logistic()
online.bundle_features = lambda package: lambda resources, moment: {"age_years": float(len(resources))}
sys.modules.update({module.__name__: module for module in (training, training.portable, online)})
sys.exit(run(sys.argv[1:]))
"""


@contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            break
    try:
        yield process, text
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_package_is_served_and_passes_its_smoke_test(tmp_path: Path, package: Path) -> None:
    state = tmp_path / "state"
    options = ("--state", str(state), "--port", "0", "--json")
    for _ in range(2):  # the second time on the ledger of the first
        with command("serve", str(package), *options) as (process, text):
            ready = json.loads(text)
            report = smoke_test(
                ready["base_url"], package / "test-vectors.json", package_digest=open_package(package).digest
            )
            assert report.passed, report
        assert process.returncode == 0
    assert ready["model"]["name"] == "readmission_30d"
    assert read_predictions(state / "phi" / "predictions.db", purpose=Purpose.SMOKE_TEST).num_rows == 10
    made = list(read_events(state / "ledger.db", EventType.PREDICTION_MADE))
    assert len(made) == 10
    assert read_receipt(state / "ledger.db", made[-1].index).holds()  # sealed when it stopped


@pytest.mark.parametrize(
    ("file", "code"), [("model/model.onnx", 5), ("test-vectors.json", 5), ("digests.json", 2)]
)
def test_a_changed_package_is_not_served(
    tmp_path: Path, package: Path, file: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(package, changed)
    (changed / file).unlink()
    assert run(["serve", str(changed), "--state", str(tmp_path / "state"), "--port", "0"]) == code
    assert file.rpartition("/")[2] in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
