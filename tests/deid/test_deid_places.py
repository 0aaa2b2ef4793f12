"""Places: the state, and a three-digit ZIP area where a census table allows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medcairn.deid import Policy, safe_harbor

from .clinic import Clinic, patient

TABLE = frozenset({"011", "021", "902"})
"""Stands for a table of areas with more than 20,000 people; three areas, to try the mechanism."""


def with_table() -> Policy:
    """The shipped policy with the table."""
    policy = safe_harbor()
    return replace(policy, vocabulary=replace(policy.vocabulary, zip_table="test", zip_areas=TABLE))


def left(clinic: Clinic, policy: Policy, **address: Any) -> Any:
    """What an address becomes; None: nothing."""
    out = clinic.add(patient(address=[address])).release(policy=policy)
    (found,) = out.resources("Patient")
    return found.get("address", [None])[0]


@pytest.mark.parametrize(
    ("written", "area"),
    [
        ("01103", "011"),
        ("01103-1234", "011"),
        (" 90210 ", "902"),
        ("1103", "011"),  # four digits: the leading zero was lost
        ("2139", "021"),
        ("1103-1234", "011"),
        ("9021", "000"),  # 09021, which is not 902
        ("03601", "000"),  # not in the table
        ("011031234", "000"),
        ("902", "000"),
        ("SW1A 1AA", "000"),
        ("unknown", "000"),
    ],
)
def test_zip_codes_become_areas_of_the_table_or_000(clinic: Clinic, written: str, area: str) -> None:
    assert left(clinic, with_table(), postalCode=written) == {"postalCode": area}


def test_without_a_table_every_zip_code_becomes_000(clinic: Clinic) -> None:
    assert left(clinic, safe_harbor(), postalCode="02139") == {"postalCode": "000"}
    assert clinic.release().report.facts()["zip_table"] == "none"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"state": "Massachusetts", "city": "Salem"}, {"state": "MA"}),
        ({"state": "ma"}, {"state": "MA"}),
        ({"state": "MA", "country": "United States"}, {"state": "MA", "country": "US"}),
        ({"state": "Bavaria"}, None),
        ({"state": "MA", "country": "DE"}, None),
        ({"city": "Salem", "district": "Essex", "line": ["1 Elm"], "text": "1 Elm, Salem"}, None),
    ],
)
def test_of_a_place_the_state_leaves(clinic: Clinic, address: Any, expected: Any) -> None:
    assert left(clinic, safe_harbor(), **address) == expected
