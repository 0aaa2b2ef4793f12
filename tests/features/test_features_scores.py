"""Clinical scores against worked examples and the published tables."""

from __future__ import annotations

import pytest

from medcairn.core.concepts import CONCEPTS, Kind
from medcairn.features import features_at
from medcairn.features.feature import Aggregate, Feature, Source, concepts_behind, reads_index_stay
from medcairn.features.scores import EGFR, score_names, scores

from .silver_rows import Silver, feature, index_of

NOON = "2020-03-01T12:00"


def score(silver: Silver, name: str, days: int | None = None) -> float | None:
    """A score of Ann at noon of 1 March 2020."""
    table = features_at(silver.tables(), index_of(("ann", NOON)), feature("score", name, "value", days))
    value: float | None = table.column("x")[0].as_py()
    return value


def with_conditions(*concepts: str) -> Silver:
    silver = Silver().patient()
    for concept in concepts:
        silver.condition(concept, "2015-01-01")
    return silver


@pytest.mark.parametrize("name", score_names())
def test_a_table_has_a_citation_and_names_known_concepts(name: str) -> None:
    table = scores()[name]
    assert table.name == name and table.citation
    for concept in table.concepts() - {"ingredients"}:
        assert CONCEPTS[concept].kind in (Kind.CONDITION, Kind.MEASUREMENT)


@pytest.mark.parametrize(
    ("groups", "points"),
    [
        ((), 0.0),
        (("myocardial_infarction", "congestive_heart_failure"), 2.0),
        (("diabetes_uncomplicated",), 1.0),
        (("diabetes_uncomplicated", "diabetes_complicated"), 2.0),
        (("malignancy", "metastatic_solid_tumour"), 6.0),
        (("mild_liver_disease", "moderate_severe_liver_disease"), 3.0),
        (("hemiplegia_paraplegia", "renal_disease", "aids_hiv"), 10.0),
    ],
)
def test_charlson_1987(groups: tuple[str, ...], points: float) -> None:
    assert score(with_conditions(*(f"charlson_{group}" for group in groups)), "charlson") == points


def test_charlson_maxima_are_those_of_the_papers() -> None:
    """17 groups; the milder form of three diseases does not count beside the severe one.

    1987: 8 groups of 1 point, 4 x 2 (hemiplegia, diabetes with complications, renal disease; malignancy is
    silenced), 3, 6 and 6. 2011: the maximum that Quan et al. state is 24.
    """
    everything = with_conditions(*(c for c in CONCEPTS if c.startswith("charlson_")))
    assert score(everything, "charlson") == 8 * 1 + 3 * 2 + 3 + 6 + 6
    assert score(everything, "charlson_quan_2011") == 2 + 2 + 1 + 1 + 4 + 1 + 2 + 1 + 6 + 4


@pytest.mark.parametrize(
    ("groups", "points"),
    [
        (("congestive_heart_failure", "renal_failure"), 12.0),
        (("solid_tumour_without_metastasis",), 4.0),
        (("solid_tumour_without_metastasis", "metastatic_cancer"), 12.0),
        (("drug_abuse", "obesity", "depression"), -14.0),
        (("hypertension_uncomplicated", "diabetes_complicated"), 0.0),
    ],
)
def test_elixhauser_van_walraven(groups: tuple[str, ...], points: float) -> None:
    assert score(with_conditions(*(f"elixhauser_{group}" for group in groups)), "elixhauser") == points


def test_the_weights_of_elixhauser_sum_to_those_of_the_paper() -> None:
    """All positive and all negative points of van Walraven et al., table 2: -19 to 89."""
    points = [term.steps[0][1] for term in scores()["elixhauser"].terms]
    assert sum(p for p in points if p < 0) == -19
    assert sum(p for p in points if p > 0) == 89


@pytest.mark.parametrize(
    ("gender", "age", "creatinine", "egfr"),
    [
        ("male", 55, 1.2, 71.0),
        ("male", 50, 1.1, 82.0),
        ("male", 70, 0.8, 95.2),
        ("female", 50, 1.0, 68.6),
    ],
)
def test_egfr_is_that_of_published_examples(gender: str, age: int, creatinine: float, egfr: float) -> None:
    """The National Kidney Foundation's calculator (whole numbers) and two R packages (one decimal)."""
    silver = Silver().patient(born=2020 - age, gender=gender).lab("creatinine", creatinine, "2020-02-01")
    found = score(silver, EGFR, 365)
    assert found is not None and round(found, 0 if egfr.is_integer() else 1) == egfr


def test_egfr_takes_the_age_when_the_creatinine_was_taken() -> None:
    then = Silver().patient(born=1950).lab("creatinine", 1.0, "2010-06-01")
    now = Silver().patient(born=1960).lab("creatinine", 1.0, "2020-01-01")
    assert score(then, EGFR) == score(now, EGFR)


@pytest.mark.parametrize("gender", ["other", None])
def test_egfr_needs_the_sex_the_equation_was_made_for(gender: str | None) -> None:
    assert score(Silver().patient(gender=gender).lab("creatinine", 1.0, "2020-02-01"), EGFR) is None


def test_egfr_without_creatinine_or_age_is_missing() -> None:
    assert score(Silver().patient(), EGFR) is None
    assert score(Silver().patient(born=None).lab("creatinine", 1.0, "2020-02-01"), EGFR) is None


def lace_stay(days: int = 5) -> Silver:
    return Silver().patient().stay(f"2020-02-{25 if days == 5 else 28}T12:00", NOON)


def test_lace_of_an_emergency_stay_of_five_days() -> None:
    """L 4 (4 to 6 days), A 3, C 5 (heart failure 2 and dementia 3 make 5, cut at 5), E 2: 14."""
    silver = (
        lace_stay()
        .encounter("EMER", "2020-02-25T06:00", "2020-02-25T12:00")
        .encounter("EMER", "2020-01-10", "2020-01-10")
        .encounter("EMER", "2019-12-10", "2019-12-10")
        .encounter("EMER", "2019-03-01", "2019-03-01")
        .condition("charlson_congestive_heart_failure", "2018-01-01")
        .condition("charlson_dementia", "2018-01-01")
    )
    assert score(silver, "lace_comorbidity") == 5.0
    assert score(silver, "lace") == 4 + 3 + 5 + 2


def test_lace_of_an_elective_stay_of_two_days() -> None:
    silver = Silver().patient().stay("2020-02-28T12:00", NOON)
    assert score(silver, "lace") == 2.0


@pytest.mark.parametrize(
    ("start", "points"),
    [
        ("2020-03-01T02:00", 0),
        ("2020-02-29T12:00", 1),
        ("2020-02-27T12:00", 3),
        ("2020-02-26T12:00", 4),
        ("2020-02-23T12:00", 5),
        ("2020-02-16T12:00", 7),
    ],
)
def test_days_in_hospital_give_lace_points(start: str, points: int) -> None:
    assert score(Silver().patient().stay(start, NOON), "lace") == points


def test_hospital_score_with_every_point() -> None:
    """Haemoglobin 1, cancer 2, sodium 1, procedure 1, urgent 1, six earlier stays 5, five days 2: 13."""
    silver = (
        Silver()
        .patient()
        .stay("2020-02-25T12:00", NOON, type_code="183452005")
        .lab("haemoglobin", 12.4, "2020-02-26")
        .lab("haemoglobin", 11.9, "2020-02-28")
        .lab("sodium", 134.0, "2020-02-28")
        .condition("cancer", "2019-01-01")
        .procedure("2020-02-26")
    )
    for month in range(4, 10):
        silver.stay(f"2019-0{month}-01", f"2019-0{month}-04")
    assert score(silver, "hospital") == 13.0


def test_hospital_score_with_no_point_and_values_from_before_the_stay() -> None:
    silver = (
        Silver()
        .patient()
        .stay("2020-02-27T12:00", NOON)
        .lab("haemoglobin", 8.0, "2020-02-20")
        .lab("sodium", 135.0, "2020-02-28")
        .stay("2018-04-01", "2018-04-04")
    )
    assert score(silver, "hospital") == 0.0


@pytest.mark.parametrize("name", ["lace", "hospital"])
def test_readmission_scores_without_a_stay_are_missing(name: str) -> None:
    assert score(with_conditions("cancer", "charlson_dementia"), name) is None


@pytest.mark.parametrize(("number", "five", "ten"), [(4, 0.0, 0.0), (5, 1.0, 0.0), (10, 1.0, 1.0)])
def test_polypharmacy_counts_ingredients(number: int, five: float, ten: float) -> None:
    ingredients = [n for n, c in CONCEPTS.items() if c.kind is Kind.MEDICATION and not c.members][:number]
    silver = Silver().patient()
    for name in ingredients:
        silver.medication([name, "antihypertensive"], "2020-02-01", code=name)
        silver.medication([name], "2020-02-02", code=f"{name} other strength")
    assert score(silver, "polypharmacy", 90) == five
    assert score(silver, "hyperpolypharmacy", 90) == ten


def test_what_stands_behind_a_score() -> None:
    lace = Feature("lace_ever", Source.SCORE, "lace", Aggregate.VALUE, None)
    assert {"charlson_dementia", "charlson_renal_disease"} <= concepts_behind(lace)
    assert reads_index_stay(lace)
    charlson = Feature("charlson_ever", Source.SCORE, "charlson", Aggregate.VALUE, None)
    assert not reads_index_stay(charlson)
    egfr = Feature("egfr", Source.SCORE, EGFR, Aggregate.VALUE, 365)
    assert concepts_behind(egfr) == {"creatinine"}
