"""What is in a package, and that it is the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import kubernetes_validate
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from medcairn.core.digests import digest_file
from medcairn.core.errors import DataError, IntegrityError, UsageError
from medcairn.core.scoring import Scorer
from medcairn.packaging import Authority, PackageReport, open_package
from medcairn.packaging.container import container_files, kubernetes_name
from medcairn.packaging.vectors import make_vectors


class Built(Protocol):
    """A candidate; see conftest.py."""

    @property
    def folder(self) -> Path: ...
    @property
    def scorer(self) -> Scorer: ...
    def sign(self, *names: str) -> Authority: ...
    def build(self, out_dir: Path, authority: Authority) -> PackageReport: ...


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_folder_holds_everything(package: Path) -> None:
    assert files(package) == {
        "Dockerfile",
        "digests.json",
        "feature_set.yaml",
        "feature_spec.json",
        "kubernetes/deployment.yaml",
        "kubernetes/networkpolicy.yaml",
        "kubernetes/persistentvolumeclaim.yaml",
        "kubernetes/service.yaml",
        "model-card.html",
        "model-card.json",
        "model-card.md",
        "model/model.json",
        "model/model.onnx",
        "package.json",
        "signatures.json",
        "test-vectors.json",
        "validation/report.json",
    }
    assert set(json.loads((package / "digests.json").read_bytes())) == files(package) - {"digests.json"}


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, candidate: Built) -> None:
    approvals = candidate.sign("ada", "bea")
    first = candidate.build(tmp_path / "a", approvals)
    second = candidate.build(tmp_path / "b", approvals)
    assert first == second
    assert {name: digest_file(tmp_path / "a" / name) for name in files(tmp_path / "a")} == {
        name: digest_file(tmp_path / "b" / name) for name in files(tmp_path / "b")
    }


def test_the_report_has_facts_and_no_time(tmp_path: Path, candidate: Built) -> None:
    facts = candidate.build(tmp_path / "a", candidate.sign("ada", "bea")).facts()
    assert facts["signatures"] == 2
    assert facts["package_digest"] == digest_file(tmp_path / "a" / "digests.json")
    assert "2026" not in json.dumps(facts)


def test_the_card_is_honest(package: Path) -> None:
    card = json.loads((package / "model-card.json").read_bytes())
    assert card["synthetic_data"] is True
    assert card["data"]["splits"] == [
        {"split": "held_out", "subjects": 15, "rows": 15, "positives": None},
        {"split": "train", "subjects": 100, "rows": 100, "positives": 25},
        {"split": "tuning", "subjects": None, "rows": None, "positives": None},
    ]
    assert card["validation"]["validation"]["metrics"]["auroc"]["low"] == pytest.approx(0.66)
    assert [approval["printed_name"] for approval in card["approvals"]] == ["Ada Okafor", "Bea <b>Lind</b>"]

    text = (package / "model-card.md").read_text()
    for words in (
        "# Model card: readmission_30d",
        "must not be used for a patient",
        "| auroc | 0.710 | 0.660 to 0.760 |",
        "| calibration slope | not computed: the rows hold only one outcome class |  |",
        "| sex: other | withheld | not computed: few |  |",
        "| Ada Okafor | approved | 2026-03-01T12:00:00.000000Z |",
        "Adults only.",
    ):
        assert words in text, words


def test_the_page_escapes_what_people_wrote(package: Path) -> None:
    page = (package / "model-card.html").read_text()
    assert "Bea &lt;b&gt;Lind" in page
    assert "<b>Lind" not in page
    assert "<script" not in page
    assert "Bea \\<b\\>Lind" in (package / "model-card.md").read_text()


def test_vectors_are_nobodys_rows(package: Path, candidate: Built) -> None:
    vectors = open_package(package).test_vectors
    assert [vector.name for vector in vectors] == [
        "all_missing",
        "all_zero",
        "lower_quartiles",
        "medians",
        "upper_quartiles",
    ]
    medians = next(vector for vector in vectors if vector.name == "medians")
    assert medians.features == {
        "creatinine_last_365d": 49.5,
        "age_years": 99.0,
        "hba1c_mean_90d": None,  # known for 19 subjects only: a quantile could be one of theirs
    }
    row = np.array([[49.5, 99.0, np.nan]])
    assert medians.probability == pytest.approx(float(candidate.scorer.score(row)[0]), abs=0)


def test_a_model_that_gives_no_probability_is_not_packaged() -> None:
    class Broken:
        feature_names = ("a",)

        def score(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.full(len(rows), np.nan)

    with pytest.raises(DataError):
        make_vectors(Broken(), np.zeros((30, 1)))


@pytest.mark.parametrize("name", ["deployment", "service", "networkpolicy", "persistentvolumeclaim"])
def test_the_kubernetes_manifests_fit_the_schema(package: Path, name: str) -> None:
    manifest = yaml.safe_load((package / "kubernetes" / f"{name}.yaml").read_text())
    kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_the_pod_has_no_rights(package: Path) -> None:
    deployment = yaml.safe_load((package / "kubernetes" / "deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert set(container["resources"]) == {"requests", "limits"}
    policy = yaml.safe_load((package / "kubernetes" / "networkpolicy.yaml").read_text())
    assert policy["spec"]["egress"] == []
    assert policy["spec"]["podSelector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize(
    ("name", "version"), [("Study.readmission_30d", "1+local"), ("___", "…"), ("x" * 80, "v" * 80)]
)
def test_names_of_ours_become_names_of_theirs(name: str, version: str) -> None:
    for path, text in container_files(name, version, with_lock=True).items():
        if path.endswith(".yaml"):
            kubernetes_validate.validate(yaml.safe_load(text), "1.30", strict=True)
    assert kubernetes_name(name).strip("-") == kubernetes_name(name) != ""


@pytest.mark.parametrize("with_lock", [True, False])
def test_the_dockerfile(with_lock: bool) -> None:
    text = container_files("readmission_30d", "1", with_lock=with_lock)["Dockerfile"]
    lines = text.splitlines()
    assert "USER 10001:10001" in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert "--require-hashes" in text
    assert ("COPY requirements.lock " in text) is with_lock
    assert not any(word in text.lower() for word in ("password", "secret", "token"))


@pytest.mark.parametrize("name", ["model/model.json", "gold/feature_spec.json", "validation/report.json"])
def test_a_missing_input_is_named(tmp_path: Path, candidate: Built, name: str) -> None:
    approvals = candidate.sign("ada", "bea")
    (candidate.folder / name).unlink()
    with pytest.raises(UsageError) as refused:
        candidate.build(tmp_path / "a", approvals)
    assert refused.value.fields["file"] == candidate.folder / name


def test_a_model_of_another_feature_spec_is_refused(tmp_path: Path, candidate: Built) -> None:
    path = candidate.folder / "model" / "model.json"
    value = json.loads(path.read_bytes())
    path.write_text(json.dumps({**value, "features": list(reversed(value["features"]))}))
    with pytest.raises(IntegrityError, match="another feature spec"):
        candidate.build(tmp_path / "a", candidate.sign("ada", "bea"))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_an_input_that_is_no_json_object_is_refused(tmp_path: Path, candidate: Built, text: str) -> None:
    (candidate.folder / "validation" / "report.json").write_text(text)
    with pytest.raises(DataError):
        candidate.build(tmp_path / "a", candidate.sign("ada", "bea"))
