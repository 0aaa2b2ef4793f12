"""Results in canonical units: published conversions, twins, refusals, and what never happens."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medcairn.core.concepts import CONCEPTS, SNOMED, Kind, Refusal, canonical_value, coded_value
from medcairn.core.concepts.concept import Unit
from medcairn.core.concepts.unlisted import unlisted_unit

MEASUREMENTS = sorted(name for name, concept in CONCEPTS.items() if concept.kind is Kind.MEASUREMENT)
LISTED = [(name, unit) for name in MEASUREMENTS for unit in CONCEPTS[name].units]
BY_RULE = (
    "[degF] K {fraction} 1 L/L mmol/mol mmol/mol{Hb} fmol {cells}/uL mg/mmol mg/mmol{creat} g/mol{creat}"
    " g/g{creat} mg/mg{creat} mg/L ug/mL"
)
"""Listed conversions that dimensions do not give: offsets, pure numbers, annotations, what a code implies."""


# --- Published conversions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "value", "unit", "expected"),
    [
        # AMA Manual of Style, table of SI conversion factors.
        ("glucose", 5.55, "mmol/L", 100.0),
        ("creatinine", 88.4, "umol/L", 1.0),
        ("total_cholesterol", 5.17, "mmol/L", 200.0),
        ("ldl", 2.59, "mmol/L", 100.0),
        ("hdl", 1.03, "mmol/L", 40.0),
        ("triglycerides", 1.69, "mmol/L", 150.0),
        ("urea_nitrogen", 5.0, "mmol/L", 14.0),
        ("bilirubin_total", 17.1, "umol/L", 1.0),
        ("calcium", 2.5, "mmol/L", 10.0),
        ("calcium", 5.0, "meq/L", 10.0),
        ("magnesium", 0.82, "mmol/L", 2.0),
        ("magnesium", 1.65, "meq/L", 2.0),
        ("phosphate", 1.29, "mmol/L", 4.0),
        ("uric_acid", 357.0, "umol/L", 6.0),
        ("haemoglobin", 8.7, "mmol/L", 14.0),
        ("haemoglobin", 140.0, "g/L", 14.0),
        ("iron", 17.9, "umol/L", 100.0),
        ("vitamin_b12", 148.0, "pmol/L", 201.0),
        ("vitamin_d", 50.0, "nmol/L", 20.0),
        ("free_t4", 12.9, "pmol/L", 1.0),
        ("cortisol", 276.0, "nmol/L", 10.0),
        ("potassium", 4.1, "meq/L", 4.1),
        ("alt", 0.67, "ukat/L", 40.0),
        # IFCC to NGSP, the pairs that the two networks publish.
        ("hba1c", 31.0, "mmol/mol", 5.0),
        ("hba1c", 42.0, "mmol/mol", 6.0),
        ("hba1c", 48.0, "mmol/mol", 6.5),
        ("hba1c", 53.0, "mmol/mol", 7.0),
        ("hba1c", 75.0, "mmol/mol", 9.0),
        ("hba1c", 97.0, "mmol/mol", 11.0),
        # KDIGO 2012: 3 and 30 mg/mmol are 30 and 300 mg/g, roundly.
        ("uacr", 3.0, "mg/mmol{creat}", 27.0),
        ("uacr", 33.9, "mg/mmol", 300.0),
        # Scales and customary units.
        ("temperature", 98.6, "[degF]", 37.0),
        ("temperature", 310.15, "K", 37.0),
        ("weight", 154.3, "[lb_av]", 70.0),
        ("weight", 120.0, "[oz_av]", 3.4),
        ("height", 70.0, "[in_i]", 177.8),
        ("systolic_bp", 16.0, "kPa", 120.0),
        ("pco2_arterial", 5.33, "kPa", 40.0),
        ("wbc", 7200.0, "/uL", 7.2),
        ("haematocrit", 0.42, "L/L", 42.0),
        ("spo2", 0.97, "1", 97.0),
    ],
)
def test_published_conversions_in_the_digits_that_laboratories_print(
    concept: str, value: float, unit: str, expected: float
) -> None:
    assert canonical_value(concept, value, unit) == (expected, CONCEPTS[concept].canonical_unit, None)


def test_each_listed_factor_is_what_the_unit_library_makes_of_it() -> None:
    checked, by_rule = 0, set()
    for name, unit in LISTED:
        found = unlisted_unit(CONCEPTS[name], unit.name)
        if isinstance(found, Unit):
            assert unit.factor == pytest.approx(found.factor, rel=1e-5), (name, unit.name)
            checked += not unit.is_identity
        elif not unit.is_identity:
            by_rule.add(unit.name)
    assert checked == 190
    assert by_rule == set(BY_RULE.split())


# --- Twins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "lowest", "highest", "step", "unit", "decimals"),
    [
        ("glucose", 20, 900, 1, "mmol/L", 2),
        ("glucose", 20, 900, 1, "mmol/L", 4),
        ("total_cholesterol", 60, 600, 1, "mmol/L", 2),
        ("triglycerides", 20, 2000, 1, "mmol/L", 2),
        ("urea_nitrogen", 2, 200, 1, "mmol/L", 1),
        ("calcium", 4, 18, 0.1, "mmol/L", 2),
        ("bilirubin_total", 0.1, 40, 0.1, "umol/L", 0),
        ("creatinine", 0.2, 15, 0.01, "umol/L", 1),
        ("haemoglobin", 4, 20, 0.1, "g/L", 0),
        ("hba1c", 4, 16, 0.1, "mmol/mol", 1),
        ("temperature", 34, 42, 0.1, "[degF]", 1),
        ("weight", 2, 200, 0.1, "[lb_av]", 1),
    ],
)
def test_twins_that_laboratories_print_are_equal(
    concept: str, lowest: float, highest: float, step: float, unit: str, decimals: int
) -> None:
    """Every value of the reporting range, printed in the other unit with ``decimals`` and read back."""
    rule = next(known for known in CONCEPTS[concept].units if known.name == unit)
    for place in range(round((highest - lowest) / step) + 1):
        value = round(lowest + place * step, CONCEPTS[concept].decimals)
        twin = round((value - rule.offset) / rule.factor, decimals)
        assert canonical_value(concept, twin, unit).value == value


@given(st.floats(20, 900), st.integers(0, 4))
def test_a_twin_with_all_its_digits_is_equal_whatever_the_digits_of_the_first(
    value: float, digits: int
) -> None:
    printed = round(value, digits)
    assert canonical_value("glucose", printed / 18.0156, "mmol/L").value == printed


@given(st.sampled_from(MEASUREMENTS), st.data())
def test_conversions_go_there_and_back(name: str, data: st.DataObject) -> None:
    concept = CONCEPTS[name]
    unit = data.draw(st.sampled_from(concept.units))
    value = data.draw(st.floats(concept.low, concept.high))
    back = concept.canonical((value - unit.offset) / unit.factor, unit.name)
    assert back is not None
    # Half of the coarser of the last digit kept and the last digit of the other unit's value.
    assert abs(back - value) <= 0.5 * 10.0**-concept.decimals * (1 + 1e-9) + abs(value) * 1e-9


@given(st.sampled_from(MEASUREMENTS), st.floats(allow_nan=False, allow_infinity=False))
def test_the_canonical_unit_changes_no_number(name: str, value: float) -> None:
    concept = CONCEPTS[name]
    assert concept.canonical_unit is not None
    assert concept.canonical(value, concept.canonical_unit) == value


@given(st.sampled_from(LISTED), st.integers(-1000, 100_000), st.integers(-1000, 100_000), st.integers(0, 3))
def test_numbers_of_the_same_digits_keep_their_order(
    known: tuple[str, Unit], one: int, other: int, digits: int
) -> None:
    name, unit = known
    values = sorted((one / 10**digits, other / 10**digits))
    low, high = (unit.convert(value, CONCEPTS[name].decimals) for value in values)
    # A number that ends in zeros counts as one with fewer digits, so order holds but for the last digit kept.
    assert low <= high + 10.0 ** -CONCEPTS[name].decimals


# --- Spellings and unlisted units ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "unit", "value", "expected"),
    [
        ("glucose", "MG/DL", 100.0, 100.0),
        ("glucose", " mg/dL ", 100.0, 100.0),
        ("glucose", "mmol/l", 5.55, 100.0),
        ("creatinine", "µmol/L", 88.4, 1.0),
        ("creatinine", "μmol/L", 88.4, 1.0),
        ("wbc", "K/uL", 7.2, 7.2),
        ("wbc", "x10E3/uL", 7.2, 7.2),
        ("wbc", "10^9/L", 7.2, 7.2),
        ("wbc", "cells/mm3", 7200.0, 7.2),
        ("heart_rate", "bpm", 72.0, 72.0),
        ("heart_rate", "{beats}/min", 72.0, 72.0),
        ("systolic_bp", "mmHg", 120.0, 120.0),
        ("temperature", "°F", 98.6, 37.0),
        ("weight", "lbs", 154.3, 70.0),
        ("height", "in", 70.0, 177.8),
        ("egfr", "mL/min/1.73m2", 61.0, 61.0),
        ("egfr", "mL/min/1.73 m²", 61.0, 61.0),
        ("egfr", "mL/min", 61.0, 61.0),
        ("sodium", "mEq/L", 140.0, 140.0),
        ("tsh", "uIU/mL", 2.5, 2.5),
        ("alt", "IU/L", 40.0, 40.0),
        ("hba1c", "% of total Hgb", 6.5, 6.5),
        ("aptt", "sec", 30.0, 30.0),
        # In no list: ucumvert and pint.
        ("glucose", "umol/dL", 555.0, 100.0),
        ("glucose", "ug/mL", 1000.0, 100.0),
        ("potassium", "mg/L", 160.0, 4.1),
        ("sodium", "meq/dL", 14.0, 140.0),
        ("calcium", "ueq/mL", 5.0, 10.0),
        ("weight", "mg", 70_000_000.0, 70.0),
        ("oxygen_flow", "L/h", 120.0, 2.0),
        ("systolic_bp", "cm[H2O]", 163.0, 120.0),
    ],
)
def test_other_spellings_and_units_mean_the_same(
    concept: str, unit: str, value: float, expected: float
) -> None:
    found = canonical_value(concept, value, unit)
    assert found.reason is None
    assert found.value == pytest.approx(expected, abs=10.0 ** -CONCEPTS[concept].decimals / 2 + 1e-9)


@pytest.mark.parametrize(
    ("concept", "unit", "reason"),
    [
        # What an annotation says is not dropped.
        ("urine_albumin", "mg/g{creat}", Refusal.OTHER_DIMENSION),
        ("glucose", "mg/g{creat}", Refusal.OTHER_DIMENSION),
        ("glucose", "mmol/mol{creat}", Refusal.OTHER_DIMENSION),
        ("haemoglobin", "g/dL{plasma}", Refusal.OTHER_DIMENSION),
        ("uacr", "mg/g{protein}", Refusal.OTHER_DIMENSION),
        ("d_dimer", "ng/mL{DDU}", Refusal.OTHER_DIMENSION),
        ("d_dimer_ddu", "ug/mL{FEU}", Refusal.OTHER_DIMENSION),
        # Pure numbers are not told apart by dimension.
        ("hba1c", "umol/mol", Refusal.OTHER_DIMENSION),
        ("hba1c", "g/g", Refusal.OTHER_DIMENSION),
        ("inr", "%", Refusal.OTHER_DIMENSION),
        ("inr", "s", Refusal.OTHER_DIMENSION),
        # Equivalents, osmoles, arbitrary units.
        ("sodium", "mosm/L", Refusal.OTHER_DIMENSION),
        ("glucose", "meq/L", Refusal.OTHER_DIMENSION),
        ("total_protein", "meq/L", Refusal.OTHER_DIMENSION),
        ("alt", "[arb'U]/L", Refusal.OTHER_DIMENSION),
        ("urine_rbc", "/uL", Refusal.OTHER_DIMENSION),
        # Another dimension, no mole of it known, a scale with an offset.
        ("glucose", "mmol/kg", Refusal.OTHER_DIMENSION),
        ("albumin", "umol/L", Refusal.OTHER_DIMENSION),
        ("weight", "cm", Refusal.OTHER_DIMENSION),
        ("temperature", "mK", Refusal.OTHER_DIMENSION),
        ("heart_rate", "%", Refusal.OTHER_DIMENSION),
        ("glucose", "", Refusal.NO_UNIT),
        ("glucose", None, Refusal.NO_UNIT),
        ("spo2", None, Refusal.NO_UNIT),
        ("temperature", None, Refusal.NO_UNIT),
        ("glucose", "a lot", Refusal.UNKNOWN_UNIT),
        ("glucose", "m" * 10_000, Refusal.UNKNOWN_UNIT),
        ("glucose", "((((((((((((((((((((((((", Refusal.UNKNOWN_UNIT),
        ("diabetes", "mg/dL", Refusal.UNKNOWN_UNIT),
    ],
)
def test_a_unit_that_says_something_else_is_refused(concept: str, unit: str | None, reason: Refusal) -> None:
    assert canonical_value(concept, 5.0, unit) == (None, None, reason)


@given(st.sampled_from(MEASUREMENTS), st.text(max_size=12), st.floats())
@example("glucose", "10*999999999", 1.0)
@example("temperature", "Cel2", 1.0)
def test_no_unit_and_no_number_raises(concept: str, unit: str, value: float) -> None:
    found = canonical_value(concept, value, unit)
    assert (found.value is None) == (found.unit is None) == (found.reason is not None)


@pytest.mark.parametrize(
    ("concept", "expected"),
    [("inr", "{INR}"), ("ph_arterial", "[pH]"), ("urine_specific_gravity", "1"), ("phq9", "{score}")],
)
def test_numbers_that_have_one_unit_by_definition_need_none(concept: str, expected: str) -> None:
    low = CONCEPTS[concept].low
    assert low is not None
    assert canonical_value(concept, low, None) == (low, expected, None)


def test_only_numbers_without_a_dimension_may_lack_their_unit() -> None:
    safe = {concept.canonical_unit for concept in CONCEPTS.values() if concept.unit_when_absent}
    assert safe == {"{INR}", "[pH]", "1", "{score}", "{ratio}", "{T-score}"}


# --- Limits and codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_limits_are_inclusive_and_refuse_without_clipping(name: str) -> None:
    concept = CONCEPTS[name]
    assert concept.low is not None
    assert concept.high is not None
    for value in (concept.low, concept.high):
        assert canonical_value(name, value, concept.canonical_unit).value == value
    for value in (math.nextafter(concept.low, -math.inf), math.nextafter(concept.high, math.inf)):
        assert canonical_value(name, value, concept.canonical_unit).reason is Refusal.IMPLAUSIBLE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    assert canonical_value("glucose", value, "mg/dL").reason is Refusal.NOT_FINITE


@pytest.mark.parametrize(
    ("code", "expected"),
    [("266919005", 0.0), ("8517006", 1.0), ("449868002", 2.0), ("77176002", None), ("266927001", None)],
)
def test_answers_become_numbers(code: str, expected: float | None) -> None:
    assert coded_value("smoking_status", SNOMED, code) == expected
    assert coded_value("glucose", SNOMED, code) is None


def test_every_answer_is_plausible() -> None:
    for name in MEASUREMENTS:
        for _, number in CONCEPTS[name].answers:
            assert canonical_value(name, number, CONCEPTS[name].canonical_unit).value == number
