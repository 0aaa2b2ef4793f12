"""The limits of the gold tables: what the file may say, and what is refused by the name of its key."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from medcairn.core.errors import SettingsError
from medcairn.lakehouse.gold import parse_rules, read_rules, shipped_rules
from medcairn.lakehouse.gold.flags import flag_columns
from medcairn.lakehouse.gold.rules import Condition, Flag, Limit

Change = Callable[[dict[str, Any]], object]


def shipped() -> dict[str, Any]:
    text = resources.files("medcairn.lakehouse.gold").joinpath("rules.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def test_the_shipped_rules_hold_and_every_flag_names_its_source() -> None:
    rules = shipped_rules()
    flags = {**rules.vital_trends.flags, **rules.chronic_disease.flags}
    assert set(flags) == {
        "hypertension_flag", "tachycardia_flag", "hypoxia_flag",
        "diabetes_risk_flag", "hypertension_risk_flag", "cvd_risk_flag",
    }  # fmt: skip
    assert all(len(flag.source) > 20 for flag in flags.values())
    assert rules.chronic_disease.polypharmacy == (5, 10)
    assert set(rules.chronic_disease.diseases) == {"diabetes", "hypertension", "ckd", "chf", "copd"}


def test_limits_are_exact_in_whole_ten_thousandths() -> None:
    assert (Limit(below=5.7).under, Limit(at_most=5.7).under) == (57_000, 57_001)
    assert (Limit(at_least=5.7).start, Limit(above=5.7).start) == (57_000, 57_001)
    assert (Limit().under, Limit().start) == (None, None)


def test_a_flag_compares_sums_and_never_fractions() -> None:
    low = Condition(concept="spo2", statistic="min", below=90.0)
    high = Condition(concept="ldl", statistic="avg", above=160.0)
    flags = {"one": Flag(source="", any=(low,)), "two": Flag(source="", all=(high, Condition(flag="one")))}
    assert flag_columns(flags) == (
        "((spo2_min < 900000)) AS one, ((ldl_sum > 1600000 * ldl_n) AND ((spo2_min < 900000))) AS two"
    )


def append(*path: str | int, item: Any) -> Change:
    def change(rules: dict[str, Any]) -> None:
        at(rules, *path).append(item)

    return change


def put(*path: str | int, **values: Any) -> Change:
    def change(rules: dict[str, Any]) -> None:
        at(rules, *path).update(values)

    return change


def at(rules: Any, *path: str | int) -> Any:
    for step in path:
        rules = rules[step]
    return rules


FLAGS = ("chronic_disease", "flags", "diabetes_risk_flag", "any")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("vital_trends.concepts", append("vital_trends", "concepts", item="mood")),
        ("adherence.classes", append("adherence", "classes", item="glucose")),
        ("lab_trends.labs", put("lab_trends", "labs", mood={})),
        ("adherence.period_days", put("adherence", period_days=[0])),
        ("chronic_disease", put("chronic_disease", "labs", days=0)),
        ("chronic_disease", put("chronic_disease", "labs", concepts=["bmi"])),
        ("chronic_disease.flags", append(*FLAGS, item={"flag": "cvd_risk_flag"})),
        ("chronic_disease.flags", append(*FLAGS, item={"concept": "hba1c"})),
        ("chronic_disease.flags", append(*FLAGS, item={"concept": "lactate", "above": 2})),
        ("statuses.active_medication", append("statuses", "active_medication", item="x' OR '1'='1")),
        ("adherence", put("adherence", colour="red")),
        ("adherence.adherent_percent", put("adherence", adherent_percent="much")),
    ],
    ids=range(12),
)
def test_what_is_wrong_is_refused_by_its_key(key: str, change: Change) -> None:
    rules = shipped()
    change(rules)
    with pytest.raises(SettingsError) as caught:
        parse_rules(yaml.safe_dump(rules, sort_keys=False))
    assert caught.value.fields["key"] == key
    assert "mood" not in str(caught.value) and "much" not in str(caught.value)


def test_a_file_that_is_no_yaml_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="form that is due"):
        parse_rules("a: [")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_rules(tmp_path / "absent.yaml")


def test_rules_of_ones_own_are_read(tmp_path: Path) -> None:
    rules = shipped()
    rules["vital_trends"]["settle_days"] = 2
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    assert read_rules(path).vital_trends.settle_days == 2
