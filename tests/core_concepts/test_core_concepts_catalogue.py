"""The concept catalogue: codes, units, limits, and what a broken file says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.concepts import (
    CONCEPTS,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Kind,
    concepts_of,
    parse_concepts,
)
from medcairn.core.errors import SettingsError

MEASUREMENTS = sorted(name for name, concept in CONCEPTS.items() if concept.kind is Kind.MEASUREMENT)
PROMISED = {
    Kind.MEASUREMENT: "hba1c glucose creatinine sodium potassium wbc haemoglobin platelets alt ast"
    " total_cholesterol ldl hdl triglycerides urea_nitrogen egfr heart_rate systolic_bp diastolic_bp"
    " temperature respiratory_rate spo2 bmi weight height",
    Kind.CONDITION: "diabetes hypertension heart_failure copd ckd coronary_disease atrial_fibrillation cancer"
    " depression stroke obesity prediabetes asthma",
    Kind.MEDICATION: "metformin insulin statin ace_inhibitor beta_blocker diuretic opioid anticoagulant",
}


@pytest.mark.parametrize("kind", PROMISED)
def test_every_promised_concept_is_there_and_of_its_kind(kind: Kind) -> None:
    for name in PROMISED[kind].split():
        assert CONCEPTS[name].kind is kind


@pytest.mark.parametrize(
    ("system", "code", "kind", "expected"),
    [
        (LOINC, "2345-7", Kind.MEASUREMENT, ("glucose",)),
        (LOINC, "2339-0", Kind.MEASUREMENT, ("glucose",)),
        (LOINC, "2160-0", Kind.MEASUREMENT, ("creatinine",)),
        (LOINC, "38483-4", Kind.MEASUREMENT, ("creatinine",)),
        (LOINC, "18262-6", Kind.MEASUREMENT, ("ldl",)),
        (LOINC, "85354-9", Kind.MEASUREMENT, ()),
        (SNOMED, "38341003", Kind.CONDITION, ("hypertension",)),
        (SNOMED, "59621000", Kind.CONDITION, ("hypertension",)),
        (ICD10CM, "E11", Kind.CONDITION, ("diabetes",)),
        (ICD10CM, "E11.65", Kind.CONDITION, ("diabetes",)),
        (ICD10CM, "E1165", Kind.CONDITION, ("diabetes",)),
        (ICD10CM, "E12", Kind.CONDITION, ()),
        (ICD10CM, "O24.4", Kind.CONDITION, ()),
        (ICD10CM, "I11.0", Kind.CONDITION, ("hypertension", "heart_failure")),
        (ICD10CM, "I11.9", Kind.CONDITION, ("hypertension",)),
        (SNOMED, "E11", Kind.CONDITION, ()),
        (RXNORM, "746030", Kind.MEDICATION, ("beta_blocker", "diuretic")),
    ],
)
def test_a_code_belongs_to_these_concepts(
    system: str, code: str, kind: Kind, expected: tuple[str, ...]
) -> None:
    assert concepts_of(system, code, kind) == expected


@pytest.mark.parametrize(
    ("concept", "value", "unit", "expected"),
    [
        ("glucose", 5.5, "mmol/L", 99.0858),
        ("creatinine", 88.42, "umol/L", 1.0),
        ("temperature", 98.6, "[degF]", 37.0),
        ("weight", 154.0, "[lb_av]", 69.853225),
        ("hba1c", 48.0, "mmol/mol", 6.54304),
        ("wbc", 7.2, "10*9/L", 7.2),
        ("egfr", 61.0, "mL/min", 61.0),
    ],
)
def test_units_become_canonical(concept: str, value: float, unit: str, expected: float) -> None:
    assert CONCEPTS[concept].canonical(value, unit) == expected


def test_an_unknown_unit_has_no_canonical_value() -> None:
    assert CONCEPTS["glucose"].canonical(5.5, "mg/g{creat}") is None


@given(name=st.sampled_from(MEASUREMENTS), value=st.floats(-1e6, 1e6))
def test_the_canonical_unit_changes_no_number(name: str, value: float) -> None:
    concept = CONCEPTS[name]
    assert concept.canonical_unit is not None
    assert concept.canonical(value, concept.canonical_unit) == value


@given(name=st.sampled_from(MEASUREMENTS), a=st.floats(0, 1e4), b=st.floats(0, 1e4))
def test_conversions_keep_the_order(name: str, a: float, b: float) -> None:
    for unit in CONCEPTS[name].units:
        low, high = (CONCEPTS[name].canonical(v, unit.name) for v in sorted((a, b)))
        assert low is not None
        assert high is not None
        assert low <= high


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not a YAML mapping"),
        ("- a", "not a YAML mapping"),
        ("a: {loinc: [1-1], unit: mg/dL, plausible: [2, 1]}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL}", "contradicts itself"),
        ("a: {loinc: [1-1]}", "contradicts itself"),
        ("a: {loinc: [1-1, 1-1], unit: mg/dL, plausible: [1, 2]}", "contradicts itself"),
        ("a: {unit: mg/dL, plausible: [1, 2]}", "contradicts itself"),
        ("a: {loink: [1-1], unit: mg/dL, plausible: [1, 2]}", "key that is not known"),
        ("a: {loinc: [1-1], unit: mg/dL, units: {x: 1/0}, plausible: [1, 2]}", "cannot be read"),
        ("a: {loinc: [1-1], unit: mg/dL, units: {x: -1}, plausible: [1, 2]}", "contradicts itself"),
    ],
)
def test_a_broken_concept_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_concepts(text, Kind.MEASUREMENT)
