"""The concept catalogue: names that others rely on, look-up by code, and what a broken file says."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import product

import pytest

from medcairn.core.concepts import (
    CONCEPTS,
    CVX,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Concept,
    Kind,
    concepts_of,
    concepts_of_coding,
    parse_concepts,
    system_of,
)
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

PROMISED = {
    Kind.MEASUREMENT: "hba1c glucose creatinine sodium potassium wbc haemoglobin platelets alt ast"
    " total_cholesterol ldl hdl triglycerides urea_nitrogen egfr heart_rate systolic_bp diastolic_bp"
    " temperature respiratory_rate spo2 bmi weight height uacr inr troponin_i nt_probnp tsh lactate crp"
    " ph_arterial smoking_status",
    Kind.CONDITION: "diabetes hypertension heart_failure copd ckd advanced_ckd coronary_disease"
    " atrial_fibrillation cancer depression stroke obesity prediabetes asthma cardiovascular_disease"
    " maintenance_cancer_therapy",
    Kind.MEDICATION: "metformin insulin statin ace_inhibitor arb beta_blocker calcium_channel_blocker"
    " diuretic loop_diuretic thiazide_diuretic sulfonylurea glp1_agonist sglt2_inhibitor dpp4_inhibitor"
    " antiplatelet anticoagulant nsaid opioid benzodiazepine ssri antipsychotic systemic_corticosteroid ppi"
    " bronchodilator antibiotic warfarin",
    Kind.PROCEDURE: "dialysis coronary_revascularisation cancer_therapy mechanical_ventilation"
    " planned_procedure",
    Kind.IMMUNIZATION: "influenza_vaccine pneumococcal_vaccine covid19_vaccine zoster_vaccine tdap_td_vaccine"
    " hepatitis_b_vaccine",
    Kind.ALLERGY: "penicillin_allergy latex_allergy food_allergy drug_allergy",
}


@pytest.mark.parametrize("kind", PROMISED)
def test_every_promised_concept_is_there_and_of_its_kind(kind: Kind) -> None:
    for name in PROMISED[kind].split():
        assert CONCEPTS[name].kind is kind


def test_importing_the_catalogue_reads_no_file_and_no_unit_library() -> None:
    """Start-up pays nothing for it, and no process loads pint for units that are listed."""
    script = (
        "import sys\n"
        "import medcairn.core.concepts as c\n"
        "from medcairn.core.concepts import catalogue\n"
        "assert catalogue._concepts.cache_info().currsize == 0\n"
        "assert c.canonical_value('glucose', 5.55, 'mmol/L').value == 100.0\n"
        "assert not {'pint', 'ucumvert', 'lark'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("system", "code", "kind", "expected"),
    [
        (LOINC, "2345-7", Kind.MEASUREMENT, ("glucose",)),
        (LOINC, "2339-0", Kind.MEASUREMENT, ("glucose",)),
        (LOINC, "2160-0", Kind.MEASUREMENT, ("creatinine",)),
        (LOINC, "38483-4", Kind.MEASUREMENT, ("creatinine",)),
        (LOINC, "18262-6", Kind.MEASUREMENT, ("ldl",)),
        (LOINC, "85354-9", Kind.MEASUREMENT, ()),
        (LOINC, "98979-8", Kind.MEASUREMENT, ("egfr",)),
        (LOINC, "2345-7", Kind.CONDITION, ()),
        (SNOMED, "59621000", Kind.CONDITION, ("hypertension", "elixhauser_hypertension_uncomplicated")),
        (ICD10CM, "E11", Kind.CONDITION, ("type2_diabetes", "diabetes")),
        (ICD10CM, "E12", Kind.CONDITION, ()),
        (ICD10CM, "O24.4", Kind.CONDITION, ("pregnancy",)),
        (ICD10CM, "N18.4", Kind.CONDITION, ("ckd_stage_4", "advanced_ckd", "ckd", "charlson_renal_disease")),
        (SNOMED, "E11", Kind.CONDITION, ()),
        (RXNORM, "1114195", Kind.MEDICATION, ("rivaroxaban", "direct_oral_anticoagulant", "anticoagulant")),
        (RXNORM, "7980", Kind.ALLERGY, ("penicillin_allergy", "drug_allergy")),
        (CVX, "8", Kind.IMMUNIZATION, ("hepatitis_b_vaccine",)),
        (CVX, "08", Kind.IMMUNIZATION, ("hepatitis_b_vaccine",)),
        (CVX, "110", Kind.IMMUNIZATION, ("dtap_vaccine", "hepatitis_b_vaccine", "polio_vaccine")),
    ],
)
def test_a_code_belongs_to_these_concepts(
    system: str, code: str, kind: Kind, expected: tuple[str, ...]
) -> None:
    assert concepts_of(system, code, kind)[: len(expected)] == expected
    assert bool(expected) == bool(concepts_of(system, code, kind))


def test_a_combination_belongs_to_each_of_its_classes() -> None:
    found = concepts_of(RXNORM, "746030", Kind.MEDICATION)
    assert {"atenolol", "chlorthalidone", "beta_blocker", "thiazide_diuretic", "diuretic"} <= set(found)


@pytest.mark.parametrize("code", ["E11.65", "E1165", "e11.65", " E11.65 "])
@pytest.mark.parametrize(
    "system",
    [
        ICD10CM,
        "https://hl7.org/fhir/sid/icd-10-cm/",
        "urn:oid:2.16.840.1.113883.6.90",
        "http://hl7.org/fhir/sid/icd-10",
    ],
)
def test_spellings_of_code_and_system_do_not_matter(system: str, code: str) -> None:
    assert concepts_of(system, code, Kind.CONDITION) == concepts_of(ICD10CM, "E11.65", Kind.CONDITION) != ()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://loinc.org/", LOINC),
        ("https://loinc.org", LOINC),
        ("urn:oid:2.16.840.1.113883.6.1", LOINC),
        ("http://snomed.info/sct/731000124108/version/20240301", SNOMED),
        ("http://snomed.info/scto", "http://snomed.info/scto"),
        ("http://hospital.example/codes/", "http://hospital.example/codes/"),
        ("", ""),
    ],
)
def test_systems_have_one_name(uri: str, expected: str) -> None:
    assert system_of(uri) == expected


def test_look_up_of_all_kinds_is_the_look_up_of_each() -> None:
    each = (*concepts_of(RXNORM, "7980", Kind.MEDICATION), *concepts_of(RXNORM, "7980", Kind.ALLERGY))
    assert concepts_of_coding(RXNORM, "7980") == each
    assert {"penicillin_g", "antibiotic", "penicillin_allergy"} <= set(each)


def test_the_look_up_agrees_with_each_concept() -> None:
    every = sorted({coding for concept in CONCEPTS.values() for coding in concept.codes})
    codings = set(every[::13]) | {
        (ICD10CM, code) for code in ("I11.0", "E10.21", "C7951", "N186", "Z51.11", "O80", "XYZ")
    }
    for (system, code), kind in product(sorted(codings), Kind):
        expected = [c.name for c in CONCEPTS.values() if c.kind is kind and c.matches(system, code)]
        assert list(concepts_of(system, code, kind)) == expected


def test_a_concept_can_go_to_another_process() -> None:
    for concept in CONCEPTS.values():
        assert pickle.loads(pickle.dumps(concept)) == concept  # noqa: S301 -- of our own making
        assert hash(concept) == hash(CONCEPTS[concept.name])


def test_a_class_has_all_that_its_members_have() -> None:
    classes = [concept for concept in CONCEPTS.values() if concept.members]
    assert len(classes) > 60
    for concept, member in ((c, CONCEPTS[name]) for c in classes for name in c.members):
        assert set(member.codes) <= set(concept.codes)
        assert set(member.prefixes) <= set(concept.prefixes)
        assert member.kind is concept.kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not a YAML mapping"),
        ("- a", "not a YAML mapping"),
        ("a b: {loinc: [1-1], unit: mg/dL, plausible: [1, 2]}", "not a plain name"),
        ("a: {loinc: [1-1], unit: mg/dL, plausible: [2, 1]}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL}", "contradicts itself"),
        ("a: {loinc: [1-1]}", "contradicts itself"),
        ("a: {loinc: [1-1, 1-1], unit: mg/dL, plausible: [1, 2]}", "contradicts itself"),
        ("a: {unit: mg/dL, plausible: [1, 2]}", "contradicts itself"),
        ("a: {loink: [1-1], unit: mg/dL, plausible: [1, 2]}", "key that is not known"),
        ("a: {loinc: [1-1], unit: mg/dL, units: {x: 1/0}, plausible: [1, 2]}", "cannot be read"),
        ("a: {loinc: [1-1], unit: mg/dL, units: {x: -1}, plausible: [1, 2]}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL, units: {mg/dL: 1}, plausible: [1, 2]}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL, plausible: [1, 2], decimals: 5}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL, plausible: [1, 2], molar_mass: 0}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: mg/dL, plausible: [1, 2], unit_when_absent: g}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: x, plausible: [1, 2], answers: {snomed: {1: 3}}}", "contradicts itself"),
        ("a: {loinc: [1-1], unit: x, plausible: [1, 2], answers: {sct: {1: 1}}}", "key that is not known"),
        ("a: {members: [b], loinc: [1-1], unit: x, plausible: [1, 2]}", "refers to one that is not known"),
        ("a: {loinc_prefix: [C10-C02], unit: x, plausible: [1, 2]}", "does not go up"),
        ("a: {loinc_prefix: [C10-D12], unit: x, plausible: [1, 2]}", "does not go up"),
    ],
)
def test_a_broken_concept_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_concepts(text, Kind.MEASUREMENT)


def test_a_unit_belongs_to_measurements_alone() -> None:
    with pytest.raises(SettingsError, match="key that is not known"):
        parse_concepts("a: {snomed: [1], unit: mg/dL}", Kind.CONDITION)
    with pytest.raises(SettingsError, match="contradicts itself"):
        Concept(Label("a"), "", Kind.CONDITION, ((SNOMED, "1"),), canonical_unit="mg/dL")


def test_ranges_and_references_are_written_out() -> None:
    text = "a: {snomed: [1], icd10cm_prefix: [C08-C11, I42.5-I42.7]}\nb: {members: [a]}\nc: {snomed_of: [a]}"
    found = parse_concepts(text, Kind.CONDITION)
    prefixes = [code for _, code in found["a"].prefixes]
    assert prefixes == ["C08", "C09", "C10", "C11", "I42.5", "I42.6", "I42.7"]
    assert (found["b"].codes, found["b"].prefixes) == (found["a"].codes, found["a"].prefixes)
    assert (found["c"].codes, found["c"].prefixes) == (((SNOMED, "1"),), ())
