"""The policy of a people store is data; what it does not know it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcairn.access import AccessPolicy, read_policy
from medcairn.access.policy import parse_policy
from medcairn.core.errors import SettingsError


def test_the_built_in_ones() -> None:
    basic, strict = read_policy("basic"), read_policy("part11")
    assert basic == AccessPolicy()
    assert (strict.signing.second_factor, strict.signing.identity_proof) == ("required", True)
    assert strict.signing.training == ("esignature-accountability",)
    assert strict.password.maximum_age_days == 365 and strict.administrator_adds


def test_one_of_the_studys_own(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text("signing: {second_factor: required}\n")
    assert read_policy(path).signing.second_factor == "required"


REFUSED = [
    ("", "no mapping"),
    ("- a", "no mapping"),
    ("a: [", "no mapping"),
    ("colour: red", "colour"),
    ("signing: {second_factor: sometimes}", "second_factor"),
    ("lock_out: {failures: 0}", "failures"),
    ("password: {minimum_length: 4}", "minimum_length"),
    ("signing: {training: [Two Words]}", "training"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_a_policy_that_cannot_be_used_names_the_key(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        parse_policy(text)
    assert "red" not in str(refused.value) and "sometimes" not in str(refused.value)


def test_there_must_be_such_a_policy(tmp_path: Path) -> None:
    for rules in ("lenient", tmp_path / "none.yaml"):
        with pytest.raises(SettingsError, match="no such"):
            read_policy(rules)
