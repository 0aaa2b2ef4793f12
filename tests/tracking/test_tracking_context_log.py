"""Logging a context to a real MLflow store: what stands there afterwards, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from medcairn.audit import EventType, verify_ledger
from medcairn.core.canonical import canonical_json
from medcairn.core.digests import digest_bytes, digest_json
from medcairn.core.errors import ExternalError, MedcairnError, PolicyError, UsageError
from medcairn.tracking import (
    ContextChanged,
    ContextError,
    HealthcareRunContext,
    PatientContext,
    PhiRefused,
    database_uri,
    is_mlflow_available,
    log_healthcare_context,
    tag_model_version,
)
from tracking.contexts import NOON, full_context
from tracking.studies import GOLD, RUN, new_study, train


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[MlflowClient]:
    """MLflow's own global state, pointed to a store of this file and put back."""
    folder = tmp_path_factory.mktemp("context")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        mlflow.set_tracking_uri(database_uri(folder / "mlflow.db"))
        mlflow.create_experiment("contexts", artifact_location=folder.as_uri())
        mlflow.set_experiment("contexts")
        yield MlflowClient()
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture
def run_id(client: MlflowClient) -> Iterator[str]:
    with mlflow.start_run() as run:
        yield str(run.info.run_id)


def provenance_of(client: MlflowClient, run_id: str) -> bytes:
    place = client.get_run(run_id).info.artifact_uri.removeprefix("file://")
    return (Path(place) / "fhir_provenance.json").read_bytes()


def test_what_the_rfc_names_is_logged(client: MlflowClient, run_id: str) -> None:
    logged = log_healthcare_context(full_context())
    data = client.get_run(run_id).data
    assert data.params == {
        "healthcare.model_id": "sepsis-predictor",
        "healthcare.model_version": "2.1.0",
        "healthcare.organization": "Example Hospital",
        "healthcare.purpose": "Early detection of sepsis",
        "healthcare.patient_cohort": "ICU patients",
        "healthcare.patient_age_range": "18-65",
        "healthcare.patient_sample_size": "500",
        "healthcare.patient_inclusion_criteria": 'admitted to the ICU, "adults, ventilated"',
        "healthcare.patient_exclusion_criteria": "palliative care",
        "healthcare.data_sources": "icu warehouse, icu-gold@sha256:" + "5f" * 32,
        "healthcare.regulatory_tags": "HIPAA, IRB 12/3",
    }
    ours = {name: value for name, value in data.tags.items() if not name.startswith("mlflow.")}
    assert ours == {
        "healthchain.model_id": "sepsis-predictor",
        "healthchain.version": "2.1.0",
        "healthchain.has_provenance": "true",
        "healthcare.custom.validated": "true",
        "healthcare.custom.threshold": "0.7",
        "healthcare.custom.site": "north",
        "medcairn.context_digest": digest_json(full_context().to_dict()),
        "medcairn.provenance_digest": digest_bytes(provenance_of(client, run_id)),
    }
    assert {name: str(logged[name]) for name in data.params} == data.params
    assert {name: logged[name] for name in ours} == ours
    assert logged["healthcare.patient_sample_size"] == 500
    assert logged["fhir_provenance.json"] == ours["medcairn.provenance_digest"]


def test_the_artifact_is_the_provenance_in_canonical_json(client: MlflowClient, run_id: str) -> None:
    context = HealthcareRunContext("m", "1")
    log_healthcare_context(context, clock=NOON, target="models:/m/1", urn_namespace="ward", fhir_version="R5")
    expected = context.to_fhir_provenance("R5", clock=NOON, target="models:/m/1", urn_namespace="ward")
    assert provenance_of(client, run_id) == canonical_json(expected)


def test_a_list_can_be_taken_apart_again(client: MlflowClient, run_id: str) -> None:
    rules = ['said "no"', "plain", "a, b", " spaced "]
    log_healthcare_context(
        HealthcareRunContext("m", "1", PatientContext(inclusion_criteria=rules)), log_provenance=False
    )
    row = client.get_run(run_id).data.params["healthcare.patient_inclusion_criteria"]
    assert next(csv.reader([row], skipinitialspace=True)) == rules


def test_nothing_is_logged_of_what_was_not_given_and_zero_is(client: MlflowClient, run_id: str) -> None:
    log_healthcare_context(
        HealthcareRunContext("m", "1", PatientContext(sample_size=0)), log_provenance=False
    )
    data = client.get_run(run_id).data
    assert data.params == {
        "healthcare.model_id": "m",
        "healthcare.model_version": "1",
        "healthcare.patient_cohort": "unspecified",
        "healthcare.patient_sample_size": "0",
    }
    assert "healthchain.has_provenance" not in data.tags
    assert client.list_artifacts(run_id) == []


def test_the_same_context_again_is_a_no_op(client: MlflowClient, run_id: str) -> None:
    first = log_healthcare_context(HealthcareRunContext("m", "1"))
    before = client.get_run(run_id).data, provenance_of(client, run_id)
    assert log_healthcare_context(HealthcareRunContext("m", "1")) == first
    after = client.get_run(run_id).data, provenance_of(client, run_id)
    assert (before[0].params, before[0].tags, before[1]) == (after[0].params, after[0].tags, after[1])


def test_a_provenance_can_be_added_later(client: MlflowClient, run_id: str) -> None:
    log_healthcare_context(HealthcareRunContext("m", "1"), log_provenance=False)
    assert log_healthcare_context(HealthcareRunContext("m", "1"))["healthchain.has_provenance"] == "true"
    assert json.loads(provenance_of(client, run_id))["resourceType"] == "Provenance"


CHANGED: list[tuple[dict[str, Any], str]] = [
    ({"version": "2"}, "healthcare.model_version"),
    ({"organization": "Another"}, "healthcare.organization"),
    ({"organization": None}, "healthcare.organization"),
    ({"purpose": "Added"}, "healthcare.purpose"),
    ({"patient_context": PatientContext("others")}, "healthcare.patient_cohort"),
    ({"custom_metadata": {"a": 2}}, "custom_metadata"),
    ({"custom_metadata": {}}, "custom_metadata"),
    ({"recorded": NOON.instant}, "recorded"),
]


@pytest.mark.parametrize(("change", "field"), CHANGED)
def test_a_changed_context_is_refused_and_nothing_changes(
    change: dict[str, Any], field: str, client: MlflowClient, run_id: str
) -> None:
    given: dict[str, Any] = {
        "model_id": "m",
        "version": "1",
        "organization": "Hospital",
        "custom_metadata": {"a": 1},
    }
    log_healthcare_context(HealthcareRunContext(**given))
    before = client.get_run(run_id).data
    with pytest.raises(ContextChanged) as refused:
        log_healthcare_context(HealthcareRunContext(**given | change))
    assert refused.value.fields["field"] == field
    after = client.get_run(run_id).data
    assert (before.params, before.tags) == (after.params, after.tags)


def test_a_parameter_that_the_user_set_otherwise_is_a_clear_error(client: MlflowClient, run_id: str) -> None:
    mlflow.log_param("healthcare.model_id", "another")
    with pytest.raises(ContextChanged) as refused:
        log_healthcare_context(HealthcareRunContext("m", "1"))
    assert refused.value.fields == {"field": "healthcare.model_id", "changed": 1}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"purpose": "x" * 6001}, "healthcare.purpose"),
        (
            {"patient_context": PatientContext(inclusion_criteria=["x" * 3000] * 3)},
            "healthcare.patient_inclusion_criteria",
        ),
        ({"custom_metadata": {"a": "x" * 8001}}, "custom_metadata"),
        ({"custom_metadata": {f"a{n}": n for n in range(101)}}, "custom_metadata"),
    ],
)
def test_what_mlflow_would_cut_or_refuse_is_an_error_first(
    given: dict[str, Any], field: str, client: MlflowClient, run_id: str
) -> None:
    with pytest.raises(ContextError) as refused:
        log_healthcare_context(HealthcareRunContext("m", "1", **given))
    assert refused.value.fields["field"] == field
    assert client.get_run(run_id).data.params == {}
    assert client.list_artifacts(run_id) == []


def test_the_longest_value_is_kept_whole(client: MlflowClient, run_id: str) -> None:
    log_healthcare_context(HealthcareRunContext("m", "1", purpose="x" * 6000))
    assert client.get_run(run_id).data.params["healthcare.purpose"] == "x" * 6000


def test_without_an_active_run(client: MlflowClient) -> None:
    assert is_mlflow_available()
    with pytest.raises(RuntimeError, match=r"No MLflow run is active.*mlflow.start_run") as refused:
        log_healthcare_context(HealthcareRunContext("m", "1"))
    assert isinstance(refused.value, MedcairnError)


def test_a_run_that_is_over_can_be_named(client: MlflowClient) -> None:
    with mlflow.start_run() as run:
        pass
    log_healthcare_context(HealthcareRunContext("m", "1"), run_id=run.info.run_id, client=client)
    assert client.get_run(run.info.run_id).data.params["healthcare.model_id"] == "m"


def test_the_digests_go_into_the_ledger_once(client: MlflowClient, run_id: str, tmp_path: Path) -> None:
    with new_study(tmp_path / "study") as ledger:
        for _ in range(2):
            logged = log_healthcare_context(full_context(), ledger=ledger, actor="person:ada")
        events = list(ledger.events(EventType.CONTEXT_LOGGED))
        ledger.checkpoint()
    (stored,) = events
    assert stored.event.actor == "person:ada"
    assert stored.event.record == {
        "mlflow_run_id": run_id,
        "context_digest": logged["medcairn.context_digest"],
        "provenance_digest": digest_bytes(provenance_of(client, run_id)),
    }
    assert verify_ledger(tmp_path / "study" / "ledger.db").findings == ()


def test_a_registered_version_carries_the_context(client: MlflowClient, run_id: str) -> None:
    client.create_registered_model("sepsis")
    version = client.create_model_version("sepsis", source="file:///models/sepsis", run_id=run_id)
    tags = tag_model_version(full_context(), "sepsis", version.version)
    assert client.get_model_version("sepsis", version.version).tags == tags
    assert tags["medcairn.context_digest"] == digest_json(full_context().to_dict())
    with pytest.raises(ExternalError):
        tag_model_version(full_context(), "sepsis", 99)


@pytest.mark.parametrize("mode", ["block", "warn", "off"])
def test_the_guard_looks_at_the_context_too(
    mode: str,
    client: MlflowClient,
    run_id: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MEDCAIRN_PHI_GUARD", mode)
    context = HealthcareRunContext("m", "1", purpose="For the patient with SSN 536-22-8891")
    if mode == "block":
        with pytest.raises(PhiRefused) as refused:
            log_healthcare_context(context)
        assert refused.value.fields == {"field": "context.purpose", "found": "ssn", "findings": 1}
        assert isinstance(refused.value, (PolicyError, ValueError))
        assert client.get_run(run_id).data.params == {}
    else:
        log_healthcare_context(context)
    told = [record.getMessage() for record in caplog.records]
    assert told == (
        ["PHI guard, log_healthcare_context: context.purpose looks like ssn"] if mode == "warn" else []
    )


def test_a_context_of_a_study(tmp_path: Path) -> None:
    with new_study(tmp_path) as ledger:
        with pytest.raises(UsageError, match="no model yet"):
            HealthcareRunContext.from_study(tmp_path)
        train(ledger)
        train(ledger, model=GOLD, run_id="another")
    context = HealthcareRunContext.from_study(tmp_path, organization="Ward 7", regulatory_tags=("IRB 1",))
    assert (context.model_id, context.version) == ("ward.readmission_30d", "2")
    assert context.patient_context == PatientContext("readmission_30d", sample_size=412)
    assert context.purpose == "Readmission within 30 days, for a discharge team."
    assert context.data_sources == [f"ward.gold@{GOLD}"]
    assert (context.organization, context.regulatory_tags) == ("Ward 7", ["IRB 1"])
    assert context.custom_metadata["model_digest"] == GOLD
    assert context.recorded is not None
    assert RUN not in str(context.to_dict())
    with pytest.raises(UsageError, match="no study"):
        HealthcareRunContext.from_study(tmp_path / "elsewhere")
