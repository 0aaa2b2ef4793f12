"""Subgroups: what is shown, what is withheld, and that nothing unlisted gets out."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcairn.validation import Estimate, Sample, SubgroupFindings, Unavailable
from medcairn.validation.auroc import auroc
from medcairn.validation.subgroups import CELL_FLOOR, UNLISTED, assess_subgroups, withheld


def sampled(rows: int = 600, *, worse: str | None = None) -> tuple[Sample, list[str]]:
    """Rows of two sexes with the same risk; the scores of ``worse`` say nothing."""
    generator = np.random.default_rng(9)
    latent = generator.normal(size=rows)
    outcome = generator.random(rows) < 1 / (1 + np.exp(1 - 2 * latent))
    sex = [("female", "male")[i % 2] for i in range(rows)]
    noise = generator.normal(size=rows)
    score = np.where(np.array(sex) == worse, noise, latent) if worse else latent
    return Sample.of(outcome, 1 / (1 + np.exp(-score))), sex


def by_name(findings: SubgroupFindings) -> dict[str, object]:
    return {f"{g.attribute}: {g.group}": g for g in findings.groups}


def test_each_group_has_its_own_auroc() -> None:
    sample, sex = sampled()
    findings = assess_subgroups(sample, {"sex": sex})
    female = next(g for g in findings.groups if g.group == "female")
    assert female.auroc == auroc(sample.only(np.array(sex) == "female"))
    assert female.rows == 300


def test_a_group_that_is_ranked_worse_is_named_with_evidence() -> None:
    sample, sex = sampled(worse="male")
    findings = assess_subgroups(sample, {"sex": sex})
    assert findings.worst == "sex: male"
    assert isinstance(findings.gap, Estimate)
    assert findings.gap.low > 0.10


def test_groups_ranked_alike_give_no_evidence_of_a_gap() -> None:
    sample, sex = sampled()
    findings = assess_subgroups(sample, {"sex": sex})
    assert isinstance(findings.gap, Estimate)
    assert findings.gap.low < 0


def test_a_small_group_is_withheld_and_cannot_be_found_by_subtraction() -> None:
    sample, _ = sampled(200)
    race = ["2106-3"] * 150 + ["2054-5"] * 45 + ["2028-9"] * 5
    findings = assess_subgroups(sample, {"race": race})
    rows = {g.group: g.rows for g in findings.groups}
    assert rows == {"White": 150, "Black or African American": None, "Asian": None}
    asian = next(g for g in findings.groups if g.group == "Asian")
    assert isinstance(asian.auroc, Unavailable)


def test_a_value_outside_the_code_lists_is_never_shown() -> None:
    sample, _ = sampled(200)
    odd = ["Zebulon Quux"] * 100 + ["2106-3"] * 100
    findings = assess_subgroups(
        sample, {"race": odd, "sex": odd, "ethnicity": odd, "age_band": [*odd[:100], *["45-64"] * 100]}
    )
    assert "Zebulon" not in json.dumps([g.as_json() for g in findings.groups])
    assert {g.group for g in findings.groups} == {UNLISTED, "White", "45-64"}


def test_one_group_alone_is_compared_with_nothing() -> None:
    sample, _ = sampled(200)
    findings = assess_subgroups(sample, {"sex": ["female"] * 200})
    assert isinstance(findings.gap, Unavailable)
    assert findings.worst == ""


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_withheld_count_is_never_alone_among_counts_that_add_up(counts: list[int]) -> None:
    hidden = withheld(counts)
    assert all(hidden[i] for i, count in enumerate(counts) if 0 < count < CELL_FLOOR)
    assert sum(hidden) != 1 or sum(count > 0 for count in counts) == 1
