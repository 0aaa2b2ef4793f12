"""The codes: check digits, shapes, the published comorbidity groups, and how much of real data maps."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from msgspec import Struct, json

from medcairn.core.concepts import (
    CONCEPTS,
    CVX,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Kind,
    Refusal,
    canonical_value,
    coded_value,
    concepts_of,
)
from medcairn.core.identifiers.checks import luhn, verhoeff
from medcairn.synthetic import generate

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SHAPES = {
    LOINC: re.compile(r"[1-9][0-9]{0,6}-[0-9]"),
    SNOMED: re.compile(r"[1-9][0-9]{5,17}"),
    RXNORM: re.compile(r"[1-9][0-9]{0,6}"),
    CVX: re.compile(r"[0-9]{2,3}"),
}
ICD_PREFIX = re.compile(r"[A-Z](?:[0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?)?")
TABLES = {
    "Observation": Kind.MEASUREMENT,
    "Condition": Kind.CONDITION,
    "MedicationRequest": Kind.MEDICATION,
    "Procedure": Kind.PROCEDURE,
    "Immunization": Kind.IMMUNIZATION,
    "AllergyIntolerance": Kind.ALLERGY,
}


def test_every_code_has_its_systems_shape_and_check_digit() -> None:
    for concept in CONCEPTS.values():
        for system, code in (*concept.codes, *(coding for coding, _ in concept.answers)):
            if code.startswith("LA"):  # answers of LOINC, which carry another check
                continue
            assert SHAPES[system].fullmatch(code), (concept.name, code)
            if system == LOINC:
                assert luhn(code.replace("-", "")), (concept.name, code)
            if system == SNOMED:
                assert verhoeff(code), (concept.name, code)


def test_no_file_names_a_concept_twice() -> None:
    """YAML would let the last one win."""
    files = resources.files("medcairn.core.concepts").joinpath("value_sets")
    names = [
        name
        for file in files.iterdir()
        if file.name != "spellings.yaml"
        for name in re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]
    assert sorted(names) == sorted(CONCEPTS)


def test_prefixes_are_of_icd_10_cm() -> None:
    for concept in CONCEPTS.values():
        for system, prefix in concept.prefixes:
            assert system == ICD10CM
            assert ICD_PREFIX.fullmatch(prefix), (concept.name, prefix)


@pytest.mark.parametrize(("family", "groups"), [("charlson_", 17), ("elixhauser_", 31)])
def test_the_comorbidity_families_have_all_their_groups(family: str, groups: int) -> None:
    assert sum(name.startswith(family) for name in CONCEPTS) == groups


@pytest.mark.parametrize(
    ("code", "groups"),
    [
        # Rows of the published tables, by their ends and their borders.
        ("I21.4", {"charlson_myocardial_infarction"}),
        ("I25.2", {"charlson_myocardial_infarction"}),
        ("I25.10", set()),
        ("I10", {"elixhauser_hypertension_uncomplicated"}),
        (
            "I11.0",
            {
                "charlson_congestive_heart_failure",
                "elixhauser_congestive_heart_failure",
                "elixhauser_hypertension_complicated",
            },
        ),
        (
            "I42.6",
            {"charlson_congestive_heart_failure", "elixhauser_congestive_heart_failure"}
            | {"elixhauser_alcohol_abuse"},
        ),
        ("I42.4", set()),
        ("G45.9", {"charlson_cerebrovascular_disease"}),
        ("F03.90", {"charlson_dementia"}),
        ("J44.1", {"charlson_chronic_pulmonary_disease", "elixhauser_chronic_pulmonary_disease"}),
        ("K25.4", {"charlson_peptic_ulcer_disease"}),
        ("K25.7", {"charlson_peptic_ulcer_disease", "elixhauser_peptic_ulcer_without_bleeding"}),
        ("K70.4", {"charlson_moderate_severe_liver_disease", "elixhauser_liver_disease"}),
        (
            "K70.30",
            {"charlson_mild_liver_disease", "elixhauser_liver_disease", "elixhauser_alcohol_abuse"},
        ),
        ("E11.9", {"charlson_diabetes_uncomplicated", "elixhauser_diabetes_uncomplicated"}),
        ("E11.65", {"charlson_diabetes_uncomplicated", "elixhauser_diabetes_complicated"}),
        ("E11.22", {"charlson_diabetes_complicated", "elixhauser_diabetes_complicated"}),
        ("N18.4", {"charlson_renal_disease", "elixhauser_renal_failure"}),
        ("C50.911", {"charlson_malignancy", "elixhauser_solid_tumour_without_metastasis"}),
        ("C44.90", set()),
        ("C83.30", {"charlson_malignancy", "elixhauser_lymphoma"}),
        ("C90.00", {"charlson_malignancy", "elixhauser_lymphoma"}),
        ("C91.00", {"charlson_malignancy"}),
        ("C78.7", {"charlson_metastatic_solid_tumour", "elixhauser_metastatic_cancer"}),
        ("B20", {"charlson_aids_hiv", "elixhauser_aids_hiv"}),
        ("G81.90", {"charlson_hemiplegia_paraplegia", "elixhauser_paralysis"}),
        ("D50.0", {"elixhauser_blood_loss_anaemia"}),
        ("D50.9", {"elixhauser_deficiency_anaemia"}),
        ("F31.5", {"elixhauser_psychoses", "elixhauser_depression"}),
        ("F32.A", {"elixhauser_depression"}),
        ("M32.10", {"charlson_rheumatic_disease", "elixhauser_rheumatoid_arthritis_collagen"}),
    ],
)
def test_rows_of_the_published_coding_algorithm(code: str, groups: set[str]) -> None:
    found = concepts_of(ICD10CM, code, Kind.CONDITION)
    assert {name for name in found if name.startswith(("charlson_", "elixhauser_"))} == groups


# --- Coverage -----------------------------------------------------------------------------------------------


class _Coding(Struct, frozen=True):
    system: str = ""
    code: str = ""


class _Codings(Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Quantity(Struct, frozen=True):
    value: float
    code: str | None = None


class _Part(Struct, frozen=True, rename="camel"):
    code: _Codings = _Codings()
    medication_codeable_concept: _Codings = _Codings()
    vaccine_code: _Codings = _Codings()
    value_quantity: _Quantity | None = None
    value_codeable_concept: _Codings | None = None
    value_string: str | None = None

    def concepts(self, kind: Kind) -> set[str]:
        codings = (self.code, self.medication_codeable_concept, self.vaccine_code)
        found = (concepts_of(c.system, c.code, kind) for concept in codings for c in concept.coding)
        return {name for names in found for name in names}


class _Resource(_Part, frozen=True, rename="camel"):
    component: tuple[_Part, ...] = ()

    def rows(self, resource_type: str) -> tuple[_Part, ...]:
        """The resource, or those of an Observation and its components that have a value."""
        if resource_type != "Observation":
            return (self,)
        parts = (self, *self.component)
        return tuple(
            p for p in parts if p.value_quantity or p.value_codeable_concept or p.value_string is not None
        )


def _rows(data_set: str, resource_type: str) -> list[_Part]:
    if not SHARED.is_dir():
        pytest.skip("the shared Synthea data sets are not beside this checkout")
    with gzip.open(SHARED / data_set / f"{resource_type}.ndjson.gz") as lines:
        return [row for line in lines for row in json.decode(line, type=_Resource).rows(resource_type)]


@pytest.mark.parametrize(
    ("data_set", "unmapped"),
    [
        ("synthea", (0.011, 0.006, 0, 0, 0, 0)),
        ("synthea-uscore", (0.013, 0.004, 0, 0.007, 0, 0)),
    ],
)
def test_nearly_every_row_of_both_synthea_sets_maps(data_set: str, unmapped: tuple[float, ...]) -> None:
    for (resource_type, kind), share in zip(TABLES.items(), unmapped, strict=True):
        rows = _rows(data_set, resource_type)
        left = sum(not row.concepts(kind) for row in rows)
        assert left <= share * len(rows), (resource_type, left, len(rows))


def test_every_quantity_of_both_synthea_sets_has_a_canonical_value() -> None:
    """But total protein, which both sets send as 60 to 80 g/dL: ten times too much for its unit."""
    refused: Counter[tuple[str, Refusal]] = Counter()
    for row in (row for data_set in ("synthea", "synthea-uscore") for row in _rows(data_set, "Observation")):
        for name in row.concepts(Kind.MEASUREMENT) if row.value_quantity else ():
            assert row.value_quantity is not None
            reason = canonical_value(name, row.value_quantity.value, row.value_quantity.code).reason
            refused.update([(name, reason)] if reason else [])
    assert refused == {("total_protein", Refusal.IMPLAUSIBLE): 285}


def test_every_smoking_status_of_both_synthea_sets_has_a_number() -> None:
    found = Counter(
        coded_value("smoking_status", coding.system, coding.code)
        for data_set in ("synthea", "synthea-uscore")
        for row in _rows(data_set, "Observation")
        if row.concepts(Kind.MEASUREMENT) == {"smoking_status"} and row.value_codeable_concept
        for coding in row.value_codeable_concept.coding
    )
    assert found == {0.0: 1462, 1.0: 372, 2.0: 22}


def test_every_row_of_the_synthetic_hospital_maps() -> None:
    seen, unmapped = Counter[str](), Counter[tuple[str, str]]()
    for resource_type, line in generate(40, seed=7):
        if (kind := TABLES.get(resource_type)) is not None:
            for row in json.decode(line, type=_Resource).rows(resource_type):
                seen[resource_type] += 1
                unmapped.update([] if row.concepts(kind) else [(resource_type, row.code.coding[0].code)])
    assert seen.keys() == TABLES.keys() - {"AllergyIntolerance"}
    assert unmapped == {}
