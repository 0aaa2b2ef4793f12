"""What a context takes, what it refuses, and that it works where MLflow is not installed."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.errors import MedcairnError
from medcairn.tracking import ContextError, HealthcareRunContext, PatientContext, SmallCellWarning
from tracking.contexts import full_context

SECRET = "Jane Canary"


def test_defaults() -> None:
    patients = PatientContext()
    assert (patients.cohort, patients.age_range, patients.sample_size) == ("unspecified", None, None)
    assert patients.inclusion_criteria == []
    assert patients.exclusion_criteria == []
    context = HealthcareRunContext("m", "1")
    assert context == HealthcareRunContext(model_id="m", version="1")
    assert (context.patient_context, context.organization, context.purpose) == (None, None, None)
    assert context.data_sources == []
    assert context.regulatory_tags == []
    assert context.custom_metadata == {}
    assert context.recorded is None


def test_to_dict_leaves_out_what_was_not_given() -> None:
    assert HealthcareRunContext("m", "1").to_dict() == {
        "model_id": "m",
        "version": "1",
        "organization": None,
        "purpose": None,
        "data_sources": [],
        "regulatory_tags": [],
    }
    whole = full_context().to_dict()
    assert json.loads(json.dumps(whole)) == whole
    assert whole["recorded"] == "2026-01-22T10:30:00.000000Z"
    assert whole["custom_metadata"] == {"validated": True, "threshold": 0.7, "site": "north"}


REFUSED: list[tuple[type, dict[str, Any], str, str]] = [
    (PatientContext, {"cohort": 7}, "cohort", "not_text"),
    (PatientContext, {"cohort": " "}, "cohort", "empty"),
    (PatientContext, {"cohort": f"{SECRET}\x00"}, "cohort", "control_character"),
    (PatientContext, {"cohort": f"{SECRET}\ud800"}, "cohort", "control_character"),
    (PatientContext, {"sample_size": -1}, "sample_size", "below_zero"),
    (PatientContext, {"sample_size": 1.5}, "sample_size", "not_a_whole_number"),
    (PatientContext, {"sample_size": True}, "sample_size", "not_a_whole_number"),
    (PatientContext, {"sample_size": SECRET}, "sample_size", "not_a_whole_number"),
    (PatientContext, {"age_range": SECRET}, "age_range", "not_an_age_range"),
    (PatientContext, {"age_range": "-3-10"}, "age_range", "not_an_age_range"),
    (PatientContext, {"age_range": 18}, "age_range", "not_an_age_range"),
    (PatientContext, {"age_range": "65-18"}, "age_range", "ends_before_it_begins"),
    (PatientContext, {"age_range": "0-500"}, "age_range", "no_age"),
    (PatientContext, {"inclusion_criteria": SECRET}, "inclusion_criteria", "not_a_list"),
    (PatientContext, {"exclusion_criteria": ["a", None]}, "exclusion_criteria[1]", "not_text"),
    (PatientContext, {"name": SECRET}, "name", "unknown_field"),
    (HealthcareRunContext, {"model_id": SECRET}, "version", "missing"),
    (HealthcareRunContext, {"version": SECRET}, "model_id", "missing"),
    (HealthcareRunContext, {"model_id": "", "version": "1"}, "model_id", "empty"),
    (HealthcareRunContext, {"model_id": "m", "version": 1.0}, "version", "not_text"),
    (HealthcareRunContext, {"model_id": "m", "version": "1", "patient": SECRET}, "patient", "unknown_field"),
    (
        HealthcareRunContext,
        {"model_id": "m", "version": "1", SECRET: 1},
        "a-name-that-is-no-field",
        "unknown_field",
    ),
]
ON_A_RUN: list[tuple[dict[str, Any], str, str]] = [
    ({"patient_context": {"cohort": SECRET}}, "patient_context", "not_a_patient_context"),
    ({"organization": ""}, "organization", "empty"),
    ({"purpose": 1}, "purpose", "not_text"),
    ({"data_sources": SECRET}, "data_sources", "not_a_list"),
    ({"data_sources": ["a", ""]}, "data_sources[1]", "empty"),
    ({"regulatory_tags": {SECRET}}, "regulatory_tags", "not_a_list"),
    ({"custom_metadata": [SECRET]}, "custom_metadata", "not_a_mapping"),
    ({"custom_metadata": {"a": object()}}, "custom_metadata", "not_json"),
    ({"custom_metadata": {"a": float("nan")}}, "custom_metadata", "not_json"),
    ({"custom_metadata": {f"{SECRET}!": 1}}, "custom_metadata", "key_not_allowed"),
    ({"custom_metadata": {"a": "\x1b"}}, "custom_metadata", "control_character"),
    ({"recorded": "2026-01-01"}, "recorded", "not_a_datetime"),
    ({"recorded": datetime(2026, 1, 1)}, "recorded", "no_time_zone"),  # noqa: DTZ001 - is what is refused
]
REFUSED += [
    (HealthcareRunContext, {"model_id": "m", "version": "1", **given}, field, what)
    for given, field, what in ON_A_RUN
]


@pytest.mark.parametrize(("record", "given", "field", "what"), REFUSED)
def test_a_refusal_names_the_field_and_never_the_value(
    record: type, given: dict[str, Any], field: str, what: str
) -> None:
    with pytest.raises(ContextError) as refused:
        record(**given)
    assert isinstance(refused.value, (MedcairnError, ValueError))
    assert refused.value.fields == {"field": field, "problem": what}
    assert SECRET not in str(refused.value) + repr(refused.value)
    assert refused.value.__context__ is None


def test_too_many_positional_fields_are_refused() -> None:
    with pytest.raises(ContextError, match="too_many_fields"):
        PatientContext("a", None, None, [], [], SECRET)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("18-65", "18-65"),
        (" 18 - 65 ", "18-65"),
        ("18\N{EN DASH}65", "18-65"),
        ("0-17", "0-17"),
        ("65+", "65+"),
        ("40", "40"),
        ("40-40", "40"),
        ("18-89", "18-89"),
        ("18-90", "18-90+"),
        ("18-97", "18-90+"),
        ("89-91", "89-90+"),
        ("18-90+", "18-90+"),
        ("90+", "90+"),
        ("90", "90+"),
        ("91-97", "90+"),
        ("95+", "90+"),
    ],
)
def test_ages_over_89_are_told_in_one_band(given: str, kept: str) -> None:
    made = PatientContext(age_range=given)
    assert made.age_range == kept
    assert PatientContext(age_range=kept).age_range == kept


@given(st.integers(0, 130), st.integers(0, 130))
def test_no_age_over_89_is_ever_told(low: int, high: int) -> None:
    if high < low:
        low, high = high, low
    told = PatientContext(age_range=f"{low}-{high}").age_range or ""
    assert all(int(part) < 90 or part == "90" for part in told.rstrip("+").split("-"))
    assert high < 90 or told.endswith("90+")


@pytest.mark.parametrize(("size", "warned"), [(None, 0), (0, 0), (1, 1), (10, 1), (11, 0)])
def test_the_small_cell_floor_is_a_warning(size: int | None, warned: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PatientContext(sample_size=size)
    assert [issubclass(one.category, SmallCellWarning) for one in caught] == [True] * warned
    assert all(one.filename == __file__ and "floor of 11" in str(one.message) for one in caught)


def test_what_was_given_cannot_be_changed_from_outside() -> None:
    sources, extra = ["a"], {"deep": [1]}
    context = HealthcareRunContext("m", "1", data_sources=sources, custom_metadata=extra)
    sources.append("b")
    extra["deep"].append(2)
    assert context.data_sources == ["a"]
    assert context.custom_metadata == {"deep": [1]}
    with pytest.raises(AttributeError):
        context.version = "2"  # type: ignore[misc]
    for again in (copy.deepcopy(full_context()), pickle.loads(pickle.dumps(full_context()))):  # noqa: S301
        assert again == full_context()


def test_an_instant_of_another_zone_is_told_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    context = HealthcareRunContext("m", "1", recorded=datetime(2026, 1, 1, 1, tzinfo=zone))
    assert context.to_dict()["recorded"] == "2025-12-31T23:00:00.000000Z"
    assert context.recorded == datetime(2025, 12, 31, 23, tzinfo=UTC)


_WITHOUT_MLFLOW = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mlflow", "opentelemetry", "sqlalchemy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
import medcairn.tracking as t
heavy = {"pydantic", "cryptography", "numpy", "pandas", "pyarrow", "duckdb", "sqlite3"} & sys.modules.keys()
assert heavy <= {"sqlite3"}, heavy
assert t.is_mlflow_available() is False
context = t.HealthcareRunContext("m", "1", t.PatientContext("adults", sample_size=0))
print(context.to_dict()["patient_context"]["sample_size"], context.to_fhir_provenance()["resourceType"])
try: t.log_healthcare_context(context)
except ImportError as error: print(error)
"""


def test_a_context_only_install_imports_and_works() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITHOUT_MLFLOW], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "0 Provenance"
    assert second == "MLflow is not installed. Install it with: pip install 'medcairn[mlflow]'"
